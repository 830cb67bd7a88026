// Every threshold of the diagnosis. The defaults are those of STATISTICS.md 6;
// core/README.md shows them beside what was measured.

#pragma once

#include <cstddef>
#include <cstdint>

namespace firekeeper::core {

struct DiagnosisSettings {
  // Harm. A signal beyond its limit is a finding only where something is
  // wrong: dead units, numbers that are not finite, or no learning.
  double dead_share = 0.10;          // of the hidden units of the run
  double layer_dead_share = 0.30;    // of one layer, beyond what depth explains
  double born_silent_excess = 0.05;  // S1; 3 standard errors are added

  // Learning, from the loss. Fewer points or steps say nothing.
  std::size_t loss_min_points = 20;
  std::int64_t loss_min_steps = 100;
  double min_progress = 0.20;  // less fall than this share of the start
  double chance_band = 0.15;   // or this near the loss of guessing
  double constant_output_cosine = 0.98;  // or a plateau, outputs so alike
  double plateau_tolerance = 0.02;  // a fall of this share is an improvement
  double divergence_factor = 3.0;   // times the start
  double converged_loss = 1e-3;     // times the start

  // S2. Fewer examples say nothing.
  std::uint64_t min_examples = 32;
  double input_offset = 2.0;  // gamma
  double input_rms_low = 0.1;
  double input_rms_high = 10.0;
  double input_update_ratio = 0.3;  // what inputs of rms 10 and more lead to

  double bias_offset = -1.0;      // S3, beta
  double slow_progress = 0.5;     // a loss above this share of its start
  std::int64_t slow_steps = 300;  // after so many steps

  double weight_mean_z = -8.0;     // S4, z_w
  double weight_mean_pull = -1.0;  // S4, mean / sd * sqrt(fan_in)
  double low_firing = 0.05;        // of a layer behind another one, at step 0
  double signal_collapse = 0.1;    // rms of a layer over that of its input

  double gain_product = 0.05;        // S5
  double backward_factor_low = 0.6;  // S6, per layer
  double backward_total_low = 0.05;  // S6, over all layers
  double weight_gradient = 1e-4;     // norm in the first layer at step 0
  double vanishing_dead_share = 0.10;

  double backward_factor_high = 1.5;  // S6, per layer
  double backward_total_high = 10.0;  // S6, over all layers
  double gradient_norm_growth = 100.0;
  std::int64_t gradient_norm_steps = 10;

  std::size_t depth = 20;  // S9, layers without norm and residual
  double width_sum = 1.0;  // S9, sum of 1 / n_l over those
  double gain_low = 0.8;   // S5, geometric mean: "about 1"
  double gain_high = 1.25;
  double silent_growth = 0.05;  // last third over first third of the layers

  double update_ratio = 0.1;          // S7, maximum before the deaths
  double update_ratio_median = 0.02;  // S7, median
  // S7 of one weight, where all steps are of one size: Adam at 0.01, which
  // trains, has 0.057, and at 0.03, which kills, 0.085 and more.
  double sign_update_ratio = 0.07;
  std::int64_t early_steps = 10;
  double late_share = 0.10;        // units that died after step 0, of the run
  double layer_late_share = 0.30;  // or of one layer

  double identical_rows = 1e-6;

  double sparse_firing = 0.10;           // a layer that fires less is sparse
  std::uint64_t sparse_examples = 1024;  // as seen on this many examples

  // The largest update ratio of the first steps that a suggested learning rate
  // aims at: the largest of the healthy reference runs was 0.07.
  double target_update_ratio = 0.05;
};

}  // namespace firekeeper::core
