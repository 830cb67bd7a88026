// The signals S1 to S8 of one layer (core/README.md, "Diagnosis").

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/diagnosis/facts.h"
#include "core/diagnosis/settings.h"

namespace firekeeper::core {

// An empty figure was not streamed. "At start" is window [0, 1), the state
// before the first update; firing figures are those of BIRTH where streamed.
struct LayerMeasures {
  const LayerFacts* facts = nullptr;  // outlives this
  bool hidden = true;
  bool reads_data = false;            // the first layer
  std::vector<std::size_t> previous;  // indices of layers that it reads

  std::optional<double> silent_at_start;  // share of units with k = 0
  std::optional<double> always_on_at_start;
  std::optional<double> firing_at_start;  // mean of k / n
  std::uint64_t examples_at_start = 0;
  std::optional<double> firing_now;  // in the newest large window
  std::uint64_t examples_now = 0;
  double silent_share_now = 0.0;  // of that window

  // Rms of what the layer gives and of what it reads, at start.
  std::optional<double> output_rms;
  std::optional<double> input_rms;
  // S1: cosine of the examples as this layer reads them, and the share of
  // units that is silent because of it and of depth alone.
  double cosine = 0.0;
  bool cosine_measured = false;
  double expected_silent = 0.0;
  double expected_if_normalized = 0.0;  // with cosine 0 at the first layer
  double expected_dead = 0.0;  // on as many examples as a certificate takes

  std::optional<double> bias_offset;  // S3, beta
  std::optional<double> bias_mean;    // at start
  std::optional<double> weight_z;     // S4
  std::optional<double> weight_pull;  // S4, mean / sd * sqrt(fan_in)
  std::optional<double> weight_sd;    // at start
  std::optional<double> gain;         // S5
  std::optional<double> back_signal;  // S6, rms(OUTPUT_GRADIENT) at start
  std::optional<double> gradient;     // norm of WEIGHT_GRADIENT at start
  std::optional<double> row_spread;   // of WEIGHT at start
  std::optional<double> row_spread_now;

  std::optional<double> update_first;      // S7 at step 0
  std::optional<double> update_early_max;  // S7 within the first steps
  std::optional<double> update_median;     // S7
  // The constant, where the first update is a sign times a constant, as Adam's:
  // it does not grow with the gradient. A weight without gradient stays.
  std::optional<double> sign_step;
  // The same of biases that begin at 0.
  std::optional<double> bias_sign_step;

  double dead_share = 0.0;  // DEAD, or silent on the whole PROBE set
  double born_share = 0.0;  // DEAD and never fired
  double late_share = 0.0;  // DEAD and fired before
  bool collapsed = false;   // nothing fires

  // S7 at step 0 for inputs of rms 1: the gradient of a weight grows with what
  // the layer reads, and so does the update, unless it is sign-like.
  [[nodiscard]] std::optional<double> OwnUpdateRatio() const;
  // Dead beyond what cosine and depth explain; at least 0.
  [[nodiscard]] double ExcessDead() const;
  // Three standard errors of a share of this layer's units about `expected`.
  [[nodiscard]] double ShareNoise(double expected) const;
};

// Window [0, 1) of `signal`; null where there is none.
[[nodiscard]] const SignalDigest* AtStart(const LayerFacts& layer,
                                          Signal signal);
// The newest window with an observation; null where there is none.
[[nodiscard]] const SignalDigest* Newest(const LayerFacts& layer,
                                         Signal signal);
// Whether the signal was streamed at all.
[[nodiscard]] bool Has(const LayerFacts& layer, Signal signal);

// S7 of every window that has both WEIGHT_UPDATE and WEIGHT, ascending.
struct UpdateRatio {
  StepRange steps;
  double ratio = 0.0;
};
[[nodiscard]] std::vector<UpdateRatio> UpdateRatiosOf(const LayerFacts& layer);

// Everything that the layer alone tells; the cosine and what follows from it
// are RunMeasures' business.
[[nodiscard]] LayerMeasures MeasureLayer(const LayerFacts& layer,
                                         const DiagnosisSettings& settings);

}  // namespace firekeeper::core
