// What `push` was asked for, and what it makes of it.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/cli/npy.h"
#include "client/cpp/watcher_options.h"
#include "core/signal.h"
#include "core/tensor_view.h"

namespace firekeeper::client::cli {

// As on the command line.
struct PushArguments {
  std::vector<std::string> files{};
  std::string run_id{};
  std::string layer{};
  std::string signal = "activation";
  std::string activation = "relu";
  std::string phase = "train";
  std::int64_t step = 0;
  std::optional<int> unit_axis{};
  // A number or "none"; empty: the default.
  std::string cluster_axis{};
  std::string launch_token = "push";
  std::string remedy_of{};
};

struct PushPlan {
  std::vector<std::string> files{};
  std::string run_id{};
  std::string launch_token{};
  std::string remedy_of{};
  std::string layer{};
  core::Signal signal = core::Signal::kActivation;
  core::Activation activation = core::Activation::kRelu;
  core::Phase phase = core::Phase::kTrain;
  std::int64_t first_step = 0;
  std::optional<int> unit_axis{};
  // Absent: the default. -1: none.
  std::optional<int> cluster_axis{};

  // The array with the axes asked for, or the defaults: units are the first
  // axis of weights and biases and the last of everything else, whose clusters
  // are the first axis where that is another one.
  [[nodiscard]] absl::StatusOr<core::TensorView> View(
      const NpyArray& array) const;
  // For a layer of `unit_count` units; without a connection.
  [[nodiscard]] WatcherOptions Options(std::uint64_t unit_count) const;
};

// Fails with kInvalidArgument, naming the option.
[[nodiscard]] absl::StatusOr<PushPlan> MakePushPlan(
    const PushArguments& arguments);

}  // namespace firekeeper::client::cli
