#include "core/diagnosis/run_measures.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/init_baseline.h"

namespace firekeeper::core {
namespace {

// Examples that a certificate of death takes at least (STATISTICS.md 4.0).
constexpr std::uint64_t kCertificateExamples = 2048;
// A slope needs this many layers.
constexpr std::size_t kSlopeLayers = 3;

bool IsRectifier(Activation kind) {
  return kind == Activation::kRelu || kind == Activation::kRelu6 ||
         kind == Activation::kSquaredRelu;
}

// Depth has its way only where neither a normalisation nor a residual
// connection resets the signal.
bool IsPlain(const LayerMeasures& layer) {
  return layer.hidden && !layer.facts->norm_before && !layer.facts->residual;
}

// A run that declares no inputs anywhere is taken to be a chain.
void LinkLayers(const RunFacts& facts, std::vector<LayerMeasures>* layers) {
  std::map<std::string, std::size_t> index;
  bool declared = false;
  for (std::size_t i = 0; i < layers->size(); ++i) {
    index.emplace(facts.layers[i].name, i);
    declared = declared || !facts.layers[i].inputs.empty();
  }
  for (std::size_t i = 0; i < layers->size(); ++i) {
    LayerMeasures& layer = (*layers)[i];
    if (!declared && i > 0) layer.previous.push_back(i - 1);
    for (const std::string& name : facts.layers[i].inputs) {
      const auto found = index.find(name);
      if (found != index.end() && found->second < i) {
        layer.previous.push_back(found->second);
      }
    }
    layer.reads_data = layer.previous.empty();
  }
}

// The earliest window of INPUT with enough examples: its mean and spread are
// those of the data, whatever the parameters.
const SignalDigest* InputDigest(const LayerFacts& layer,
                                std::uint64_t min_examples) {
  const auto series = layer.train.find(Signal::kInput);
  if (series == layer.train.end()) return nullptr;
  for (const SignalDigest& digest : series->second) {
    if (digest.has_moments && ExamplesOf(digest) >= min_examples) {
      return &digest;
    }
  }
  return nullptr;
}

void MeasureInputs(const RunFacts& facts, const DiagnosisSettings& settings,
                   RunMeasures* run) {
  for (std::size_t i = 0; i < run->layers.size(); ++i) {
    if (!run->layers[i].reads_data) continue;
    const SignalDigest* digest =
        InputDigest(facts.layers[i], settings.min_examples);
    if (digest == nullptr) continue;
    const double offset = OffsetOf(*digest).value_or(0.0);
    run->inputs.push_back({.layer = i,
                           .offset = std::min(offset, 1e9),
                           .rms = digest->root_mean_square,
                           .mean = digest->mean,
                           .standard_deviation = digest->standard_deviation});
    run->layers[i].input_rms = digest->root_mean_square;
  }
}

const SignalDigest* OutputDigest(const LayerFacts& layer) {
  const SignalDigest* start = AtStart(layer, Signal::kActivation);
  if (start != nullptr && start->has_moments) return start;
  return layer.birth_activation ? &*layer.birth_activation : nullptr;
}

double AfterLayer(const LayerMeasures& layer, double cosine) {
  return IsRectifier(layer.facts->activation.kind) ? NextCosine(cosine)
                                                   : cosine;
}

// What a layer reads, as the layers before it give it.
struct Reading {
  double cosine = 0.0;
  bool measured = false;
  double normalized = 0.0;
};

Reading ReadingOf(const RunMeasures& run, const LayerMeasures& layer,
                  const std::vector<double>& normalized) {
  Reading reading;
  const auto count = static_cast<double>(layer.previous.size());
  reading.measured = true;
  for (const std::size_t i : layer.previous) {
    const LayerMeasures& before = run.layers[i];
    const SignalDigest* digest = OutputDigest(*before.facts);
    const std::optional<double> cosine =
        digest == nullptr ? std::nullopt : CosineOf(*digest);
    reading.measured = reading.measured && cosine.has_value();
    reading.cosine +=
        cosine.value_or(AfterLayer(before, before.cosine)) / count;
    reading.normalized += AfterLayer(before, normalized[i]) / count;
  }
  return reading;
}

Reading ReadingOfData(const LayerMeasures& layer, std::uint64_t min_examples) {
  const SignalDigest* digest = InputDigest(*layer.facts, min_examples);
  const std::optional<double> cosine =
      digest == nullptr ? std::nullopt : CosineOf(*digest);
  return {.cosine = cosine.value_or(0.0), .measured = cosine.has_value()};
}

void MeasureCosines(const DiagnosisSettings& settings, RunMeasures* run) {
  std::vector<double> normalized(run->layers.size(), 0.0);
  for (std::size_t i = 0; i < run->layers.size(); ++i) {
    LayerMeasures& layer = run->layers[i];
    const Reading reading = layer.reads_data
                                ? ReadingOfData(layer, settings.min_examples)
                                : ReadingOf(*run, layer, normalized);
    layer.cosine = std::clamp(reading.cosine, 0.0, 1.0);
    layer.cosine_measured = reading.measured;
    normalized[i] = std::clamp(reading.normalized, 0.0, 1.0);
    if (!IsRectifier(layer.facts->activation.kind)) continue;
    const std::uint64_t n = std::max<std::uint64_t>(1, layer.examples_at_start);
    layer.expected_silent = NeverFiredShare(layer.cosine, n);
    layer.expected_if_normalized = NeverFiredShare(normalized[i], n);
    layer.expected_dead = NeverFiredShare(layer.cosine, kCertificateExamples);
  }
}

void MeasureReadings(RunMeasures* run) {
  for (LayerMeasures& layer : run->layers) {
    for (const std::size_t i : layer.previous) {
      const std::optional<double>& rms = run->layers[i].output_rms;
      if (rms) layer.input_rms = std::max(layer.input_rms.value_or(0.0), *rms);
    }
  }
}

void MeasureGains(RunMeasures* run) {
  double log_sum = 0.0;
  int count = 0;
  for (const LayerMeasures& layer : run->layers) {
    if (!IsPlain(layer)) continue;
    ++run->depth;
    run->width_sum += 1.0 / static_cast<double>(std::max<std::uint64_t>(
                                1, layer.facts->unit_count));
    if (!layer.gain) continue;
    log_sum += std::log(std::max(*layer.gain, 1e-300));
    ++count;
  }
  if (count == 0) return;
  run->gain_product = std::exp(log_sum);
  run->gain_mean = std::exp(log_sum / count);
}

// Least squares of ln rms(OUTPUT_GRADIENT) over depth.
void MeasureBackSignal(RunMeasures* run) {
  std::vector<std::pair<double, double>> points;
  double depth = 0.0;
  for (const LayerMeasures& layer : run->layers) {
    if (!layer.hidden) continue;
    if (!run->first_gradient) run->first_gradient = layer.gradient;
    if (layer.back_signal && *layer.back_signal > 0.0) {
      points.emplace_back(depth, std::log(*layer.back_signal));
    }
    depth += 1.0;
  }
  if (points.size() < kSlopeLayers) return;
  const auto n = static_cast<double>(points.size());
  double x_mean = 0.0;
  double y_mean = 0.0;
  for (const auto& point : points) {
    x_mean += point.first / n;
    y_mean += point.second / n;
  }
  double xx = 0.0;
  double xy = 0.0;
  for (const auto& point : points) {
    xx += (point.first - x_mean) * (point.first - x_mean);
    xy += (point.first - x_mean) * (point.second - y_mean);
  }
  const double slope = xy / xx;
  run->backward_factor = std::exp(-slope);
  run->backward_total =
      std::exp(-slope * (points.back().first - points.front().first));
}

void MeasureGradientNorm(const RunFacts& facts,
                         const DiagnosisSettings& settings, RunMeasures* run) {
  const auto series = facts.scalars.find(kGradientNormScalar);
  if (series == facts.scalars.end() || series->second.points.empty()) return;
  const auto& points = series->second.points;
  const double first = points.front().second;
  if (points.front().first >= settings.gradient_norm_steps ||
      !std::isfinite(first) || first <= 0.0) {
    return;
  }
  double most = first;
  for (const auto& point : points) {
    if (point.first - points.front().first > settings.gradient_norm_steps) {
      break;
    }
    if (std::isfinite(point.second)) most = std::max(most, point.second);
  }
  run->gradient_norm_growth = most / first;
}

double MeanSilent(const std::vector<double>& silent, std::size_t first,
                  std::size_t end) {
  double sum = 0.0;
  for (std::size_t i = first; i < end; ++i) sum += silent[i];
  return sum / static_cast<double>(end - first);
}

void MeasureSilentGrowth(RunMeasures* run) {
  std::vector<double> silent;
  for (const LayerMeasures& layer : run->layers) {
    if (IsPlain(layer) && layer.silent_at_start) {
      silent.push_back(*layer.silent_at_start);
    }
  }
  const std::size_t third = silent.size() / 3;
  if (third == 0) return;
  run->silent_growth =
      MeanSilent(silent, silent.size() - third, silent.size()) -
      MeanSilent(silent, 0, third);
}

void Raise(const std::optional<double>& value, std::optional<double>* most) {
  if (value && (!*most || *value > **most)) *most = value;
}

// Linear layers (projections, attention, norms) hardly ever fall silent: in the
// shares of dead units they would only hide the others.
bool IsLinear(const LayerMeasures& layer) {
  return layer.facts->activation.kind == Activation::kLinear;
}

void MeasureHarm(const DiagnosisSettings& settings, RunMeasures* run) {
  const bool all_linear = std::all_of(run->layers.begin(), run->layers.end(),
                                      [](const LayerMeasures& layer) {
                                        return !layer.hidden || IsLinear(layer);
                                      });
  double units = 0.0;
  double dead = 0.0;
  double late = 0.0;
  double late_silent = 0.0;
  double worst = 0.0;
  for (const LayerMeasures& layer : run->layers) {
    if (!layer.hidden) continue;
    const bool counts = all_linear || !IsLinear(layer);
    const double count =
        counts ? static_cast<double>(layer.facts->unit_count) : 0.0;
    units += count;
    dead += count * layer.dead_share;
    late += count * layer.late_share;
    if (layer.firing_now && layer.silent_at_start) {
      late_silent += count * std::max(0.0, layer.silent_share_now -
                                               *layer.silent_at_start);
    }
    worst = std::max(worst, layer.ExcessDead());
    run->collapsed = run->collapsed || layer.collapsed;
    Raise(layer.update_early_max, &run->update_early_max);
    Raise(layer.update_median, &run->update_median);
    Raise(layer.OwnUpdateRatio(), &run->own_update);
  }
  if (units > 0.0) {
    run->dead_share = dead / units;
    run->late_share = late / units;
    run->late_silent_share = late_silent / units;
  }
  run->many_dead = run->collapsed || run->dead_share > settings.dead_share ||
                   worst > settings.layer_dead_share;
}

// A bias may move by a like amount by chance; that of the learning rate it is
// not, where the rate is known.
bool AgreesWithRate(const RunFacts& facts, double step) {
  const auto rates = facts.scalars.find(kLearningRateScalar);
  if (rates == facts.scalars.end() || rates->second.points.empty()) return true;
  const double rate = rates->second.points.front().second;
  return std::abs(step - rate) <= 0.1 * rate;
}

// That of the weights where they tell, else the first of the biases.
std::optional<double> SignStepOf(const RunFacts& facts,
                                 const std::vector<LayerMeasures>& layers) {
  std::optional<double> step;
  for (const LayerMeasures& layer : layers) Raise(layer.sign_step, &step);
  if (step) return step;
  for (const LayerMeasures& layer : layers) {
    if (layer.bias_sign_step && AgreesWithRate(facts, *layer.bias_sign_step)) {
      return layer.bias_sign_step;
    }
  }
  return std::nullopt;
}

void MeasureSignStep(const RunFacts& facts, RunMeasures* run) {
  run->sign_step = SignStepOf(facts, run->layers);
  if (!run->sign_step) return;
  for (const LayerMeasures& layer : run->layers) {
    const SignalDigest* const weight = AtStart(*layer.facts, Signal::kWeight);
    if (!layer.hidden || weight == nullptr || !weight->has_moments) continue;
    double size = weight->root_mean_square;
    if (layer.facts->fan_in > 0) {
      const auto fan_in = static_cast<double>(layer.facts->fan_in);
      size = std::max(size, 1.0 / std::sqrt(fan_in));
    }
    if (size > 0.0) Raise(*run->sign_step / size, &run->sign_step_ratio);
  }
}

void Lower(std::int64_t step, std::optional<std::int64_t>* first) {
  *first = std::min(first->value_or(step), step);
}

// Counts what of one signal is not finite; returns the first step at which it
// is a failure.
std::optional<std::int64_t> CountNonFinite(Signal signal,
                                           const DigestSeries& series,
                                           NonFiniteMeasures* found) {
  const bool gradient = IsGradient(signal);
  if (!series.empty()) {
    (gradient ? found->gradients_streamed : found->values_streamed) = true;
  }
  std::optional<std::int64_t> first_step;
  for (const SignalDigest& digest : series) {
    if (digest.non_finite == 0) continue;
    (gradient ? found->gradients : found->values) +=
        static_cast<double>(digest.non_finite);
    if (gradient && found->scales_loss) continue;
    Lower(digest.steps.first, &first_step);
  }
  return first_step;
}

// The same of one layer; returns whether there is a failure.
bool CountNonFinite(const LayerFacts& layer, NonFiniteMeasures* found,
                    std::optional<std::int64_t>* data_step) {
  bool failure = false;
  for (const auto& [signal, series] : layer.train) {
    const auto first_step = CountNonFinite(signal, series, found);
    if (!first_step) continue;
    failure = true;
    Lower(*first_step, &found->first_step);
    if (signal == Signal::kInput || signal == Signal::kTarget) {
      Lower(*first_step, data_step);
    }
  }
  return failure;
}

NonFiniteMeasures MeasureNonFinite(const RunFacts& facts,
                                   const LossCourse& loss) {
  NonFiniteMeasures found;
  std::optional<std::int64_t> data_step;
  bool undated = false;
  const auto scale = facts.scalars.find(kLossScaleScalar);
  found.scales_loss =
      scale != facts.scalars.end() && !scale->second.points.empty();
  for (const LayerFacts& layer : facts.layers) {
    const std::uint64_t units = layer.UnitsIn(HealthState::kNonFinite);
    if (CountNonFinite(layer, &found, &data_step)) {
      found.layers.push_back(layer.name);
    } else if (units > 0) {
      // Their window is gone: the units are all that is left.
      found.values += static_cast<double>(units);
      found.layers.push_back(layer.name);
      undated = true;
    }
  }
  if (loss.first_non_finite_step) {
    Lower(*loss.first_non_finite_step, &found.first_step);
  }
  if (undated && !found.first_step) found.first_step = facts.last_step;
  found.from_data = data_step.has_value() && data_step == found.first_step;
  return found;
}

}  // namespace

RunMeasures MeasureRun(const RunFacts& facts,
                       const DiagnosisSettings& settings) {
  RunMeasures run;
  run.layers.reserve(facts.layers.size());
  for (const LayerFacts& layer : facts.layers) {
    run.layers.push_back(MeasureLayer(layer, settings));
  }
  LinkLayers(facts, &run.layers);
  MeasureInputs(facts, settings, &run);
  MeasureReadings(&run);
  MeasureCosines(settings, &run);
  MeasureGains(&run);
  MeasureBackSignal(&run);
  MeasureGradientNorm(facts, settings, &run);
  MeasureSilentGrowth(&run);
  MeasureHarm(settings, &run);
  MeasureSignStep(facts, &run);
  run.loss = CourseOf(facts, OutputCourseOf(facts), settings);
  run.non_finite = MeasureNonFinite(facts, run.loss);
  return run;
}

}  // namespace firekeeper::core
