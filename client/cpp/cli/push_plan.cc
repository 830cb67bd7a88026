#include "client/cpp/cli/push_plan.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/cli/format.h"
#include "firekeeper/v1/resources.pb.h"

namespace firekeeper::client::cli {

namespace {

constexpr int kNoAxis = -1;

bool IsOfParameters(core::Signal signal) {
  switch (signal) {
    case core::Signal::kWeight:
    case core::Signal::kBias:
    case core::Signal::kWeightGradient:
    case core::Signal::kWeightUpdate:
      return true;
    case core::Signal::kActivation:
    case core::Signal::kPreActivation:
    case core::Signal::kOutputGradient:
    case core::Signal::kInput:
    case core::Signal::kTarget:
      break;
  }
  return false;
}

absl::StatusOr<std::optional<int>> ParseClusterAxis(const std::string& text) {
  if (text.empty()) return std::optional<int>();
  if (text == "none") return std::optional<int>(kNoAxis);
  int axis = 0;
  if (absl::SimpleAtoi(text, &axis) && axis >= 0) {
    return std::optional<int>(axis);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--cluster-axis: \"", text, "\" is no axis and not none"));
}

}  // namespace

absl::StatusOr<PushPlan> MakePushPlan(const PushArguments& arguments) {
  const auto signal = ParseEnum(*v1::Signal_descriptor(), arguments.signal);
  if (!signal.ok()) return signal.status();
  const auto activation =
      ParseEnum(*v1::Activation_descriptor(), arguments.activation);
  if (!activation.ok()) return activation.status();
  const auto phase = ParseEnum(*v1::Phase_descriptor(), arguments.phase);
  if (!phase.ok()) return phase.status();
  const auto cluster_axis = ParseClusterAxis(arguments.cluster_axis);
  if (!cluster_axis.ok()) return cluster_axis.status();
  // The enumerators of core and of the protocol are equal by definition.
  return PushPlan{.files = arguments.files,
                  .run_id = arguments.run_id,
                  .launch_token = arguments.launch_token,
                  .remedy_of = arguments.remedy_of,
                  .layer = arguments.layer,
                  .signal = static_cast<core::Signal>(*signal),
                  .activation = static_cast<core::Activation>(*activation),
                  .phase = static_cast<core::Phase>(*phase),
                  .first_step = arguments.step,
                  .unit_axis = arguments.unit_axis,
                  .cluster_axis = *cluster_axis};
}

absl::StatusOr<core::TensorView> PushPlan::View(const NpyArray& array) const {
  const bool parameters = IsOfParameters(signal);
  const int last = static_cast<int>(array.shape.size()) - 1;
  const int units = unit_axis.value_or(parameters ? 0 : last);
  std::optional<int> clusters;
  if (cluster_axis.has_value()) {
    if (*cluster_axis != kNoAxis) clusters = *cluster_axis;
  } else if (!parameters && units != 0) {
    clusters = 0;
  }
  return ViewOf(array, units, clusters);
}

WatcherOptions PushPlan::Options(std::uint64_t unit_count) const {
  WatcherOptions options;
  options.run_id = run_id;
  options.launch_token = launch_token;
  options.remedy_of = remedy_of;
  options.send_mode = SendMode::kTensor;
  options.layers = {
      {.name = layer,
       .activation = {.kind = activation},
       .unit_count = unit_count,
       .input_unit_count = signal == core::Signal::kInput ? unit_count : 0}};
  return options;
}

}  // namespace firekeeper::client::cli
