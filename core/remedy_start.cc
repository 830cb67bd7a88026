// Remedies of causes that are there before the first update.

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "core/remedy_parts.h"

namespace firekeeper::core {
namespace {

using Layers = std::vector<const LayerMeasures*>;

// The input that a finding is about: the first of its layers that reads data.
const InputMeasures* InputOf(const RemedyCase& c) {
  for (const InputMeasures& input : c.measures.inputs) {
    const std::string& name = c.facts.layers[input.layer].name;
    if (std::ranges::count(c.finding.layers, name) > 0) return &input;
  }
  return c.measures.inputs.empty() ? nullptr : &c.measures.inputs.front();
}

double LowestBias(const Layers& layers) {
  double lowest = 0.0;
  for (const LayerMeasures* layer : layers) {
    lowest = std::min(lowest, layer->bias_mean.value_or(0.0));
  }
  return lowest;
}

Remedy Selu(const Layers& layers, const char* support) {
  return {.title = "SELU with LeCun weights",
          .action = absl::StrCat("use SELU and draw the weights from N(0, 1 / "
                                 "fan_in): ",
                                 DeviationsOf(InitRule::kLecun, layers)),
          .reason = absl::StrCat(
              "its fixed point holds mean 0 and variance 1 through any depth, "
              "and its gate closes only below -7.5; ",
              kSeluConditions),
          .expected_effect = "no unit is silent, and the signal keeps its size",
          .measured_support = support};
}

// A swap of the activation where the biases are low.
Remedy BiasSwap(const RemedyCase& c, const Layers& layers) {
  const double lowest = LowestBias(layers);
  Remedy swap{
      .title = "PReLU, ELU, SELU or RReLU in place of ReLU",
      .action =
          absl::StrCat("swap the activation of ", NamesOf(layers),
                       "; prefer PReLU (start slope 0.25), then ELU, SELU "
                       "with LeCun weights, RReLU"),
      .reason =
          "their gates stay open below zero, so that training can lift "
          "the biases",
      .expected_effect = "shut units learn again, slowly",
      .measured_support =
          "measured with bias -3 in two layers of 64, 1,500 steps: ReLU dead "
          "0.504, accuracy 0.280; PReLU 0.031 and 0.883, ELU 0.178 and 0.870, "
          "SELU 0.078 and 0.835, RReLU 0.123 and 0.758"};
  if (c.measures.depth >= 4) {
    swap.recommended = false;
    swap.reason =
        "in four layers and more the low biases add up: repair the "
        "initialisation first";
    swap.expected_effect = "little";
    swap.measured_support =
        "measured with biases of -2 to -8 in four layers: "
        "every swap at most 0.287 after 600 steps";
  } else if (lowest <= -5.0) {
    swap.title = "PReLU or RReLU in place of ReLU";
    swap.action = absl::StrCat("swap the activation of ", NamesOf(layers),
                               " for PReLU or RReLU; not for ELU or SELU");
    swap.reason = absl::StrCat("at a bias of ", Digits(lowest),
                               " ELU, SELU and GELU are saturated");
    swap.measured_support =
        "measured with bias -5 in one hidden layer: PReLU 0.711, RReLU 0.682; "
        "ELU 0.282, SELU 0.248, GELU 0.291; ReLU 0.281";
  }
  return swap;
}

std::vector<Remedy> BiasRefusals() {
  return {
      {.title = "GELU",
       .action = "do not swap ReLU for GELU",
       .reason =
           "its gate is as shut as that of ReLU where z is far below zero",
       .expected_effect = "none",
       .measured_support = "measured with bias -3: accuracy 0.282 beside 0.280",
       .recommended = false},
      {.title = "Leaky ReLU with SGD",
       .action = "do not expect a slope of 0.01 to help under SGD; with Adam "
                 "at 1e-3 it does",
       .reason = "the gradient is 100 times too small; Adam makes up for that",
       .expected_effect = "none under SGD",
       .measured_support = "measured with bias -3: SGD 0.280, Adam 1e-3 0.867",
       .recommended = false},
      {.title = "another learning rate",
       .action = "do not change it for this",
       .reason = "a unit that never fires has a gradient of exactly 0",
       .expected_effect = "none",
       .measured_support = "measured: dead 0.504 for ever with SGD and with "
                           "Adam, accuracy 0.280",
       .recommended = false},
  };
}

Remedy FewerLayers(const RemedyCase& c, bool narrow) {
  return {.title = narrow ? "fewer or wider layers" : "fewer layers",
          .action = absl::StrCat(
              "go from ", c.measures.depth,
              " plain layers to about 4, or widen them until the sum of 1 / "
              "width (now ",
              Digits(c.measures.width_sum), ") is below 0.1"),
          .reason =
              "what a layer loses by chance is multiplied with depth and "
              "divided by width",
          .expected_effect = "examples stay apart, units fire",
          .measured_support =
              narrow ? "measured: 30 layers of 16 units accuracy 0.415, 4 "
                       "layers 0.567; 50 layers of 10 units: nothing else "
                       "works, 4 layers 0.675"
                     : "measured: 30 layers of 64 units accuracy 0.668, 4 "
                       "layers 0.780"};
}

Remedy Residual(const RemedyCase& c, bool narrow) {
  return {.title = "residual branches scaled by 1 / sqrt(L)",
          .action = absl::StrCat(
              "add a residual connection around every layer and multiply its "
              "branch by ",
              Digits(1.0 / std::sqrt(static_cast<double>(
                               std::max<std::size_t>(1, c.measures.depth))))),
          .reason =
              "the signal passes by the layers; without the factor its "
              "variance doubles in each",
          .expected_effect = "the last layers see the examples apart",
          .measured_support =
              narrow ? "measured with 30 layers of 16 units: accuracy 0.415 -> "
                       "0.650; without the factor NaN in 4 of 4 runs"
                     : "measured with 30 layers of 64 units: accuracy 0.668 -> "
                       "0.751; without the factor NaN in 4 of 4 runs"};
}

}  // namespace

std::vector<Remedy> InputRemedies(const RemedyCase& c) {
  const InputMeasures* input = InputOf(c);
  std::string action =
      "subtract the mean of every feature over the training set and divide by "
      "its standard deviation; keep both with the model for inference";
  if (input != nullptr) {
    absl::StrAppend(&action, ". Over all features the mean is ",
                    Digits(input->mean), " and the standard deviation ",
                    Digits(input->standard_deviation));
  }
  const std::string first =
      input == nullptr ? "the first layer" : c.facts.layers[input->layer].name;
  return {
      {.title = "standardise the inputs",
       .action = action,
       .reason = "a large mean puts all examples on one side of a unit: half "
                 "of those units never fire and half never stop; a large scale "
                 "makes every update too large",
       .expected_effect = "as if the data had come normalised",
       .measured_support = "measured with inputs 100 + 20 g: dead 0.957 -> "
                           "0.004, accuracy 0.280 -> 0.896, as with normalised "
                           "inputs"},
      {.title = "BatchNorm before the activations",
       .action = absl::StrCat("put BatchNorm before the activation of ", first,
                              " and of the layers behind it, or on the inputs"),
       .reason = "it standardises per feature over the batch",
       .expected_effect = "nearly the same",
       .measured_support = "measured with inputs 100 + 20 g: dead 0, accuracy "
                           "0.913"},
      {.title = "LayerNorm before the activations",
       .action = absl::StrCat("put LayerNorm before the activation of ", first),
       .reason = "it repairs the scale; an offset that differs by feature "
                 "remains",
       .expected_effect = "partial",
       .measured_support = "measured with inputs 100 + 20 g: dead 0.055, "
                           "accuracy 0.602"},
      {.title = "a smaller learning rate",
       .action = "do not lower it for this",
       .reason = "it hides the large updates and leaves the silent half silent",
       .expected_effect = "little",
       .measured_support = "measured: 1e-5 for 100 + 20 g dead 0.261, accuracy "
                           "0.347; 5e-4 for 10 + g dead 0.362, accuracy 0.450",
       .recommended = false},
      {.title = "swap the activation",
       .action = "do not swap ReLU for Leaky ReLU, ELU or PReLU for this",
       .reason = "a swap does not cure un-normalised inputs: without the zero "
                 "side nothing limits the signal any more",
       .expected_effect = "divergence",
       .measured_support = "measured: 11 of 12 runs diverged",
       .recommended = false},
  };
}

std::vector<Remedy> BiasRemedies(const RemedyCase& c) {
  const Layers layers = LayersOf(c);
  std::vector<Remedy> remedies = {
      {.title = "start the biases at 0 or slightly above",
       .action = absl::StrCat(
           "set the biases of ", NamesOf(layers), " to 0, or to 0.01 to 0.1 (",
           "now ", Digits(LowestBias(layers)),
           " on average), and draw the weights from N(0, 2 / fan_in): ",
           DeviationsOf(InitRule::kHe, layers)),
       .reason = "the bias holds the units below zero, where ReLU passes no "
                 "gradient",
       .expected_effect = "about half of the examples fire each unit",
       .measured_support = "measured with bias -5 in one hidden layer: "
                           "accuracy 0.281 -> 0.840"},
      {.title = "randomized asymmetric initialisation (RAI)",
       .action = absl::StrCat("draw weights and bias of ", NamesOf(layers),
                              " from RAI, the normal part with ",
                              DeviationsOf(InitRule::kRai, layers),
                              ", and one entry of each unit from Beta(2, 1)"),
       .reason = "one entry of each unit is positive by construction",
       .expected_effect = "hardly a unit is born dead",
       .measured_support = "measured with bias -5 in one hidden layer: "
                           "accuracy 0.281 -> 0.835"},
      {.title = "BatchNorm or LayerNorm before the activation",
       .action = absl::StrCat("put a normalisation before the activation of ",
                              NamesOf(layers)),
       .reason = "it takes the bias out again",
       .expected_effect = "units fire from the first step",
       .measured_support = "measured in four layers with low biases: BatchNorm "
                           "0.916, LayerNorm 0.895 beside 0.279"},
      BiasSwap(c, layers),
  };
  for (Remedy& refusal : BiasRefusals()) {
    remedies.push_back(std::move(refusal));
  }
  return remedies;
}

std::vector<Remedy> WeightRemedies(const RemedyCase& c) {
  const Layers layers = LayersOf(c);
  return {
      {.title = "symmetric He initialisation",
       .action = absl::StrCat("draw the weights from N(0, 2 / fan_in): ",
                              DeviationsOf(InitRule::kHe, layers)),
       .reason =
           "rectified inputs are positive: a negative mean of the weights "
           "pulls every unit below zero",
       .expected_effect = "about half of the examples fire each unit",
       .measured_support = "measured with a mean of -1 sd and inputs U(0, 1): "
                           "dead 1.000 -> below 0.1, accuracy 0.279 -> 0.762"},
      {.title = "LayerNorm before the activation",
       .action = absl::StrCat("put LayerNorm before the activation of ",
                              NamesOf(layers)),
       .reason = "it takes the common shift of the units out",
       .expected_effect = "units fire although the weights are low",
       .measured_support = "measured: accuracy 0.279 -> 0.768"},
      {.title = "randomized asymmetric initialisation (RAI)",
       .action =
           absl::StrCat("draw the weights from RAI, the normal part with ",
                        DeviationsOf(InitRule::kRai, layers)),
       .reason = "one entry of each unit is positive by construction",
       .expected_effect = "hardly a unit is born dead",
       .measured_support = "measured: accuracy 0.279 -> 0.707"},
      {.title = "BatchNorm, GELU, Leaky ReLU or standardised inputs alone",
       .action = "do not rely on one of these",
       .reason = "the weights stay low",
       .expected_effect = "little",
       .measured_support = "measured from 0.279: BatchNorm 0.333, GELU 0.378, "
                           "Leaky ReLU 0.313, standardised inputs 0.312",
       .recommended = false},
      {.title = "PReLU or RReLU",
       .action = "do not swap ReLU for them here",
       .reason = "the negative side grows without limit under such weights",
       .expected_effect = "divergence",
       .measured_support = "measured: NaN",
       .recommended = false},
  };
}

std::vector<Remedy> SymmetryRemedies(const RemedyCase& c) {
  const Layers layers = LayersOf(c);
  return {
      {.title = "draw the weights at random",
       .action = absl::StrCat("draw the weights from N(0, 2 / fan_in): ",
                              DeviationsOf(InitRule::kHe, layers)),
       .reason = "units with equal weights get equal gradients and stay equal",
       .expected_effect = "every unit learns something of its own",
       .measured_support = ""},
      {.title = "another activation, optimiser or learning rate",
       .action = "do not change them for this",
       .reason = "they treat equal units equally",
       .expected_effect = "none",
       .measured_support = "",
       .recommended = false},
  };
}

std::vector<Remedy> DepthRemedies(const RemedyCase& c) {
  const Layers layers = LayersOf(c);
  const bool narrow = c.measures.width_sum > c.settings.width_sum;
  std::vector<Remedy> remedies;
  remedies.push_back(
      Selu(layers, narrow ? "measured with 30 layers of 16 units: accuracy "
                            "0.415 -> 0.719"
                          : "measured with 30 layers of 64 units: accuracy "
                            "0.668 -> 0.885; ELU 0.854, PReLU 0.800"));
  // 50 layers of 10 units: nothing but fewer layers works.
  if (c.measures.width_sum > 4.0) remedies.clear();
  remedies.push_back(FewerLayers(c, narrow));
  remedies.push_back(Residual(c, narrow));
  remedies.push_back(
      {.title = "normalisation and a residual connection",
       .action = "put BatchNorm or LayerNorm before every activation and a "
                 "residual connection around it",
       .reason = "both keep the size of the signal from layer to layer",
       .expected_effect = "training starts",
       .measured_support = narrow ? "measured with 30 layers of 16 units: "
                                    "BatchNorm 0.629, LayerNorm 0.622"
                                  : "measured with 30 layers of 64 units: "
                                    "BatchNorm 0.722, LayerNorm 0.688"});
  remedies.push_back(
      {.title = "randomized asymmetric initialisation (RAI)",
       .action = "do not use it to train a deep network",
       .reason = "it lowers the probability of a network that is born dead; "
                 "its second moment decays with depth",
       .expected_effect = "fewer silent units and no learning",
       .measured_support = "measured with 50 layers: accuracy 0.279",
       .recommended = false});
  remedies.push_back(
      {.title = "GELU or Leaky ReLU",
       .action = "do not expect a swap to these to help",
       .reason = "they lose the difference of the examples as ReLU does",
       .expected_effect = "little",
       .measured_support = narrow ? "measured with 30 layers of 16 units: ReLU "
                                    "0.415, GELU 0.312, Leaky ReLU 0.401"
                                  : "measured with 30 layers of 64 units: ReLU "
                                    "0.668, Leaky ReLU 0.704",
       .recommended = false});
  return remedies;
}

}  // namespace firekeeper::core
