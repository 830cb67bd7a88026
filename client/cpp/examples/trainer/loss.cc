#include "client/cpp/examples/trainer/loss.h"

#include <cassert>
#include <cmath>

namespace firekeeper::trainer {
namespace {

// log(sum_k exp(o_k)), with the largest entry taken out so that it cannot
// overflow. A NaN in the row reaches the sum whatever maxCoeff makes of it.
template <typename Row>
double LogSumExp(const Row& row) {
  const auto largest = static_cast<double>(row.maxCoeff());
  double sum = 0.0;
  for (Eigen::Index k = 0; k < row.cols(); ++k) {
    sum += std::exp(static_cast<double>(row(k)) - largest);
  }
  // The largest entry alone adds 1.
  // cppcheck-suppress invalidFunctionArg
  return largest + std::log(sum);
}

}  // namespace

template <typename Scalar>
double SoftmaxCrossEntropy(const Matrix<Scalar>& logits,
                           const Matrix<Scalar>& targets,
                           Matrix<Scalar>* gradient) {
  assert(logits.rows() == targets.rows() && logits.cols() == targets.cols());
  assert(logits.size() > 0);
  const auto examples = static_cast<double>(logits.rows());
  if (gradient != nullptr) gradient->resize(logits.rows(), logits.cols());
  double loss = 0.0;
  for (Eigen::Index row = 0; row < logits.rows(); ++row) {
    const double normaliser = LogSumExp(logits.row(row));
    const auto mass = static_cast<double>(targets.row(row).sum());
    for (Eigen::Index k = 0; k < logits.cols(); ++k) {
      const double log_share = static_cast<double>(logits(row, k)) - normaliser;
      const auto target = static_cast<double>(targets(row, k));
      // 0 * log 0 counts as 0; a NaN must still show.
      if (target != 0.0 || std::isnan(log_share)) loss -= target * log_share;
      if (gradient != nullptr) {
        (*gradient)(row, k) = static_cast<Scalar>(
            (std::exp(log_share) * mass - target) / examples);
      }
    }
  }
  return loss / examples;
}

template <typename Scalar>
double MeanSquaredError(const Matrix<Scalar>& outputs,
                        const Matrix<Scalar>& targets,
                        Matrix<Scalar>* gradient) {
  assert(outputs.rows() == targets.rows() && outputs.cols() == targets.cols());
  assert(outputs.size() > 0);
  const auto entries = static_cast<double>(outputs.size());
  const Matrix<Scalar> distance = outputs - targets;
  if (gradient != nullptr) {
    *gradient = static_cast<Scalar>(2.0 / entries) * distance;
  }
  return distance.template cast<double>().squaredNorm() / entries;
}

template <typename Scalar>
double Loss(LossKind kind, const Matrix<Scalar>& outputs,
            const Matrix<Scalar>& targets, Matrix<Scalar>* gradient) {
  switch (kind) {
    case LossKind::kSoftmaxCrossEntropy:
      return SoftmaxCrossEntropy(outputs, targets, gradient);
    case LossKind::kMeanSquaredError:
      return MeanSquaredError(outputs, targets, gradient);
  }
  assert(false && "a loss outside the enumeration");
  return 0.0;
}

template double SoftmaxCrossEntropy(const Matrix<float>& logits,
                                    const Matrix<float>& targets,
                                    Matrix<float>* gradient);
template double SoftmaxCrossEntropy(const Matrix<double>& logits,
                                    const Matrix<double>& targets,
                                    Matrix<double>* gradient);
template double MeanSquaredError(const Matrix<float>& outputs,
                                 const Matrix<float>& targets,
                                 Matrix<float>* gradient);
template double MeanSquaredError(const Matrix<double>& outputs,
                                 const Matrix<double>& targets,
                                 Matrix<double>* gradient);
template double Loss(LossKind kind, const Matrix<float>& outputs,
                     const Matrix<float>& targets, Matrix<float>* gradient);
template double Loss(LossKind kind, const Matrix<double>& outputs,
                     const Matrix<double>& targets, Matrix<double>* gradient);

}  // namespace firekeeper::trainer
