// The rows of a run but those of its signals: to bytes and back. What comes
// from the store passed its checksum; what does not fit together all the same
// fails with kDataLoss, naming the field.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/share_difference.h"
#include "server/state/layer_spec.h"
#include "server/state/views.h"

namespace firekeeper::server {

struct AttemptRecord {
  std::string launch_token;
  std::int64_t resume_step = 0;
  std::uint32_t source_count = 1;
  absl::Time started;
  std::uint32_t sources_opened = 0;
  core::Share dead;
};

struct RunRecord {
  std::string tenant;
  std::string run_id;
  absl::Time first_seen;
  absl::Time ended = absl::InfiniteFuture();
  std::map<std::string, std::string> labels;
  std::string remedy_of;
  std::vector<AttemptRecord> attempts;  // the first has number 1
};

struct SourceRecord {
  std::uint32_t attempt = 0;
  std::uint64_t instance_id = 0;
  std::uint64_t incarnation = 0;
  std::uint64_t accepted_seq = 0;
  std::int64_t complete_through_step = -1;
  std::int64_t last_step = -1;
  bool closed = false;
};

struct SharesRecord {
  std::uint32_t attempt = 0;
  // Numbers of layers, and what the source holds of them.
  std::vector<std::pair<std::uint32_t, LayerShare>> shares;
};

struct CountersRecord {
  RunCounters counters;
  absl::Time last_seen;
  std::int64_t last_step = -1;
  std::int64_t closed_before = 0;  // windows that end by this step are closed
};

struct ScalarRecord {
  std::int64_t step = -1;
  double value = 0.0;
  std::vector<std::pair<std::int64_t, double>> history;  // ascending
};

[[nodiscard]] std::string Encode(const RunRecord& record);
[[nodiscard]] std::string Encode(const LayerSpec& spec);
[[nodiscard]] std::string Encode(const SourceRecord& record);
[[nodiscard]] std::string Encode(const SharesRecord& record);
[[nodiscard]] std::string Encode(const CountersRecord& record);
[[nodiscard]] std::string Encode(const ScalarRecord& record);

absl::StatusOr<RunRecord> DecodeRun(std::string_view bytes);
absl::StatusOr<LayerSpec> DecodeLayer(std::string_view bytes);
absl::StatusOr<SourceRecord> DecodeSource(std::string_view bytes);
absl::StatusOr<SharesRecord> DecodeShares(std::string_view bytes);
absl::StatusOr<CountersRecord> DecodeCounters(std::string_view bytes);
absl::StatusOr<ScalarRecord> DecodeScalar(std::string_view bytes);

// Keys of Table::kRun: the run itself, and each layer by its number.
[[nodiscard]] std::string RunHeaderKey();
[[nodiscard]] std::string LayerKey(std::uint32_t layer);
// Keys of Table::kMark.
[[nodiscard]] std::string CountersKey();
[[nodiscard]] std::string SourceKey(std::uint32_t source);
[[nodiscard]] std::string SharesKey(std::uint32_t source);

// What a key of those two tables says.
struct RunKeyParts {
  char kind = 0;  // 'r' run, 'l' layer, 'c' counters, 'm' mark, 's' shares
  std::uint32_t number = 0;
};
absl::StatusOr<RunKeyParts> ParseRunKey(std::string_view key);

}  // namespace firekeeper::server
