#include "tests/experiments/trainer/measurement.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>

#include "client/cpp/examples/trainer/evaluation.h"

namespace firekeeper::experiments {
namespace {

constexpr std::int64_t kFirstSteps = 10;

double WeightGain(const trainer::Matrix<float>& weight) {
  const Eigen::ArrayXXd values = weight.cast<double>().array();
  const double variance = (values - values.mean()).square().mean();
  return std::sqrt(static_cast<double>(weight.cols()) * variance / 2.0);
}

double Norm(const trainer::Matrix<float>& values) {
  return values.cast<double>().norm();
}

}  // namespace

std::vector<UnitCounts> CountUnits(trainer::Network<float>& network,
                                   const trainer::Matrix<float>& inputs) {
  // Leaves the network showing the pass over all of `inputs`.
  const auto silent = trainer::CountSilentUnits(network, inputs);
  std::vector<UnitCounts> counts;
  for (std::size_t i = 0; i < network.layer_count(); ++i) {
    const trainer::Matrix<float>& z = network.layer(i).pre_activation;
    UnitCounts count{.units = silent[i].units,
                     .dead = 0,
                     .gated = silent[i].never_fired,
                     .linear = 0};
    const Eigen::Index positions = network.place(i).positions;
    for (Eigen::Index unit = 0; unit < count.units; ++unit) {
      const auto values = z.middleCols(unit * positions, positions);
      if (!values.allFinite()) continue;
      if (values.maxCoeff() <= 0.0F) ++count.dead;
      if (values.minCoeff() > 0.0F) ++count.linear;
    }
    counts.push_back(count);
  }
  return counts;
}

bool MeasuringObserver::Wants(std::int64_t step) {
  next_wants_ = next_ != nullptr && next_->Wants(step);
  return next_wants_ || step < kFirstSteps || step == last_step_;
}

void MeasuringObserver::Observe(const trainer::StepRecord<float>& record) {
  Measure(record);
  if (next_wants_) next_->Observe(record);
}

void MeasuringObserver::Measure(const trainer::StepRecord<float>& record) {
  if (!std::isfinite(record.loss)) diverged_ = true;
  layers_.resize(record.layers.size());
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const trainer::LayerStep<float>& layer = record.layers[i];
    LayerSignals& signals = layers_[i];
    if (record.step == 0) {
      signals.name = layer.view.name;
      signals.weight_gain = WeightGain(layer.weight);
      signals.first_gradient = Norm(layer.view.weight.gradient);
    }
    if (record.step == last_step_) {
      signals.last_gradient = Norm(layer.view.weight.gradient);
    }
    if (record.step < kFirstSteps) {
      const double ratio = Norm(layer.weight_update) / Norm(layer.weight);
      if (!std::isfinite(ratio)) diverged_ = true;
      update_ratio_ = std::max(update_ratio_, ratio);
    }
  }
}

void MeasuringObserver::ObservePass(const trainer::Network<float>& network,
                                    core::Phase phase, std::int64_t step,
                                    std::uint32_t part) {
  if (next_ != nullptr) next_->ObservePass(network, phase, step, part);
}

void MeasuringObserver::StepDone(std::int64_t step) {
  if (next_ != nullptr) next_->StepDone(step);
}

}  // namespace firekeeper::experiments
