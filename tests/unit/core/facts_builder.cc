#include "tests/unit/core/facts_builder.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/init_baseline.h"
#include "core/window_plan.h"

namespace firekeeper::testing {
namespace {

using core::Signal;
using core::SignalDigest;

constexpr std::int64_t kSteps = 640;
constexpr std::uint64_t kBatch = 64;
constexpr std::uint64_t kInputs = 20;
constexpr std::uint64_t kClasses = 4;

std::uint64_t CountOf(double share, std::uint64_t units) {
  return static_cast<std::uint64_t>(
      std::llround(share * static_cast<double>(units)));
}

// Values of `mean` and `deviation`, every unit alike in distribution and none
// equal to another.
void SetMoments(double mean, double deviation, SignalDigest* digest) {
  digest->has_moments = true;
  digest->mean = mean;
  digest->standard_deviation = deviation;
  digest->root_mean_square = std::hypot(mean, deviation);
  digest->mean_absolute = 0.8 * digest->root_mean_square;
  digest->min = mean - 3.0 * deviation;
  digest->max = mean + 3.0 * deviation;
  digest->mean_square_of_means = mean * mean;
  digest->mean_variance = deviation * deviation;
  digest->unit_spread = deviation == 0.0 ? 0.0 : 0.5;
}

SignalDigest Digest(const core::StepRange& steps, std::uint64_t units,
                    std::uint64_t per_step) {
  SignalDigest digest;
  digest.steps = steps;
  digest.unit_count = units;
  digest.units = units;
  digest.observations =
      per_step * static_cast<std::uint64_t>(steps.end - steps.first);
  digest.total_observations = units * digest.observations;
  return digest;
}

SignalDigest Parameter(const core::StepRange& steps, std::uint64_t units,
                       std::uint64_t per_unit, double deviation) {
  SignalDigest digest = Digest(steps, units, per_unit);
  digest.firing_ratio = 0.5;
  SetMoments(0.0, deviation, &digest);
  return digest;
}

SignalDigest Activations(const core::StepRange& steps, std::uint64_t units,
                         double cosine) {
  SignalDigest digest = Digest(steps, units, kBatch);
  digest.clusters = digest.observations;
  digest.firing_ratio = 0.5;
  digest.zero_ratio = 0.5;
  SetMoments(0.56, 0.83, &digest);
  digest.mean_square_of_means = cosine;
  digest.mean_variance = 1.0 - cosine;
  return digest;
}

}  // namespace

FactsBuilder::FactsBuilder(std::size_t hidden, std::uint64_t width,
                           core::Activation kind) {
  for (std::size_t i = 0; i < hidden; ++i) AddLayer(i, width, kind, false);
  AddLayer(hidden, kClasses, core::Activation::kLinear, true);
  facts_.last_step = kSteps - 1;
  Inputs(0.0, 1.0).Loss(1.39, 0.3);
}

void FactsBuilder::AddLayer(std::size_t i, std::uint64_t width,
                            core::Activation kind, bool is_output) {
  core::LayerFacts layer;
  layer.name = is_output ? "out" : "h" + std::to_string(i);
  layer.activation.kind = kind;
  layer.unit_count = width;
  layer.fan_in = i == 0 ? kInputs : facts_.layers.back().unit_count;
  layer.order = static_cast<std::uint32_t>(i);
  layer.is_output = is_output;
  double cosine = 0.0;
  for (std::size_t l = 0; l <= i; ++l) cosine = core::NextCosine(cosine);
  if (is_output) cosine = 0.2;
  if (i > 0) layer.inputs = {facts_.layers.back().name};
  const std::uint64_t fan_in = layer.fan_in;
  const double he = std::sqrt(2.0 / static_cast<double>(fan_in));
  for (std::int64_t step = 0; step < kSteps;) {
    const core::StepRange steps = core::WindowOf(step);
    const auto add = [&](Signal signal, const SignalDigest& digest) {
      layer.train[signal].push_back(digest);
    };
    add(Signal::kActivation, Activations(steps, width, cosine));
    SignalDigest z = Activations(steps, width, cosine);
    SetMoments(0.0, std::sqrt(2.0), &z);
    add(Signal::kPreActivation, z);
    add(Signal::kOutputGradient, Parameter(steps, width, kBatch, 0.002));
    add(Signal::kWeight, Parameter(steps, width, fan_in, he));
    add(Signal::kBias, Parameter(steps, width, 1, 0.0));
    add(Signal::kWeightGradient, Parameter(steps, width, fan_in, 0.003));
    add(Signal::kWeightUpdate, Parameter(steps, width, fan_in, 0.0037 * he));
    step = steps.end;
  }
  layer.units_by_state[static_cast<std::size_t>(core::HealthState::kAlive)] =
      width;
  facts_.layers.push_back(std::move(layer));
}

FactsBuilder& FactsBuilder::Inputs(double mean, double deviation) {
  auto& series = facts_.layers.front().train[Signal::kInput];
  series.clear();
  for (const SignalDigest& each :
       facts_.layers.front().train.at(Signal::kActivation)) {
    SignalDigest digest = Digest(each.steps, kInputs, kBatch);
    SetMoments(mean, deviation, &digest);
    series.push_back(digest);
  }
  return *this;
}

FactsBuilder& FactsBuilder::Bias(double bias, double offset) {
  for (core::LayerFacts& layer : facts_.layers) {
    if (layer.is_output) continue;
    for (SignalDigest& each : layer.train.at(Signal::kBias)) {
      SetMoments(bias, 0.0, &each);
    }
    SetMoments(bias, std::abs(bias / offset),
               &layer.train.at(Signal::kPreActivation).front());
  }
  return *this;
}

FactsBuilder& FactsBuilder::WeightMean(double deviations) {
  for (core::LayerFacts& layer : facts_.layers) {
    if (layer.is_output) continue;
    SignalDigest& start = layer.train.at(Signal::kWeight).front();
    const double sd = start.standard_deviation;
    SetMoments(deviations * sd, sd, &start);
  }
  return *this;
}

FactsBuilder& FactsBuilder::Gain(double gain, double backward,
                                 double first_gradient) {
  double signal = 0.002;
  // By index: clang-tidy 14 wants std::views here, and cannot read them.
  for (std::size_t i = facts_.layers.size(); i-- > 0;) {
    core::LayerFacts& layer = facts_.layers[i];
    if (layer.is_output) continue;
    const auto fan_in = static_cast<double>(layer.fan_in);
    SetMoments(0.0, gain * std::sqrt(2.0 / fan_in),
               &layer.train.at(Signal::kWeight).front());
    SetMoments(0.0, signal, &layer.train.at(Signal::kOutputGradient).front());
    signal *= backward;
  }
  const core::LayerFacts& first = facts_.layers.front();
  const auto entries = static_cast<double>(first.fan_in * first.unit_count);
  SetMoments(0.0, first_gradient / std::sqrt(entries),
             &Start(0, Signal::kWeightGradient));
  return *this;
}

FactsBuilder& FactsBuilder::FiringAtStart(std::size_t i, double rate,
                                          double rms) {
  for (const Signal signal : {Signal::kActivation, Signal::kPreActivation}) {
    Start(i, signal).firing_ratio = rate;
  }
  SetMoments(0.0, rms, &Start(i, Signal::kActivation));
  return *this;
}

FactsBuilder& FactsBuilder::SilentAtStart(std::size_t i, double share,
                                          std::uint64_t examples) {
  SignalDigest& start = Start(i, Signal::kActivation);
  start.units_never_fired = CountOf(share, start.units);
  start.observations = examples;
  start.clusters = examples;
  return *this;
}

FactsBuilder& FactsBuilder::UpdateRatio(double early, double later) {
  for (core::LayerFacts& layer : facts_.layers) {
    if (layer.is_output) continue;
    const double rms = layer.train.at(Signal::kWeight).front().root_mean_square;
    for (SignalDigest& update : layer.train.at(Signal::kWeightUpdate)) {
      SetMoments(0.0, rms * (update.steps.first < 10 ? early : later), &update);
    }
  }
  return *this;
}

FactsBuilder& FactsBuilder::Dead(std::size_t i, double share,
                                 std::int64_t after, std::int64_t by) {
  core::LayerFacts& layer = facts_.layers[i];
  const std::uint64_t units = CountOf(share, layer.unit_count);
  auto& states = layer.units_by_state;
  states[static_cast<std::size_t>(core::HealthState::kDead)] += units;
  states[static_cast<std::size_t>(core::HealthState::kAlive)] -= units;
  layer.deaths.push_back({.after = after, .by = by, .units = units});
  layer.total_deaths += units;
  return *this;
}

FactsBuilder& FactsBuilder::Loss(double start, double end, std::int64_t steps) {
  core::ScalarSeries series;
  for (std::int64_t step = 0; step < kSteps; ++step) {
    const double part =
        std::min(1.0, static_cast<double>(step) / static_cast<double>(steps));
    series.points.emplace_back(step, start + (end - start) * part);
  }
  facts_.scalars[core::kLossScalar] = std::move(series);
  return *this;
}

FactsBuilder& FactsBuilder::Scalar(const std::string& name,
                                   std::vector<double> values) {
  core::ScalarSeries series;
  for (std::size_t i = 0; i < values.size(); ++i) {
    series.points.emplace_back(static_cast<std::int64_t>(i), values[i]);
  }
  facts_.scalars[name] = std::move(series);
  return *this;
}

FactsBuilder& FactsBuilder::Without(Signal signal) {
  for (core::LayerFacts& layer : facts_.layers) layer.train.erase(signal);
  return *this;
}

FactsBuilder& FactsBuilder::WithoutStart() {
  for (core::LayerFacts& layer : facts_.layers) {
    for (auto& [signal, series] : layer.train) {
      std::erase_if(series, [](const SignalDigest& digest) {
        return digest.steps.first < 128;
      });
    }
  }
  return *this;
}

}  // namespace firekeeper::testing
