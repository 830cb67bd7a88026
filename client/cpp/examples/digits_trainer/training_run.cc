#include "client/cpp/examples/digits_trainer/training_run.h"

#include <algorithm>
#include <utility>

namespace firekeeper::digits {
namespace {

constexpr double kTrainingShare = 0.8;
constexpr std::uint64_t kSplitSeed = 1797;
// Rows of one part of a frozen pass: a snapshot of 64 units stays at 128 KiB.
constexpr Eigen::Index kPassRows = 512;

trainer::InitializationSpec OutputInitialization(
    const trainer::InitializationSpec& hidden) {
  using trainer::Initialization;
  // He's and RAI's variance is meant for a ReLU behind the layer.
  const bool is_for_relu =
      hidden.kind == Initialization::kHe || hidden.kind == Initialization::kRai;
  return {.kind = is_for_relu ? Initialization::kLecun : hidden.kind,
          .standard_deviation = hidden.standard_deviation};
}

void Pass(trainer::Network<float>& network,
          const trainer::Matrix<float>& inputs, core::Phase phase,
          std::int64_t step, RunObserver& observer) {
  std::uint32_t part = 0;
  for (Eigen::Index row = 0; row < inputs.rows(); row += kPassRows) {
    const trainer::Matrix<float> rows =
        inputs.middleRows(row, std::min(kPassRows, inputs.rows() - row));
    network.Forward(rows, trainer::Mode::kEvaluate);
    observer.ObservePass(network, phase, step, part++);
  }
}

}  // namespace

Examples Prepare(const trainer::Dataset<float>& digits, bool raw_inputs) {
  auto parts = trainer::Split(digits, kTrainingShare, kSplitSeed);
  Examples examples{.train = std::move(parts.first),
                    .test = std::move(parts.second)};
  if (!raw_inputs) {
    const trainer::Standardizer<float> standardizer(examples.train.inputs);
    standardizer.Apply(examples.train.inputs);
    standardizer.Apply(examples.test.inputs);
  }
  return examples;
}

absl::StatusOr<trainer::Network<float>> BuildNetwork(
    const TrainingOptions& options, const Examples& examples) {
  return trainer::Network<float>::Create(
      {.input_units = examples.train.inputs.cols(),
       .hidden_units = {options.hidden_units.begin(),
                        options.hidden_units.end()},
       .output_units = examples.train.targets.cols(),
       .activation = options.activation,
       .hidden_init = options.initialization,
       .output_init = OutputInitialization(options.initialization),
       .seed = options.seed});
}

RunResult Train(const TrainingOptions& options, const Examples& examples,
                trainer::Network<float>& network, RunObserver* observer,
                ProgressListener* progress) {
  const trainer::Matrix<float>& inputs = examples.train.inputs;
  if (observer != nullptr) {
    Pass(network, inputs, core::Phase::kBirth, 0, *observer);
  }
  trainer::Optimizer<float> optimizer(options.optimizer);
  trainer::Trainer<float> training(network, optimizer, examples.train,
                                   options.batch_size, options.seed);
  const std::int64_t total = options.epochs * training.steps_per_epoch();
  while (training.step() < total) {
    const std::int64_t step = training.step();
    const double loss = training.Step(observer);
    if (observer != nullptr) observer->StepDone(step);
    if (progress != nullptr) progress->Advance(step + 1, total, loss);
  }
  if (observer != nullptr) {
    Pass(network, inputs, core::Phase::kProbe, total, *observer);
    observer->StepDone(total);
  }
  return {.steps = total,
          .train = trainer::Evaluate(network, examples.train),
          .test = trainer::Evaluate(network, examples.test),
          .weights_hash = trainer::Fingerprint(network),
          .silent_units = trainer::CountSilentUnits(network, inputs)};
}

}  // namespace firekeeper::digits
