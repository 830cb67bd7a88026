#include "client/cpp/examples/trainer/evaluation.h"

#include <cassert>
#include <cstddef>

#include "client/cpp/examples/trainer/loss.h"
#include "core/firing_rule.h"

namespace firekeeper::trainer {
namespace {

template <typename Values>
bool FiresOnAny(const core::FiringRule& rule, const Values& values) {
  for (Eigen::Index row = 0; row < values.rows(); ++row) {
    for (Eigen::Index col = 0; col < values.cols(); ++col) {
      if (rule.Fires(static_cast<double>(values(row, col)))) return true;
    }
  }
  return false;
}

}  // namespace

template <typename Scalar>
Evaluation Evaluate(Network<Scalar>& network, const Dataset<Scalar>& data) {
  assert(data.size() > 0);
  const Matrix<Scalar>& logits = network.Forward(data.inputs, Mode::kEvaluate);
  std::int64_t right = 0;
  for (Eigen::Index row = 0; row < logits.rows(); ++row) {
    if (!logits.row(row).allFinite()) continue;
    Eigen::Index predicted = 0;
    Eigen::Index wanted = 0;
    logits.row(row).maxCoeff(&predicted);
    data.targets.row(row).maxCoeff(&wanted);
    if (predicted == wanted) ++right;
  }
  return {.loss = SoftmaxCrossEntropy<Scalar>(logits, data.targets, nullptr),
          .accuracy =
              static_cast<double>(right) / static_cast<double>(data.size())};
}

template <typename Scalar>
std::vector<SilentUnits> CountSilentUnits(Network<Scalar>& network,
                                          const Matrix<Scalar>& inputs) {
  assert(inputs.rows() > 0);
  network.Forward(inputs, Mode::kEvaluate);
  std::vector<SilentUnits> counts;
  counts.reserve(network.layer_count());
  for (std::size_t i = 0; i < network.layer_count(); ++i) {
    const LayerView<Scalar> layer = network.layer(i);
    const core::FiringRule rule =
        core::FiringRuleFor(core::Signal::kPreActivation, layer.activation);
    SilentUnits& count =
        counts.emplace_back(SilentUnits{.layer = layer.name,
                                        .units = network.place(i).units,
                                        .never_fired = 0,
                                        .non_finite = 0});
    const Eigen::Index positions = network.place(i).positions;
    for (Eigen::Index unit = 0; unit < count.units; ++unit) {
      const auto values =
          layer.pre_activation.middleCols(unit * positions, positions);
      if (!values.allFinite()) {
        ++count.non_finite;
      } else if (!FiresOnAny(rule, values)) {
        ++count.never_fired;
      }
    }
  }
  return counts;
}

template Evaluation Evaluate(Network<float>& network,
                             const Dataset<float>& data);
template Evaluation Evaluate(Network<double>& network,
                             const Dataset<double>& data);
template std::vector<SilentUnits> CountSilentUnits(Network<float>& network,
                                                   const Matrix<float>& inputs);
template std::vector<SilentUnits> CountSilentUnits(
    Network<double>& network, const Matrix<double>& inputs);

}  // namespace firekeeper::trainer
