// How a stream joins a run, and what it gets.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/window.h"
#include "server/state/layer_spec.h"
#include "server/state/state_journal.h"

namespace firekeeper::server {

class LayerState;
using LayerList = std::vector<std::shared_ptr<LayerState>>;

// What a source says of itself when it opens a stream.
struct OpenRequest {
  std::string launch_token;
  std::int64_t resume_step = 0;
  std::uint32_t source = 0;
  std::uint32_t source_count = 1;
  std::map<std::string, std::string> labels;
  std::string remedy_of;
  std::vector<LayerDeclaration> layers;
  std::uint64_t instance_id = 0;
  std::uint64_t first_held_seq = 1;
};

// A stream's place in the run; names it in every later call.
struct SourceHandle {
  std::uint32_t attempt = 0;
  std::uint32_t source = 0;
  std::uint64_t incarnation = 0;
};

struct OpenResult {
  SourceHandle handle;
  std::uint64_t accepted_seq = 0;
  // Safe already; all up to accepted_seq is with `ticket`.
  std::uint64_t durable_seq = 0;
  Ticket ticket = 0;
  // As they were declared, one for each of OpenRequest::layers.
  LayerList layers;
};

// One snapshot as it is accepted.
struct AcceptedSnapshot {
  std::uint64_t seq = 0;
  std::int64_t step = -1;                     // -1: it was refused
  std::optional<core::MergeOutcome> outcome;  // empty: it was refused
};

// Tells a stream that it was superseded. Called at most once, from the thread
// that superseded it, with no lock held; must not call back into the run. The
// stream may be leaving at that moment: the function must own, or share, what
// it touches.
using FenceFunction = std::function<void(const std::string& reason)>;

}  // namespace firekeeper::server
