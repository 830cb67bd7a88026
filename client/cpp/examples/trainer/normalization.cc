#include "client/cpp/examples/trainer/normalization.h"

#include <cassert>

namespace firekeeper::trainer {
namespace {

template <typename Scalar>
using Row = Eigen::Matrix<Scalar, 1, Eigen::Dynamic>;
template <typename Scalar>
using Column = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;

constexpr double kMomentum = 0.1;

// 1 / sqrt(variance + epsilon).
template <typename Derived>
auto InverseDeviation(const Eigen::MatrixBase<Derived>& variance) {
  using Scalar = typename Derived::Scalar;
  // Not rsqrt(): its last bits depend on the processor.
  return (variance.array() + static_cast<Scalar>(kNormalizationEpsilon))
      .sqrt()
      .inverse()
      .matrix()
      .eval();
}

template <typename Scalar>
class BatchNormalization final : public Layer<Scalar> {
 public:
  void Forward(const Matrix<Scalar>& input, Mode mode,
               Matrix<Scalar>& output) override {
    assert(input.rows() > 0);
    uses_batch_ = mode == Mode::kTrain || running_mean_.size() == 0;
    if (uses_batch_) {
      Row<Scalar> mean = input.colwise().mean();
      output = input.rowwise() - mean;
      const Row<Scalar> variance = output.cwiseAbs2().colwise().mean();
      factor_ = InverseDeviation(variance);
      if (mode == Mode::kTrain) Follow(mean, variance, input.rows());
    } else {
      output = input.rowwise() - running_mean_;
      factor_ = InverseDeviation(running_variance_);
    }
    output.array().rowwise() *= factor_.array();
    normalized_ = output;
  }

  // dL/dx = (g - mean(g) - y mean(g y)) / deviation, the means over the batch.
  void Backward(const Matrix<Scalar>& /*input*/,
                const Matrix<Scalar>& output_gradient,
                Matrix<Scalar>* input_gradient) override {
    if (input_gradient == nullptr) return;
    *input_gradient = output_gradient;
    if (uses_batch_) {
      const Row<Scalar> mean = output_gradient.colwise().mean();
      const Row<Scalar> share =
          output_gradient.cwiseProduct(normalized_).colwise().mean();
      input_gradient->rowwise() -= mean;
      input_gradient->array() -= normalized_.array().rowwise() * share.array();
    }
    input_gradient->array().rowwise() *= factor_.array();
  }

 private:
  // The running variance is that of a sample: n / (n - 1) times the batch's.
  void Follow(const Row<Scalar>& mean, const Row<Scalar>& variance,
              Eigen::Index rows) {
    const Scalar bessel =
        rows > 1 ? static_cast<Scalar>(rows) / static_cast<Scalar>(rows - 1)
                 : Scalar{1};
    if (running_mean_.size() == 0) {
      running_mean_ = mean;
      running_variance_ = bessel * variance;
      return;
    }
    constexpr auto kShare = static_cast<Scalar>(kMomentum);
    running_mean_ += kShare * (mean - running_mean_);
    running_variance_ += kShare * (bessel * variance - running_variance_);
  }

  Row<Scalar> running_mean_;      // empty before the first training batch
  Row<Scalar> running_variance_;  // likewise
  // Of the last Forward.
  Row<Scalar> factor_;
  Matrix<Scalar> normalized_;
  bool uses_batch_ = true;
};

template <typename Scalar>
class LayerNormalization final : public Layer<Scalar> {
 public:
  void Forward(const Matrix<Scalar>& input, Mode /*mode*/,
               Matrix<Scalar>& output) override {
    assert(input.cols() > 0);
    const Column<Scalar> mean = input.rowwise().mean();
    output = input.colwise() - mean;
    factor_ = InverseDeviation(output.cwiseAbs2().rowwise().mean());
    output.array().colwise() *= factor_.array();
    normalized_ = output;
  }

  // As for the batch, the means over the units of each example.
  void Backward(const Matrix<Scalar>& /*input*/,
                const Matrix<Scalar>& output_gradient,
                Matrix<Scalar>* input_gradient) override {
    if (input_gradient == nullptr) return;
    const Column<Scalar> mean = output_gradient.rowwise().mean();
    const Column<Scalar> share =
        output_gradient.cwiseProduct(normalized_).rowwise().mean();
    *input_gradient = output_gradient.colwise() - mean;
    input_gradient->array() -= normalized_.array().colwise() * share.array();
    input_gradient->array().colwise() *= factor_.array();
  }

 private:
  // Of the last Forward.
  Column<Scalar> factor_;
  Matrix<Scalar> normalized_;
};

}  // namespace

template <typename Scalar>
std::unique_ptr<Layer<Scalar>> MakeNormalization(Normalization kind) {
  switch (kind) {
    case Normalization::kNone:
      return nullptr;
    case Normalization::kBatch:
      return std::make_unique<BatchNormalization<Scalar>>();
    case Normalization::kLayer:
      return std::make_unique<LayerNormalization<Scalar>>();
  }
  return nullptr;
}

template std::unique_ptr<Layer<float>> MakeNormalization(Normalization kind);
template std::unique_ptr<Layer<double>> MakeNormalization(Normalization kind);

}  // namespace firekeeper::trainer
