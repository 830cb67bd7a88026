// The experiments: what is trained, what is wrong with it, and what should mend
// it. One table, from which tests, figures and documents are made.

#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "client/cpp/examples/trainer/initialization.h"
#include "client/cpp/examples/trainer/network.h"
#include "client/cpp/examples/trainer/optimizer.h"

namespace firekeeper::experiments {

// Why units of a scenario should die or gradients vanish. Name() gives the
// name that firekeeper.v1.Cause has for it.
enum class Cause : std::uint8_t {
  kLearningRate,
  kNegativeBias,
  kUnbalancedWeights,
  kUnnormalizedInput,
  kDepth,
  kVanishingGradient,
};

// What a remedy does, by the mean of seeds 0 to 3 (digits: 0 and 1). The rule
// stands in scenarios.py.
enum class Effect : std::uint8_t {
  kNone,   // no remedy
  kHeals,  // gates are open and the training succeeds
  kHelps,  // better, but not well
  kFails,  // no better
};

// The examples. Both sources are standardised to g; the network then sees
// mean + scale * g.
struct DataSpec {
  enum class Source : std::uint8_t {
    kSynthetic,  // labels by a random teacher, g ~ N(0, 1)
    kUniform,    // the same, g ~ U(-sqrt 3, sqrt 3)
    kDigits,     // handwritten digits, standardised pixel by pixel
    kUnitDigits  // handwritten digits, pixels from 0 to 1 instead of g
  };
  Source source = Source::kSynthetic;
  double mean = 0.0;
  double scale = 1.0;
};

struct Scenario {
  std::string name;
  std::vector<Cause> causes;  // empty: healthy, or a remedy
  std::string remedy_of;      // name of the scenario that this one mends
  Effect effect = Effect::kNone;
  bool in_matrix = false;  // trained at every test run, not with --all only
  bool held_out = false;   // no threshold was chosen by looking at it

  DataSpec data;
  // Before the hidden layers; the inputs are then an image, 8 pixels wide.
  std::vector<trainer::ConvolutionSpec> convolutions{};
  std::vector<Eigen::Index> hidden_units{64, 64, 64, 64};
  std::string activation = "relu";
  trainer::InitializationSpec initialization;
  trainer::Normalization normalization = trainer::Normalization::kNone;
  trainer::Residual residual = trainer::Residual::kNone;
  trainer::OptimizerSpec optimizer;  // plain SGD at 0.05
  std::int64_t steps = 600;
  std::int64_t batch_size = 64;
};

// Every scenario, names unique: the causes, each followed by its remedies, then
// pairs of causes, healthy controls and programs that are held out.
[[nodiscard]] const std::vector<Scenario>& AllScenarios();

// Null if there is none of that name.
[[nodiscard]] const Scenario* FindScenario(std::string_view name);

// "CAUSE_LEARNING_RATE_TOO_HIGH", …
[[nodiscard]] std::string_view Name(Cause cause);
// "", "heals", "helps", "fails".
[[nodiscard]] std::string_view Name(Effect effect);
[[nodiscard]] bool IsDigits(const Scenario& scenario);

}  // namespace firekeeper::experiments
