// Remedies of causes that show while training: gradients, learning rate,
// numbers.

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/remedy_parts.h"

namespace firekeeper::core {
namespace {

using Layers = std::vector<const LayerMeasures*>;

Activation KindOf(const Layers& layers) {
  return layers.empty() ? Activation::kRelu
                        : layers.front()->facts->activation.kind;
}

bool IsSigmoid(Activation kind) {
  return kind == Activation::kSigmoid || kind == Activation::kHardSigmoid;
}

bool IsTanh(Activation kind) {
  return kind == Activation::kTanh || kind == Activation::kHardTanh;
}

// Adam's first update is a sign; that of SGD with or without momentum is not.
bool LooksLikeAdam(const RemedyCase& c) {
  return c.measures.sign_step.has_value();
}

std::string WhichUpdate(const RateAdvice& advice,
                        const DiagnosisSettings& settings) {
  switch (advice.of) {
    case ObservedUpdate::kFirst:
      return "; the first update was ";
    case ObservedUpdate::kOneWeight:
      return "; the first step of a weight that has a gradient is ";
    case ObservedUpdate::kLargestEarly:
      break;
  }
  return absl::StrCat("; the largest update of the first ",
                      settings.early_steps, " steps was ");
}

Remedy LowerRate(const RemedyCase& c, bool adam) {
  Remedy remedy{
      .title = "a lower learning rate",
      .action = "divide the learning rate by 10",
      .reason =
          "updates of this size throw a unit below zero for every "
          "example in one step; it gets no gradient to come back",
      .expected_effect = "deaths stop; those that happened stay",
      .measured_support =
          adam ? "measured with Adam: 0.03 dead 0.366, 0.001 dead 0.013, "
                 "accuracy 0.955"
               : "measured with momentum 0.9: rate 0.3 dead 0.472, accuracy "
                 "0.313; rate 0.03 dead 0, accuracy 0.978"};
  const std::optional<RateAdvice> advice = RateAdviceOf(c);
  if (!advice) return remedy;
  const std::string how = absl::StrCat(
      WhichUpdate(*advice, c.settings), Digits(advice->observed_ratio),
      " of the weights, and it is proportional to the rate: the target is ",
      Digits(c.settings.target_update_ratio));
  remedy.action = advice->rate ? absl::StrCat("set the learning rate to ",
                                              Digits(*advice->rate), how)
                               : absl::StrCat("multiply the learning rate by ",
                                              Digits(advice->factor), how);
  return remedy;
}

Remedy Clip(bool recommended) {
  return {.title = "clip the gradient",
          .action = "clip the norm of the whole gradient at 0.1; 1 is too much",
          .reason = recommended
                        ? "it bounds the one step that kills"
                        : "the updates are of one size whatever the gradient's",
          .expected_effect =
              "no deaths with SGD and momentum; Adam divides "
              "the gradient by its own size, so clipping "
              "changes little there",
          .measured_support =
              "measured with momentum 0.9, rate 0.3: clip 0.1 "
              "dead 0.472 -> 0, accuracy 0.975; clip 1 dead "
              "0.069, accuracy 0.803",
          .recommended = recommended};
}

Remedy Norm(bool adam, const Layers& layers) {
  return {.title = "BatchNorm or LayerNorm before the activation",
          .action = absl::StrCat(
              "put a normalisation before the activation of ", NamesOf(layers)),
          .reason = "a unit cannot be pushed below zero for a whole batch",
          .expected_effect = "hardly a unit dies at the same rate",
          .measured_support =
              adam ? "measured with Adam 0.03: BatchNorm dead 0.366 -> 0, "
                     "accuracy 0.957; LayerNorm 0.044 and 0.962"
                   : "measured with momentum 0.9, rate 0.3: BatchNorm dead "
                     "0.472 -> 0, accuracy 0.950; LayerNorm 0.032 and 0.952"};
}

Remedy WarmUp(bool adam) {
  if (adam) {
    return {.title = "warm up the learning rate",
            .action = "raise the rate linearly over the first 500 steps",
            .reason = "Adam's first updates are its largest",
            .expected_effect = "fewer deaths",
            .measured_support = "measured with Adam 0.03: dead 0.366 -> 0.086"};
  }
  return {.title = "warm up the learning rate",
          .action = "do not rely on warm-up with momentum",
          .reason = "the rate that kills comes all the same, later",
          .expected_effect = "it delays the deaths",
          .measured_support =
              "measured with momentum 0.9, rate 0.3: warm-up "
              "over 300 of 600 steps, dead 0.440",
          .recommended = false};
}

Remedy Recycle(const Layers& layers) {
  return {
      .title = "recycle the dead units once the rate is lower",
      .action = absl::StrCat(
          "draw the incoming weights of the dead units of ", NamesOf(layers),
          " anew, set their outgoing weights to 0 and clear their "
          "optimiser state (ReDo)"),
      .reason = "a dead unit gets no gradient and does not come back alone",
      .expected_effect = "the lost capacity comes back",
      .measured_support = ""};
}

Remedy LeakySwap(bool adam) {
  if (adam) {
    return {.title = "RReLU or Leaky ReLU",
            .action =
                "swap ReLU for RReLU or Leaky ReLU (slope 0.01) if the "
                "rate has to stay",
            .reason =
                "their gates do not shut: it limits the damage and "
                "leaves the cause",
            .expected_effect = "no dead units, a somewhat lower accuracy",
            .measured_support =
                "measured with Adam 0.03, ReLU accuracy 0.923: RReLU never "
                "positive 0.003, accuracy 0.878; Leaky ReLU gates shut 0, "
                "accuracy 0.898"};
  }
  return {.title = "swap the activation",
          .action = "do not swap ReLU for another one for this",
          .reason =
              "the updates stay too large, and without the zero side "
              "the signal grows",
          .expected_effect = "little, or divergence",
          .measured_support =
              "measured with momentum 0.9, rate 0.3, ReLU accuracy 0.313: "
              "GELU 0.356, ELU 0.280, SELU 0.262, Leaky ReLU 0.746 with NaN in "
              "1 of 4 runs, PReLU and RReLU NaN in 4 of 4",
          .recommended = false};
}

Remedy InitFor(Activation kind, const Layers& layers) {
  if (IsTanh(kind)) {
    return {.title = "Glorot initialisation",
            .action = absl::StrCat(
                "draw the weights from N(0, 2 / (fan_in + units)): ",
                DeviationsOf(InitRule::kGlorot, layers)),
            .reason = "tanh has slope 1 at 0: gains near 1 keep the gradient",
            .expected_effect = "the gradient reaches the first layer",
            .measured_support =
                "measured with 8 layers: sd 0.01 accuracy 0.279, Glorot 0.810"};
  }
  if (kind == Activation::kSelu) {
    return {.title = "LeCun initialisation",
            .action = absl::StrCat("draw the weights from N(0, 1 / fan_in): ",
                                   DeviationsOf(InitRule::kLecun, layers)),
            .reason = kSeluConditions,
            .expected_effect = "the gradient reaches the first layer",
            .measured_support = "measured with 16 layers: accuracy 0.943"};
  }
  return {.title = "He initialisation",
          .action = absl::StrCat("draw the weights from N(0, 2 / fan_in): ",
                                 DeviationsOf(InitRule::kHe, layers),
                                 "; start the biases at 0"),
          .reason =
              "half of a rectifier's inputs are lost; this variance "
              "makes up for it, so that every gain is 1",
          .expected_effect = "the gradient reaches the first layer",
          .measured_support =
              "measured with 16 layers: PyTorch's default accuracy 0.279, He "
              "0.832; with 8 layers: sd 0.01 0.279, He 0.921"};
}

Remedy SigmoidSwap(const Layers& layers) {
  return {
      .title = "ReLU with He weights in place of the sigmoid",
      .action = absl::StrCat("use ReLU in ", NamesOf(layers),
                             " and draw the weights from N(0, 2 / "
                             "fan_in): ",
                             DeviationsOf(InitRule::kHe, layers)),
      .reason =
          "the slope of the sigmoid is at most 1/4: a layer passes "
          "at most a quarter of the gradient",
      .expected_effect = "the gradient reaches the first layer",
      .measured_support = "measured with 8 layers: accuracy 0.274 -> 0.921"};
}

}  // namespace

std::vector<Remedy> LearningRateRemedies(const RemedyCase& c) {
  const bool adam = LooksLikeAdam(c);
  const Layers layers = LayersOf(c);
  std::vector<Remedy> remedies{LowerRate(c, adam), Clip(!adam),
                               Norm(adam, layers), WarmUp(adam),
                               LeakySwap(adam)};
  Layers dead;
  std::ranges::copy_if(
      layers, std::back_inserter(dead),
      [](const LayerMeasures* layer) { return layer->dead_share > 0.0; });
  if (!dead.empty()) remedies.push_back(Recycle(dead));
  return remedies;
}

std::vector<Remedy> VanishingRemedies(const RemedyCase& c) {
  const Layers layers = LayersOf(c);
  const Activation kind = KindOf(layers);
  std::vector<Remedy> remedies;
  remedies.push_back(IsSigmoid(kind) ? SigmoidSwap(layers)
                                     : InitFor(kind, layers));
  if (kind != Activation::kSelu) {
    remedies.push_back(
        {.title = "SELU with LeCun weights",
         .action = absl::StrCat("use SELU and draw the weights from N(0, 1 / "
                                "fan_in): ",
                                DeviationsOf(InitRule::kLecun, layers)),
         .reason = kSeluConditions,
         .expected_effect = "signal and gradient keep their size",
         .measured_support = "measured with 16 layers: accuracy 0.943 beside "
                             "0.279 with PyTorch's default"});
  }
  remedies.push_back(
      {.title = "BatchNorm before the activation, with a residual connection",
       .action = absl::StrCat("put BatchNorm before the activation of ",
                              NamesOf(layers),
                              "; add residual connections if it is not enough"),
       .reason = "the gain of a layer no longer depends on its weights",
       .expected_effect = "the gradient reaches the first layer",
       .measured_support =
           IsSigmoid(kind)
               ? "measured with sigmoid, 8 layers: accuracy 0.274 -> 0.759"
               : "measured with PyTorch's default, 16 layers: accuracy 0.279 "
                 "-> 0.926, with residual connections 0.941"});
  remedies.push_back(
      {.title = "a higher learning rate",
       .action = "do not raise it for this",
       .reason = "the layers differ by orders of magnitude: what moves the "
                 "first breaks the last",
       .expected_effect = "none, or divergence",
       .measured_support = "",
       .recommended = false});
  remedies.push_back({.title = "Leaky ReLU, PReLU or ELU",
                      .action = "do not swap the activation alone",
                      .reason = "the gates are open: the weights are too small",
                      .expected_effect = "none",
                      .measured_support = "",
                      .recommended = false});
  return remedies;
}

std::vector<Remedy> ExplodingRemedies(const RemedyCase& c) {
  const Layers layers = LayersOf(c);
  std::vector<Remedy> remedies;
  Remedy init = InitFor(KindOf(layers), layers);
  init.reason = "a gain above 1 is multiplied with every layer";
  init.expected_effect = "the gradient keeps its size";
  init.measured_support =
      "measured: twice the He deviation doubles the "
      "gradient in every layer, 5e5 over 19";
  if (c.measures.gain_mean) {
    absl::StrAppend(&init.action, "; the mean gain is now ",
                    Digits(*c.measures.gain_mean));
  }
  remedies.push_back(std::move(init));
  remedies.push_back(Clip(true));
  remedies.push_back(
      {.title = "normalisation before the activation",
       .action =
           absl::StrCat("put BatchNorm or LayerNorm before the activation "
                        "of ",
                        NamesOf(layers)),
       .reason = "the gain of a layer no longer depends on its weights",
       .expected_effect = "the gradient keeps its size",
       .measured_support = ""});
  remedies.push_back(
      {.title = "residual branches scaled by 1 / sqrt(L)",
       .action = absl::StrCat(
           "multiply every residual branch by ",
           Digits(1.0 / std::sqrt(std::max<double>(
                            1.0, static_cast<double>(layers.size()))))),
       .reason = "without the factor every residual layer doubles the variance",
       .expected_effect = "the gradient keeps its size",
       .measured_support = "measured with 30 layers: without the factor NaN in "
                           "4 of 4 runs, with it accuracy 0.751"});
  remedies.push_back({.title = "swap the activation",
                      .action = "do not swap it for this",
                      .reason = "the gain comes from the weights",
                      .expected_effect = "little",
                      .measured_support = "",
                      .recommended = false});
  return remedies;
}

std::vector<Remedy> NumericalRemedies(const RemedyCase& c) {
  std::vector<Remedy> remedies;
  remedies.push_back(
      {.title = "go back to the last finite state",
       .action =
           absl::StrCat("stop, and restart from a checkpoint before step ",
                        c.finding.first_step, " with one of the changes below"),
       .reason = "a weight that is NaN stays NaN",
       .expected_effect = "the run goes on",
       .measured_support = ""});
  for (const InputMeasures& input : c.measures.inputs) {
    if (input.offset <= c.settings.input_offset &&
        input.rms <= c.settings.input_rms_high) {
      continue;
    }
    for (Remedy& remedy : InputRemedies(c)) {
      if (remedy.title != "standardise the inputs") continue;
      remedies.push_back(std::move(remedy));
    }
    break;
  }
  Remedy rate = LowerRate(c, LooksLikeAdam(c));
  rate.reason = "the weights overshoot further with every step";
  rate.expected_effect = "the loss stays finite";
  rate.measured_support =
      "measured with SGD: rate 2 NaN in 3 of 4 runs, rate "
      "4 in 4 of 4; rate 0.5 dead 0, accuracy 0.960";
  remedies.push_back(std::move(rate));
  remedies.push_back(Clip(true));
  remedies.push_back(
      {.title = "loss scaling, or bf16 in place of fp16",
       .action = "train in bf16; with fp16 use a dynamic loss scale and let it "
                 "skip steps that overflow",
       .reason = "fp16 ends at 65504 and flushes what is below 3e-8; bf16 has "
                 "the range of float",
       .expected_effect = "no overflow of the number format",
       .measured_support = "measured: activations of 1e-7 lose 24 % of their "
                           "positive values in fp16, none in bf16"});
  remedies.push_back(
      {.title = "swap the activation",
       .action = "do not swap it for this",
       .reason = "without the zero side of ReLU the signal grows faster",
       .expected_effect = "none, or an earlier NaN",
       .measured_support = "measured with momentum 0.9, rate 0.3: PReLU and "
                           "RReLU NaN in 4 of 4 runs",
       .recommended = false});
  return remedies;
}

}  // namespace firekeeper::core
