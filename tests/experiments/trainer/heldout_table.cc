#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <utility>

#include "tests/experiments/trainer/scenario_parts.h"

namespace firekeeper::experiments {
namespace {

using trainer::Initialization;
using trainer::UpdateRule;

constexpr trainer::OptimizerSpec kAdam{.rule = UpdateRule::kAdam,
                                       .learning_rate = 1e-3};
constexpr trainer::OptimizerSpec kSgd{.rule = UpdateRule::kSgd,
                                      .learning_rate = 0.05};

void Wide(Scenario& scenario) { scenario.hidden_units.assign(3, 96); }
void Convolutional(Scenario& scenario) {
  scenario.convolutions = {{.channels = 8}, {.channels = 16, .stride = 2}};
  scenario.hidden_units = {32};
}

struct Fault {
  const char* name;
  Cause cause;
  void (*change)(Scenario&);
};

constexpr std::array kFaults{
    Fault{"adam-3e-2", Cause::kLearningRate,
          [](Scenario& s) {
            s.optimizer = {.rule = UpdateRule::kAdam, .learning_rate = 3e-2};
          }},
    Fault{"momentum-0.3", Cause::kLearningRate,
          [](Scenario& s) {
            s.optimizer = {.rule = UpdateRule::kMomentum, .learning_rate = 0.3};
          }},
    Fault{"bias-3", Cause::kNegativeBias,
          [](Scenario& s) { s.initialization.bias = -3.0; }},
    Fault{"mean-1", Cause::kUnbalancedWeights,
          [](Scenario& s) { s.initialization.weight_mean = -1.0; }},
    Fault{"inputs-10+g", Cause::kUnnormalizedInput,
          [](Scenario& s) { s.data.mean = 10.0; }},
    Fault{"inputs-100+20g", Cause::kUnnormalizedInput,
          [](Scenario& s) {
            s.data.mean = 100.0;
            s.data.scale = 20.0;
          }},
};

// Faults that bring a network of their own.
constexpr std::array kNetworks{
    Fault{"w12x40", Cause::kDepth,
          [](Scenario& s) {
            s.hidden_units.assign(40, 12);
            s.optimizer.learning_rate = 0.02;
          }},
    Fault{"pytorch-w96x12", Cause::kVanishingGradient,
          [](Scenario& s) {
            s.hidden_units.assign(12, 96);
            s.initialization.kind = Initialization::kPytorch;
          }},
    Fault{"tanh-std-0.01-x6", Cause::kVanishingGradient,
          [](Scenario& s) {
            s.hidden_units.assign(6, 96);
            s.activation = "tanh";
            s.initialization = {.kind = Initialization::kNormal,
                                .standard_deviation = 0.01};
          }},
    Fault{"sigmoid-x10", Cause::kVanishingGradient,
          [](Scenario& s) {
            s.hidden_units.assign(10, 48);
            s.activation = "sigmoid";
            s.initialization.kind = Initialization::kGlorot;
          }},
};

class HeldOut {
 public:
  explicit HeldOut(DataSpec::Source source) : source_(source) {}

  Scenario& Add(const std::string& name) {
    Scenario scenario;
    scenario.data.source = source_;
    scenario.name = (IsDigits(scenario) ? "digits/" : "") + name;
    scenario.held_out = true;
    return scenarios_.emplace_back(std::move(scenario));
  }

  void AddFault(const std::string& program, const Fault& fault,
                void (*network)(Scenario&)) {
    Scenario& scenario = Add("held-out/" + program + fault.name);
    scenario.causes = {fault.cause};
    if (network != nullptr) network(scenario);
    fault.change(scenario);
  }

  Scenario& AddControl(const std::string& name,
                       const trainer::OptimizerSpec& optimizer) {
    Scenario& scenario = Add("held-out/healthy/" + name);
    scenario.optimizer = optimizer;
    Wide(scenario);
    return scenario;
  }

  std::vector<Scenario> Take() { return std::move(scenarios_); }

 private:
  DataSpec::Source source_;
  std::vector<Scenario> scenarios_;
};

void AddControls(HeldOut& held_out) {
  held_out.AddControl("w96x3-adam", kAdam);
  held_out.AddControl("w96x3-sgd", kSgd);
  Scenario& tanh = held_out.AddControl("tanh-x5", kAdam);
  tanh.activation = "tanh";
  tanh.hidden_units.assign(5, 48);
  tanh.initialization.kind = Initialization::kGlorot;
  Scenario& sigmoid = held_out.AddControl("sigmoid-x2", kAdam);
  sigmoid.activation = "sigmoid";
  sigmoid.hidden_units.assign(2, 96);
  sigmoid.initialization.kind = Initialization::kGlorot;
  Scenario& relu6 = held_out.AddControl("relu6-layer-norm", kAdam);
  relu6.activation = "relu6";
  relu6.normalization = trainer::Normalization::kLayer;
  Scenario& gelu = held_out.AddControl("gelu-batch-norm", kSgd);
  gelu.activation = "gelu";
  gelu.normalization = trainer::Normalization::kBatch;
}

}  // namespace

std::vector<Scenario> HeldOutPrograms() {
  std::vector<Scenario> all;
  for (const auto source :
       {DataSpec::Source::kSynthetic, DataSpec::Source::kDigits}) {
    HeldOut held_out(source);
    for (const Fault& fault : kFaults) {
      held_out.AddFault("w96x3/", fault, Wide);
    }
    for (const Fault& fault : kNetworks) held_out.AddFault("", fault, nullptr);
    AddControls(held_out);
    if (source == DataSpec::Source::kDigits) {
      for (const Fault& fault : kFaults) {
        held_out.AddFault("cnn/", fault, Convolutional);
      }
      Convolutional(held_out.AddControl("cnn-adam", kAdam));
      Convolutional(held_out.AddControl("cnn-sgd", kSgd));
    }
    std::ranges::move(held_out.Take(), std::back_inserter(all));
  }
  return all;
}

}  // namespace firekeeper::experiments
