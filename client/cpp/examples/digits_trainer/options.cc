#include "client/cpp/examples/digits_trainer/options.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "client/cpp/examples/trainer/activation.h"

namespace firekeeper::digits {
namespace {

using trainer::Initialization;
using trainer::UpdateRule;

const std::map<std::string, Initialization>& Initializations() {
  static const std::map<std::string, Initialization> kNames{
      {"he", Initialization::kHe},
      {"glorot", Initialization::kGlorot},
      {"lecun", Initialization::kLecun},
      {"pytorch", Initialization::kPytorch},
      {"normal", Initialization::kNormal},
      {"rai", Initialization::kRai}};
  return kNames;
}

const std::map<std::string, trainer::Normalization>& Normalizations() {
  static const std::map<std::string, trainer::Normalization> kNames{
      {"none", trainer::Normalization::kNone},
      {"batch", trainer::Normalization::kBatch},
      {"layer", trainer::Normalization::kLayer}};
  return kNames;
}

const std::map<std::string, trainer::Residual>& Residuals() {
  static const std::map<std::string, trainer::Residual> kNames{
      {"none", trainer::Residual::kNone},
      {"plain", trainer::Residual::kPlain},
      {"scaled", trainer::Residual::kScaled}};
  return kNames;
}

struct Rule {
  UpdateRule rule;
  double learning_rate;  // the default, one that keeps the digits alive
};

const std::map<std::string, Rule>& Rules() {
  static const std::map<std::string, Rule> kNames{
      {"adam", {UpdateRule::kAdam, 1e-3}},
      {"adamw", {UpdateRule::kAdamW, 1e-3}},
      {"sgd", {UpdateRule::kSgd, 0.05}},
      {"momentum", {UpdateRule::kMomentum, 0.01}}};
  return kNames;
}

template <typename Value>
std::vector<std::string> NamesOf(const std::map<std::string, Value>& map) {
  std::vector<std::string> names;
  names.reserve(map.size());
  for (const auto& entry : map) names.push_back(entry.first);
  return names;
}

// A plain message; CLI11's own lists the largest double with all its digits.
CLI::Validator FiniteFrom(double low) {
  return {[low](const std::string& text) -> std::string {
            double value = 0.0;
            if (CLI::detail::lexical_cast(text, value) &&
                std::isfinite(value) && value >= low) {
              return {};
            }
            return "'" + text + "' is not a finite number in range";
          },
          low == 0.0 ? "NOT NEGATIVE" : "FINITE"};
}

CLI::Validator PowerOfTwo() {
  return {[](const std::string& text) -> std::string {
            std::int64_t value = 0;
            if (CLI::detail::lexical_cast(text, value) && value > 0 &&
                (value & (value - 1)) == 0) {
              return {};
            }
            return "'" + text + "' is not a power of two";
          },
          "POWER OF TWO"};
}

// Counts and sizes that no digit run needs to exceed.
CLI::Range CountRange() { return {std::int64_t{1}, std::int64_t{1} << 20U}; }

void AddNetworkOptions(CLI::App& app, Options& options) {
  TrainingOptions& training = options.training;
  app.add_option("--hidden", training.hidden_units,
                 "Units of the hidden layers, separated by commas")
      ->delimiter(',')
      ->check(CountRange())
      ->capture_default_str();
  app.add_option("--activation", options.activation_name,
                 "Activation of the hidden layers")
      ->check(CLI::IsMember(trainer::ActivationNames()))
      ->capture_default_str();
  app.add_option("--init", options.initialization_name,
                 "How the hidden weights are drawn")
      ->check(CLI::IsMember(NamesOf(Initializations())))
      ->capture_default_str();
  app.add_option("--init-std", training.initialization.standard_deviation,
                 "Standard deviation of --init normal")
      ->check(FiniteFrom(0.0))
      ->capture_default_str();
  app.add_option("--init-gain", training.initialization.gain,
                 "Multiplies the standard deviation of --init")
      ->check(FiniteFrom(0.0))
      ->capture_default_str();
  app.add_option("--bias", training.initialization.bias,
                 "Added to every hidden bias; -3 makes layers born dead")
      ->check(FiniteFrom(std::numeric_limits<double>::lowest()))
      ->capture_default_str();
  app.add_option("--weight-mean", training.initialization.weight_mean,
                 "Mean of the hidden weights in standard deviations")
      ->check(FiniteFrom(std::numeric_limits<double>::lowest()))
      ->capture_default_str();
}

void AddArchitectureOptions(CLI::App& app, Options& options) {
  app.add_option("--conv", options.training.convolution_channels,
                 "Channels of 3 x 3 convolutions before the hidden layers, "
                 "separated by commas; the second and later halve the image")
      ->delimiter(',')
      ->check(CountRange());
  app.add_option("--norm", options.normalization_name,
                 "Normalisation before the activation")
      ->check(CLI::IsMember(NamesOf(Normalizations())))
      ->capture_default_str();
  app.add_option("--residual", options.residual_name,
                 "Adds its input h to a hidden layer f of the same width: "
                 "plain is h + f, scaled h + f / sqrt(hidden layers)")
      ->check(CLI::IsMember(NamesOf(Residuals())))
      ->capture_default_str();
}

void AddOptimizerOptions(CLI::App& app, Options& options,
                         std::optional<double>& learning_rate) {
  TrainingOptions& training = options.training;
  app.add_option("--optimizer", options.optimizer_name)
      ->check(CLI::IsMember(NamesOf(Rules())))
      ->capture_default_str();
  app.add_option("--learning-rate", learning_rate,
                 "Default: adam and adamw 0.001, sgd 0.05, momentum 0.01")
      ->check(FiniteFrom(0.0));
  app.add_option("--momentum", training.optimizer.momentum,
                 "Of --optimizer momentum")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--weight-decay", training.optimizer.weight_decay,
                 "Of the weights; biases do not decay")
      ->check(FiniteFrom(0.0))
      ->capture_default_str();
  app.add_option("--clip", training.optimizer.clip_norm,
                 "Largest common norm of the gradients; 0: any")
      ->check(FiniteFrom(0.0))
      ->capture_default_str();
  app.add_option("--warmup", training.optimizer.warmup_steps,
                 "Steps over which the learning rate rises to its value")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 20U))
      ->capture_default_str();
  app.add_option("--batch-size", training.batch_size)
      ->check(CountRange())
      ->capture_default_str();
  app.add_option("--epochs", training.epochs)
      ->check(CountRange())
      ->capture_default_str();
  app.add_option("--seed", training.seed,
                 "Of weights and batches; the test examples are always the "
                 "same")
      ->check(FiniteFrom(0.0))
      ->capture_default_str();
}

void AddStreamingOptions(CLI::App& app, StreamingOptions& streaming,
                         bool& no_firekeeper) {
  app.add_option("--run", streaming.run, "Name of the run")
      ->capture_default_str();
  app.add_option("--remedy-of", streaming.remedy_of,
                 "The run whose fault this one tries to remedy");
  app.add_option("--endpoint", streaming.endpoint,
                 "host:port of firekeeperd; empty: do not stream")
      ->envname("FIREKEEPER_ENDPOINT")
      ->capture_default_str();
  app.add_flag("--no-firekeeper", no_firekeeper, "Do not stream");
  app.add_option("--every", streaming.every,
                 "Sample steps 0 to 10, 20, 50, 100, then each so many")
      ->check(PowerOfTwo())
      ->capture_default_str();
  app.add_flag(
      "--send-tensors", streaming.send_tensors,
      "Send raw tensors; the server reduces them to the same integers");
  // In the environment a token is safe from the list of processes.
  app.add_option("--token", streaming.token, "Bearer token")
      ->envname("FIREKEEPER_TOKEN");
  app.add_option("--ca-cert", streaming.ca_cert_file,
                 "PEM file of the certificates to trust; switches TLS on")
      ->envname("FIREKEEPER_CA_CERT");
}

// Turns names into what they stand for. The names were checked.
void Resolve(Options& options, std::optional<double> learning_rate) {
  options.training.activation =
      *trainer::ParseActivation(options.activation_name);
  options.training.initialization.kind =
      Initializations().at(options.initialization_name);
  options.training.normalization =
      Normalizations().at(options.normalization_name);
  options.training.residual = Residuals().at(options.residual_name);
  const Rule& rule = Rules().at(options.optimizer_name);
  options.training.optimizer.rule = rule.rule;
  options.training.optimizer.learning_rate =
      learning_rate.value_or(rule.learning_rate);
}

}  // namespace

std::variant<Options, int> ParseOptions(int argc, const char* const* argv) {
  CLI::App app(
      "Trains a multilayer perceptron on real handwritten digits and streams "
      "what its neurons do to firekeeperd. Training is the same, bit by bit, "
      "whether or not a server listens.");
  app.footer(
      "Exit codes: 0 trained, 2 wrong argument, 3 the digits cannot be read, "
      "70 internal error. A server that is not there changes none of them.");
  Options options;
  std::optional<double> learning_rate;
  bool no_firekeeper = false;
  app.add_option("--data", options.data, "digits.csv, gzipped or plain")
      ->envname("FIREKEEPER_DIGITS")
      ->capture_default_str();
  app.add_flag("--raw-inputs", options.raw_inputs,
               "Do not bring the pixels to zero mean and unit variance");
  AddNetworkOptions(app, options);
  AddArchitectureOptions(app, options);
  AddOptimizerOptions(app, options, learning_rate);
  AddStreamingOptions(app, options.streaming, no_firekeeper);
  app.add_flag("--quiet", options.quiet, "No progress");
  app.add_flag("--json", options.json, "The result as one line of JSON");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  if (no_firekeeper) options.streaming.endpoint.clear();
  Resolve(options, learning_rate);
  return options;
}

}  // namespace firekeeper::digits
