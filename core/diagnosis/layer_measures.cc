#include "core/diagnosis/layer_measures.h"

#include <algorithm>
#include <cmath>

namespace firekeeper::core {
namespace {

// A ratio with nothing in the denominator is shown as this.
constexpr double kHuge = 1e9;

double Ratio(double numerator, double denominator) {
  if (numerator == 0.0) return 0.0;
  const double ratio = numerator / denominator;
  if (!std::isfinite(ratio)) return std::copysign(kHuge, numerator);
  return std::clamp(ratio, -kHuge, kHuge);
}

double ShareOf(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0
                    : static_cast<double>(part) / static_cast<double>(whole);
}

// E[phi'(z)^2] for z ~ N(0, 1): what a layer passes on of the variance of its
// gradient.
double PassedVariance(const ActivationSpec& activation) {
  switch (activation.kind) {
    case Activation::kLinear:
    case Activation::kSelu:
    case Activation::kTanh:
    case Activation::kHardTanh:
    case Activation::kSoftmaxExperts:
    case Activation::kSparseLatents:
      return 1.0;
    case Activation::kSigmoid:
      return 1.0 / 16.0;
    case Activation::kHardSigmoid:
      return 1.0 / 36.0;
    case Activation::kSoftplus:
      return 0.293;
    case Activation::kLeakyRelu:
    case Activation::kPrelu:
    case Activation::kRrelu:
      return 0.5 *
             (1.0 + activation.negative_slope * activation.negative_slope);
    case Activation::kRelu:
    case Activation::kRelu6:
    case Activation::kSquaredRelu:
    case Activation::kElu:
    case Activation::kCelu:
    case Activation::kGelu:
    case Activation::kGeluTanh:
    case Activation::kSilu:
    case Activation::kMish:
    case Activation::kHardSwish:
      return 0.5;
  }
  return 0.5;
}

// The digest that counts firings: ACTIVATION first, as health does for ReLU.
const SignalDigest* FiringDigest(const SignalDigest* activation,
                                 const SignalDigest* pre_activation) {
  if (activation != nullptr && activation->firing_ratio) return activation;
  if (pre_activation != nullptr && pre_activation->firing_ratio) {
    return pre_activation;
  }
  return nullptr;
}

void MeasureStart(const LayerFacts& layer, LayerMeasures* measures) {
  const SignalDigest* activation = AtStart(layer, Signal::kActivation);
  const SignalDigest* birth =
      layer.birth_activation ? &*layer.birth_activation : nullptr;
  const SignalDigest* firing =
      birth != nullptr && birth->firing_ratio
          ? birth
          : FiringDigest(activation, AtStart(layer, Signal::kPreActivation));
  if (firing != nullptr) {
    measures->silent_at_start =
        ShareOf(firing->units_never_fired, firing->units);
    measures->firing_at_start = firing->firing_ratio;
    measures->examples_at_start = ExamplesOf(*firing);
    if (firing->zero_ratio) {
      measures->always_on_at_start =
          ShareOf(firing->units_always_positive, firing->units);
    }
  }
  if (activation == nullptr) activation = birth;
  if (activation != nullptr && activation->has_moments) {
    measures->output_rms = activation->root_mean_square;
  }
}

void MeasureNow(const LayerFacts& layer, const DiagnosisSettings& settings,
                LayerMeasures* measures) {
  for (const Signal signal : {Signal::kActivation, Signal::kPreActivation}) {
    const auto series = layer.train.find(signal);
    if (series == layer.train.end()) continue;
    for (const SignalDigest& digest : series->second) {
      if (!digest.firing_ratio ||
          ExamplesOf(digest) < settings.sparse_examples) {
        continue;
      }
      measures->firing_now = digest.firing_ratio;
      measures->examples_now = ExamplesOf(digest);
      measures->silent_share_now =
          ShareOf(digest.units_never_fired, digest.units);
    }
    if (measures->firing_now) return;
  }
}

void MeasureWeights(const LayerFacts& layer, const DiagnosisSettings& settings,
                    LayerMeasures* measures) {
  const SignalDigest* weight = AtStart(layer, Signal::kWeight);
  if (weight == nullptr || !weight->has_moments) return;
  if (weight->units >= 2) {
    measures->row_spread = weight->unit_spread;
    measures->row_spread_now = Newest(layer, Signal::kWeight)->unit_spread;
    // Equal rows are a cause of their own; their deviation tells no gain.
    if (weight->unit_spread <= settings.identical_rows) return;
  }
  const double sd = weight->standard_deviation;
  // Several ranks may have sent the same weights: count each once.
  const double fan_in = layer.fan_in > 0
                            ? static_cast<double>(layer.fan_in)
                            : static_cast<double>(weight->observations);
  const double count = fan_in * static_cast<double>(weight->units);
  measures->weight_sd = sd;
  measures->weight_z = Ratio(weight->mean * std::sqrt(count), sd);
  measures->weight_pull = Ratio(weight->mean * std::sqrt(fan_in), sd);
  measures->gain = std::sqrt(fan_in * PassedVariance(layer.activation)) * sd;
}

void MeasureBias(const LayerFacts& layer, LayerMeasures* measures) {
  const SignalDigest* bias = AtStart(layer, Signal::kBias);
  if (bias == nullptr || !bias->has_moments) return;
  measures->bias_mean = bias->mean;
  const SignalDigest* z = AtStart(layer, Signal::kPreActivation);
  if (z == nullptr || !z->has_moments) return;
  measures->bias_offset = Ratio(
      bias->mean, std::hypot(z->standard_deviation, z->mean - bias->mean));
}

void MeasureGradients(const LayerFacts& layer, LayerMeasures* measures) {
  const SignalDigest* output = AtStart(layer, Signal::kOutputGradient);
  if (output != nullptr && output->has_moments) {
    measures->back_signal = output->root_mean_square;
  }
  const SignalDigest* weight = AtStart(layer, Signal::kWeightGradient);
  if (weight == nullptr || !weight->has_moments) return;
  const auto fan_in = static_cast<double>(
      layer.fan_in > 0 ? layer.fan_in : weight->observations);
  measures->gradient = weight->root_mean_square *
                       std::sqrt(fan_in * static_cast<double>(weight->units));
}

double LargestSize(const SignalDigest& digest) {
  return std::max(std::abs(digest.min), std::abs(digest.max));
}

// The first update of Adam is +-lr, or 0 where there is no gradient. By
// Hoelder's inequality E u^2 <= E|u| max|u|, with equality if and only if all
// that is not 0 is of one size; of normal values it is a third or less.
bool IsSignLike(const SignalDigest& update) {
  const double square = update.root_mean_square * update.root_mean_square;
  return square > 0.0 &&
         square > 0.9 * update.mean_absolute * LargestSize(update);
}

void MeasureUpdates(const LayerFacts& layer, const DiagnosisSettings& settings,
                    LayerMeasures* measures) {
  const std::vector<UpdateRatio> ratios = UpdateRatiosOf(layer);
  if (ratios.empty()) return;
  std::vector<double> values;
  for (const UpdateRatio& each : ratios) {
    values.push_back(each.ratio);
    if (each.steps.first >= settings.early_steps) continue;
    measures->update_early_max =
        std::max(measures->update_early_max.value_or(0.0), each.ratio);
  }
  std::ranges::nth_element(
      values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  measures->update_median = values[values.size() / 2];
  if (ratios.front().steps.first != 0) return;
  measures->update_first = ratios.front().ratio;
  const SignalDigest& update = *AtStart(layer, Signal::kWeightUpdate);
  if (IsSignLike(update)) measures->sign_step = LargestSize(update);
}

// Biases that begin at 0 show a step too, and of the output layer even where no
// gradient reaches a hidden one. One or two move alike by chance, or because
// there are two classes.
void MeasureBiasStep(const LayerFacts& layer, LayerMeasures* measures) {
  constexpr double kFewUnits = 2.5;
  const SignalDigest* const start = AtStart(layer, Signal::kBias);
  if (start == nullptr || !start->has_moments ||
      start->root_mean_square > 0.0) {
    return;
  }
  for (const SignalDigest& next : layer.train.at(Signal::kBias)) {
    const bool after_one_step = next.steps.first == 1 && next.steps.end == 2;
    if (!after_one_step || !next.has_moments || !IsSignLike(next)) continue;
    const double step = LargestSize(next);
    const double moved =
        next.mean_absolute / step * static_cast<double>(next.units);
    if (moved > kFewUnits) measures->bias_sign_step = step;
  }
}

void MeasureDeaths(const LayerFacts& layer, LayerMeasures* measures) {
  const std::uint64_t units = layer.unit_count;
  const std::uint64_t dead = layer.DeadUnits();
  measures->dead_share = ShareOf(dead, units);
  measures->collapsed = units > 0 && dead == units;
  for (const DeathGroup& death : layer.deaths) {
    double* share = death.after == kNeverFired ? &measures->born_share
                                               : &measures->late_share;
    *share += ShareOf(death.units, units);
  }
  if (measures->firing_now && measures->silent_share_now == 1.0) {
    measures->collapsed = true;
  }
  const auto& probe = layer.probe_activation;
  if (!probe || !probe->firing_ratio || probe->units == 0) return;
  const double silent = ShareOf(probe->units_never_fired, probe->units);
  measures->dead_share = std::max(measures->dead_share, silent);
  if (measures->silent_at_start) {
    // Who was silent on few examples at step 0 may have died later: this is
    // the least that did.
    measures->late_share =
        std::max(measures->late_share, silent - *measures->silent_at_start);
  }
  if (probe->units_never_fired == probe->units) measures->collapsed = true;
}

}  // namespace

std::optional<double> LayerMeasures::OwnUpdateRatio() const {
  if (!update_first || sign_step) return update_first;
  return *update_first / std::max(1.0, input_rms.value_or(1.0));
}

double LayerMeasures::ExcessDead() const {
  return std::max(0.0, dead_share - expected_dead);
}

double LayerMeasures::ShareNoise(double expected) const {
  const auto units = static_cast<double>(
      std::max<std::uint64_t>(1, facts == nullptr ? 1 : facts->unit_count));
  return 3.0 * std::sqrt(expected * (1.0 - expected) / units);
}

bool Has(const LayerFacts& layer, Signal signal) {
  return Newest(layer, signal) != nullptr;
}

const SignalDigest* AtStart(const LayerFacts& layer, Signal signal) {
  const auto series = layer.train.find(signal);
  if (series == layer.train.end() || series->second.empty()) return nullptr;
  const SignalDigest& first = series->second.front();
  return first.steps.first == 0 && first.units > 0 ? &first : nullptr;
}

const SignalDigest* Newest(const LayerFacts& layer, Signal signal) {
  const auto series = layer.train.find(signal);
  if (series == layer.train.end()) return nullptr;
  const SignalDigest* newest = nullptr;
  for (const SignalDigest& digest : series->second) {
    if (digest.units > 0) newest = &digest;
  }
  return newest;
}

std::vector<UpdateRatio> UpdateRatiosOf(const LayerFacts& layer) {
  std::vector<UpdateRatio> ratios;
  const auto updates = layer.train.find(Signal::kWeightUpdate);
  const auto weights = layer.train.find(Signal::kWeight);
  if (updates == layer.train.end() || weights == layer.train.end()) {
    return ratios;
  }
  for (const SignalDigest& update : updates->second) {
    // Weights move slowly beside the windows: where this window has none, the
    // newest before it stands in.
    const SignalDigest* weight = nullptr;
    for (const SignalDigest& each : weights->second) {
      if (each.steps.first <= update.steps.first && each.has_moments) {
        weight = &each;
      }
    }
    if (weight == nullptr || !update.has_moments) continue;
    ratios.push_back(
        {.steps = update.steps,
         .ratio = Ratio(update.root_mean_square, weight->root_mean_square)});
  }
  return ratios;
}

LayerMeasures MeasureLayer(const LayerFacts& layer,
                           const DiagnosisSettings& settings) {
  LayerMeasures measures;
  measures.facts = &layer;
  measures.hidden = !layer.is_output;
  MeasureStart(layer, &measures);
  MeasureNow(layer, settings, &measures);
  MeasureWeights(layer, settings, &measures);
  MeasureBias(layer, &measures);
  MeasureGradients(layer, &measures);
  MeasureUpdates(layer, settings, &measures);
  MeasureBiasStep(layer, &measures);
  MeasureDeaths(layer, &measures);
  return measures;
}

}  // namespace firekeeper::core
