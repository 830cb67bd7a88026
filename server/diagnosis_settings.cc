#include "server/diagnosis_settings.h"

#include <limits>

namespace firekeeper::server {
namespace {

constexpr double kLeast = std::numeric_limits<double>::min();
constexpr double kMost = 1e9;

}  // namespace

std::vector<Setting> AlarmSettingRows(Options& options) {
  const std::string group = "Events";
  core::AlarmSettings& a = options.state.alarms;
  return {
      {"warn-dead-share", group,
       "share of dead units at which a layer raises a warning",
       &a.warn_dead_share, kLeast, 1},
      {"critical-dead-share", group,
       "share of dead units at which it is critical", &a.critical_dead_share,
       kLeast, 1},
      {"suspect-clusters", group,
       "examples without any firing after which a layer is suspected of "
       "collapse",
       &a.suspect_clusters, 1, kMost},
      {"clear-ratio", group, "an alarm ends below this part of its threshold",
       &a.clear_ratio, kLeast, 1},
      {"no-data-windows", group,
       "windows without anything of a layer, while the run goes on, that raise "
       "\"no data\"",
       &a.no_data_windows, 1, 1'024},
      {"max-events-per-run", group, "newest events of a run that are kept",
       &options.limits.max_events_per_run, 1, 1e6},
  };
}

std::vector<Setting> DiagnosisSettingRows(Options& options) {
  const std::string group = "Diagnosis";
  core::DiagnosisSettings& d = options.state.diagnosis;
  return {
      {"diagnosis-dead-share", group,
       "share of dead hidden units of a run from which on it is sick",
       &d.dead_share, 0, 1},
      {"diagnosis-layer-dead-share", group,
       "share of dead units of one layer, beyond what depth explains",
       &d.layer_dead_share, 0, 1},
      {"diagnosis-min-progress", group,
       "the loss must have fallen by this share, or nothing is learnt",
       &d.min_progress, 0, 1},
      {"diagnosis-converged-loss", group,
       "share of its start below which the loss counts as zero",
       &d.converged_loss, 0, 1},
      {"diagnosis-born-silent-excess", group,
       "S1: share of silent units at step 0 beyond what is expected",
       &d.born_silent_excess, 0, 1},
      {"diagnosis-input-offset", group,
       "S2: |mean| / deviation of the inputs that counts as un-normalised",
       &d.input_offset, kLeast, kMost},
      {"diagnosis-input-rms-low", group,
       "S2: root mean square of the inputs, least", &d.input_rms_low, 0, kMost},
      {"diagnosis-input-rms-high", group,
       "S2: root mean square of the inputs, greatest", &d.input_rms_high, 0,
       kMost},
      {"diagnosis-bias-offset", group,
       "S3: bias over the deviation of the pre-activation", &d.bias_offset,
       -kMost, 0},
      {"diagnosis-weight-mean-z", group,
       "S4: standard score of the mean weight at step 0", &d.weight_mean_z,
       -kMost, 0},
      {"diagnosis-gain-product", group,
       "S5: product of the weight gains of all layers", &d.gain_product, 0,
       kMost},
      {"diagnosis-backward-factor-low", group,
       "S6: gradient factor of a layer that counts as vanishing",
       &d.backward_factor_low, 0, kMost},
      {"diagnosis-backward-factor-high", group,
       "S6: gradient factor of a layer that counts as exploding",
       &d.backward_factor_high, 0, kMost},
      {"diagnosis-gradient-norm-growth", group,
       "growth of the gradient norm that counts as exploding",
       &d.gradient_norm_growth, 1, kMost},
      {"diagnosis-update-ratio", group,
       "S7: |update| / |weight| before the deaths", &d.update_ratio, 0, kMost},
      {"diagnosis-update-ratio-median", group, "S7: median of it over the run",
       &d.update_ratio_median, 0, kMost},
      {"diagnosis-late-share", group,
       "S8: share of units that died after step 0", &d.late_share, 0, 1},
      {"diagnosis-depth", group, "S9: layers without norm and residual",
       &d.depth, 1, kMost},
      {"diagnosis-width-sum", group, "S9: sum of 1 / width over those",
       &d.width_sum, 0, kMost},
      {"diagnosis-target-update-ratio", group,
       "update ratio that a suggested learning rate aims at",
       &d.target_update_ratio, kLeast, 1},
  };
}

}  // namespace firekeeper::server
