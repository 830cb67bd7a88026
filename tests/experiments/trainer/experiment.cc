#include "tests/experiments/trainer/experiment.h"

#include <cassert>
#include <cmath>
#include <span>

#include "client/cpp/examples/trainer/activation.h"

namespace firekeeper::experiments {

namespace {
constexpr Eigen::Index kImageWidth = 8;
}

absl::StatusOr<trainer::Network<float>> BuildNetwork(const Scenario& scenario,
                                                     const Examples& examples,
                                                     std::uint64_t seed) {
  const auto activation = trainer::ParseActivation(scenario.activation);
  if (!activation.ok()) return activation.status();
  return trainer::Network<float>::Create(
      {.input_units = examples.train.inputs.cols(),
       .hidden_units = scenario.hidden_units,
       .output_units = examples.train.targets.cols(),
       .activation = *activation,
       .hidden_init = scenario.initialization,
       .output_init = {.kind = trainer::Initialization::kLecun},
       .seed = Seeds(seed).weights,
       .normalization = scenario.normalization,
       .residual = scenario.residual,
       .convolutions = scenario.convolutions,
       .image_width = kImageWidth});
}

Outcome Train(const Scenario& scenario, const Examples& examples,
              std::uint64_t seed, trainer::Network<float>& network,
              trainer::RunObserver* stream) {
  const trainer::Matrix<float>& inputs = examples.train.inputs;
  Outcome outcome;
  outcome.before = CountUnits(network, inputs);
  outcome.first = trainer::Evaluate(network, examples.train);

  trainer::Optimizer<float> optimizer(scenario.optimizer);
  trainer::Trainer<float> training(network, optimizer, examples.train,
                                   scenario.batch_size, Seeds(seed).batches);
  MeasuringObserver observer(scenario.steps, stream);
  trainer::RunToTheEnd(training, network, examples.train, scenario.steps,
                       &observer, /*progress=*/nullptr);

  outcome.after = CountUnits(network, inputs);
  outcome.signals = observer.layers();
  outcome.train = trainer::Evaluate(network, examples.train);
  outcome.test = trainer::Evaluate(network, examples.test);
  outcome.update_ratio = observer.update_ratio();
  outcome.diverged = observer.diverged() || !std::isfinite(outcome.train.loss);
  return outcome;
}

double HiddenShare(const std::vector<UnitCounts>& layers,
                   std::int64_t UnitCounts::*count) {
  assert(layers.size() > 1);
  std::int64_t units = 0;
  std::int64_t counted = 0;
  for (const UnitCounts& layer : std::span(layers).first(layers.size() - 1)) {
    units += layer.units;
    counted += layer.*count;
  }
  return static_cast<double>(counted) / static_cast<double>(units);
}

}  // namespace firekeeper::experiments
