// The signals of a run: those of its layers, and what they give together.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/diagnosis/facts.h"
#include "core/diagnosis/layer_measures.h"
#include "core/diagnosis/loss_course.h"
#include "core/diagnosis/settings.h"

namespace firekeeper::core {

// S2: the data as a layer without inputs reads it.
struct InputMeasures {
  std::size_t layer = 0;  // index into RunMeasures::layers
  double offset = 0.0;    // gamma = ||mean|| / ||sd|| over the features
  double rms = 0.0;
  double mean = 0.0;  // pooled
  double standard_deviation = 0.0;
};

// S10: what is not finite.
struct NonFiniteMeasures {
  bool values_streamed = false;  // anything that would show them
  bool gradients_streamed = false;
  double values = 0.0;  // activations, weights, inputs; units in NON_FINITE
  double gradients = 0.0;
  std::vector<std::string> layers;
  // The first of those that are a failure: a loss scaler finds its scale by
  // overflowing gradients. Empty: none.
  std::optional<std::int64_t> first_step;
  // The data were not finite by then: nothing that the network did.
  bool from_data = false;
  bool scales_loss = false;
};

struct RunMeasures {
  std::vector<LayerMeasures> layers;  // in the order of the facts
  std::vector<InputMeasures> inputs;  // of first layers that stream INPUT
  LossCourse loss;
  NonFiniteMeasures non_finite;

  // S5 over hidden layers that have no normalisation and no residual.
  std::optional<double> gain_product;
  std::optional<double> gain_mean;  // geometric
  // S6 over hidden layers at start, seen backwards: below 1 it vanishes.
  std::optional<double> backward_factor;  // per layer
  std::optional<double> backward_total;   // over all of them
  // Norm of WEIGHT_GRADIENT in the first hidden layer at start.
  std::optional<double> first_gradient;
  // Largest gradient norm of the first steps over that of step 0.
  std::optional<double> gradient_norm_growth;
  // S9 over the layers of gain_product.
  std::size_t depth = 0;
  double width_sum = 0.0;
  // Silent at start, last third of those layers less the first third.
  std::optional<double> silent_growth;

  // S8: shares of the hidden units, those of linear layers left out.
  double dead_share = 0.0;
  double late_share = 0.0;
  // Silent in the newest large window and not at step 0; 0 without one.
  double late_silent_share = 0.0;
  // S7 over hidden layers.
  std::optional<double> update_early_max;
  std::optional<double> update_median;  // of the worst layer
  std::optional<double> own_update;     // OwnUpdateRatio of the worst layer
  // How far the first step moves every parameter that has a gradient; where the
  // optimiser moves them all alike, as Adam does.
  std::optional<double> sign_step;
  // That over the weights of the hidden layer where it is the most: over their
  // rms, or LeCun's 1 / sqrt(fan_in) where that is more, since weights that are
  // too small are a fault of their own.
  std::optional<double> sign_step_ratio;

  // dead_share, or the excess of one layer, is beyond its limit; or a layer
  // has collapsed.
  bool many_dead = false;
  bool collapsed = false;

  // No progress, divergence or NaN: what a fault can do that makes numbers
  // large.
  [[nodiscard]] bool failed() const {
    return loss.failed() || non_finite.first_step.has_value();
  }
  [[nodiscard]] bool learns() const {
    return loss.learning == Learning::kLearning ||
           loss.learning == Learning::kConverged;
  }
};

// `facts` outlives the result.
[[nodiscard]] RunMeasures MeasureRun(const RunFacts& facts,
                                     const DiagnosisSettings& settings);

}  // namespace firekeeper::core
