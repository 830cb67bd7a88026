// What a run knows of its attempts and their sources.

#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "core/share_difference.h"
#include "server/state/run.h"

namespace firekeeper::server {

struct Run::Source {
  std::uint64_t incarnation = 0;
  std::uint64_t instance_id = 0;
  std::uint64_t accepted_seq = 0;
  std::int64_t complete_through_step = -1;
  std::int64_t last_step = -1;
  bool connected = false;
  bool closed = false;
  absl::Time last_heard;
  FenceFunction on_fenced;
  // Everything accepted is safe with this.
  Ticket ticket = 0;
  // What is safe, as of the last Settle(), and what waits after it, ascending.
  // A client that comes back must not hear less than it was told before.
  std::uint64_t durable_seq = 0;
  std::deque<std::pair<std::uint64_t, Ticket>> waiting;

  void Settle(Ticket committed) {
    for (; !waiting.empty() && waiting.front().second <= committed;
         waiting.pop_front()) {
      durable_seq = waiting.front().first;
    }
  }
};

struct Run::Attempt {
  std::uint32_t number = 0;
  std::string launch_token;
  std::int64_t resume_step = 0;
  std::uint32_t source_count = 1;
  absl::Time started;
  // Of the newest attempt; a superseded one keeps their number only.
  std::map<std::uint32_t, Source> sources;
  std::uint32_t sources_opened = 0;
  // Dead units at the last assessment before it was superseded.
  core::Share dead;
};

}  // namespace firekeeper::server
