// What LayerState::Evaluate() finds, shared by what reads it.

#pragma once

#include <cstdint>
#include <optional>

#include "server/state/layer_state.h"

namespace firekeeper::server {

// What Evaluate() found, with what it was found for.
struct LayerState::Verdicts {
  core::Signal signal{};
  std::uint64_t version = 0;
  std::uint64_t run_units = 0;
  core::LayerEvidence evidence;  // as DropArrays() leaves it
  std::optional<core::WindowEvidence> newest;
  core::LayerHealth health;
  bool collapsed = false;
};

}  // namespace firekeeper::server
