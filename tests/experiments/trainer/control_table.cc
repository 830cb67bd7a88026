#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/experiments/trainer/scenario_parts.h"

namespace firekeeper::experiments {
namespace {

using trainer::Initialization;
using trainer::UpdateRule;

struct NamedOptimizer {
  const char* name;
  trainer::OptimizerSpec spec;
};

constexpr trainer::OptimizerSpec kAdam{.rule = UpdateRule::kAdam,
                                       .learning_rate = 1e-3};

constexpr std::array kOptimizers{
    NamedOptimizer{"sgd-0.05",
                   {.rule = UpdateRule::kSgd, .learning_rate = 0.05}},
    NamedOptimizer{"momentum-0.01",
                   {.rule = UpdateRule::kMomentum, .learning_rate = 0.01}},
    NamedOptimizer{"adam-1e-3", kAdam}};

// The initialisation that keeps the variance of this activation.
Initialization FittingInitialization(const std::string& activation) {
  if (activation == "tanh" || activation == "sigmoid" ||
      activation == "hard-tanh" || activation == "softplus") {
    return Initialization::kGlorot;
  }
  return activation == "selu" ? Initialization::kLecun : Initialization::kHe;
}

class Controls {
 public:
  explicit Controls(DataSpec::Source source) : source_(source) {}

  // Adds a healthy scenario to be changed by the caller.
  Scenario& Add(const std::string& name) {
    Scenario scenario;
    scenario.data.source = source_;
    scenario.name =
        absl::StrCat(IsDigits(scenario) ? "digits/" : "", "healthy/", name);
    scenario.optimizer = kAdam;
    scenario.hidden_units.assign(3, 64);
    return scenarios_.emplace_back(std::move(scenario));
  }

  // The scenario of that name is trained at every test run.
  void PutInMatrix(const std::string& name) {
    for (Scenario& scenario : scenarios_) {
      if (scenario.name.ends_with("/" + name)) scenario.in_matrix = true;
    }
  }

  std::vector<Scenario> Take() { return std::move(scenarios_); }

 private:
  DataSpec::Source source_;
  std::vector<Scenario> scenarios_;
};

void AddShapes(Controls& controls) {
  for (const std::size_t depth : {1U, 2U, 3U, 4U}) {
    for (const Eigen::Index width : {32, 64, 128}) {
      for (const NamedOptimizer& optimizer : kOptimizers) {
        Scenario& scenario = controls.Add(
            absl::StrCat("w", width, "x", depth, "/", optimizer.name));
        scenario.hidden_units.assign(depth, width);
        scenario.optimizer = optimizer.spec;
        scenario.in_matrix = width == 64 && depth % 2 == 0;
      }
    }
  }
}

void AddActivations(Controls& controls) {
  for (const char* activation :
       {"relu6", "leaky-relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu",
        "gelu-tanh", "silu", "mish", "softplus", "tanh", "hard-tanh",
        "hard-swish"}) {
    Scenario& scenario = controls.Add(activation);
    scenario.activation = activation;
    scenario.initialization.kind = FittingInitialization(activation);
  }
}

void AddRates(Controls& controls) {
  for (const double rate : {0.1, 0.2, 0.5}) {
    Scenario& scenario = controls.Add(absl::StrCat("sgd-", rate));
    scenario.optimizer = {.rule = UpdateRule::kSgd, .learning_rate = rate};
  }
  controls.Add("adam-3e-3").optimizer.learning_rate = 3e-3;
  controls.Add("adamw-1e-3").optimizer = {
      .rule = UpdateRule::kAdamW, .learning_rate = 1e-3, .weight_decay = 0.01};
  controls.Add("warm-up").optimizer.warmup_steps = 100;
  controls.Add("clip-1").optimizer.clip_norm = 1.0;
  controls.Add("batch-16").batch_size = 16;
}

void AddArchitectures(Controls& controls) {
  controls.Add("batch-norm").normalization = trainer::Normalization::kBatch;
  controls.Add("layer-norm").normalization = trainer::Normalization::kLayer;
  Scenario& residual = controls.Add("residual-x8");
  residual.hidden_units.assign(8, 64);
  residual.residual = trainer::Residual::kScaled;
  Scenario& both = controls.Add("residual-layer-norm-x8");
  both.hidden_units.assign(8, 64);
  both.residual = trainer::Residual::kScaled;
  both.normalization = trainer::Normalization::kLayer;
  controls.Add("pyramid").hidden_units = {128, 64, 32};
  controls.Add("rai").initialization.kind = Initialization::kRai;
}

}  // namespace

std::vector<Scenario> HealthyControls() {
  std::vector<Scenario> all;
  for (const auto source :
       {DataSpec::Source::kSynthetic, DataSpec::Source::kDigits}) {
    Controls controls(source);
    AddShapes(controls);
    AddActivations(controls);
    AddRates(controls);
    AddArchitectures(controls);
    for (const char* name :
         {"gelu", "tanh", "selu", "sgd-0.5", "layer-norm", "residual-x8"}) {
      controls.PutInMatrix(name);
    }
    std::ranges::move(controls.Take(), std::back_inserter(all));
  }
  return all;
}

}  // namespace firekeeper::experiments
