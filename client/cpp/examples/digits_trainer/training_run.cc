#include "client/cpp/examples/digits_trainer/training_run.h"

#include <utility>

namespace firekeeper::digits {
namespace {

constexpr double kTrainingShare = 0.8;
constexpr std::uint64_t kSplitSeed = 1797;

trainer::InitializationSpec OutputInitialization(
    const trainer::InitializationSpec& hidden) {
  using trainer::Initialization;
  // He's and RAI's variance is meant for a ReLU behind the layer.
  const bool is_for_relu =
      hidden.kind == Initialization::kHe || hidden.kind == Initialization::kRai;
  return {.kind = is_for_relu ? Initialization::kLecun : hidden.kind,
          .standard_deviation = hidden.standard_deviation};
}

std::vector<trainer::ConvolutionSpec> Convolutions(
    const std::vector<std::int64_t>& channels) {
  std::vector<trainer::ConvolutionSpec> convolutions;
  convolutions.reserve(channels.size());
  for (const std::int64_t count : channels) {
    convolutions.push_back(
        {.channels = count, .stride = convolutions.empty() ? 1 : 2});
  }
  return convolutions;
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
       .seed = options.seed,
       .normalization = options.normalization,
       .residual = options.residual,
       .convolutions = Convolutions(options.convolution_channels),
       .image_width = kImageWidth});
}

RunResult Train(const TrainingOptions& options, const Examples& examples,
                trainer::Network<float>& network, RunObserver* observer,
                ProgressListener* progress) {
  trainer::Optimizer<float> optimizer(options.optimizer);
  trainer::Trainer<float> training(network, optimizer, examples.train,
                                   options.batch_size, options.seed);
  const std::int64_t total = options.epochs * training.steps_per_epoch();
  trainer::RunToTheEnd(training, network, examples.train, total, observer,
                       progress);
  return {.steps = total,
          .train = trainer::Evaluate(network, examples.train),
          .test = trainer::Evaluate(network, examples.test),
          .weights_hash = trainer::Fingerprint(network),
          .silent_units =
              trainer::CountSilentUnits(network, examples.train.inputs)};
}

}  // namespace firekeeper::digits
