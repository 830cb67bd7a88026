// Drives sessions and windows with a recording, on the clock of the recording,
// and compares what they decide and know with what the recording server did.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "firekeeper/record/v1/recording.pb.h"

namespace firekeeper::server {

struct ReplayReport {
  record::v1::Header header;
  std::uint64_t messages = 0;
  std::uint64_t decisions = 0;  // to close windows
  std::uint64_t outcomes = 0;   // that were compared
  // The file ends within an entry: the server died while it recorded.
  bool torn = false;
  // The recording reached its size; the run went on.
  bool cut_short = false;
  // Where the replay went another way, oldest first, the first few of them.
  std::vector<std::string> differences;
  std::uint64_t difference_count = 0;
  // What is known at the end of the recording.
  record::v1::Outcome outcome;
};

// Thread-safe. Fails as RecordingReader::Open() does, and with kDataLoss where
// the rows at the beginning cannot be read. Takes the memory and time that the
// run took.
[[nodiscard]] absl::StatusOr<ReplayReport> Replay(const std::string& path);

// The report for people, several lines.
[[nodiscard]] std::string ToText(const ReplayReport& report);

}  // namespace firekeeper::server
