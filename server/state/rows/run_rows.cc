#include "server/state/rows/run_rows.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "firekeeper/store/v1/run_rows.pb.h"

namespace firekeeper::server {
namespace {

namespace rows = store::v1;

constexpr char kHeader = 'r';
constexpr char kLayer = 'l';
constexpr char kCounters = 'c';
constexpr char kMark = 'm';
constexpr char kShares = 's';

absl::Status Broken(const std::string& what) {
  return absl::DataLossError(absl::StrCat("row of a run: ", what));
}

// The byte order of keys is that of the numbers.
std::string NumberedKey(char kind, std::uint32_t number) {
  std::string key(1, kind);
  for (int shift = 24; shift >= 0; shift -= 8) {
    key.push_back(static_cast<char>((number >> shift) & 0xFFU));
  }
  return key;
}

template <typename Row>
absl::Status Parse(std::string_view bytes, Row* row) {
  if (row->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::OkStatus();
  }
  return Broken(absl::StrCat("not a ", row->GetTypeName()));
}

absl::Time FromNanos(std::int64_t nanos) { return absl::FromUnixNanos(nanos); }

absl::Status CheckAttempts(const RunRecord& record) {
  for (const AttemptRecord& attempt : record.attempts) {
    if (attempt.resume_step < 0) return Broken("resume_step is negative");
    if (attempt.source_count == 0) return Broken("source_count is 0");
  }
  return absl::OkStatus();
}

}  // namespace

std::string Encode(const RunRecord& record) {
  rows::RunRow row;
  row.set_tenant(record.tenant);
  row.set_run_id(record.run_id);
  row.set_first_seen_nanos(absl::ToUnixNanos(record.first_seen));
  if (record.ended != absl::InfiniteFuture()) {
    row.set_ended_nanos(absl::ToUnixNanos(record.ended));
  }
  row.mutable_labels()->insert(record.labels.begin(), record.labels.end());
  row.set_remedy_of(record.remedy_of);
  for (const AttemptRecord& attempt : record.attempts) {
    rows::AttemptRow& one = *row.add_attempts();
    one.set_launch_token(attempt.launch_token);
    one.set_resume_step(attempt.resume_step);
    one.set_source_count(attempt.source_count);
    one.set_started_nanos(absl::ToUnixNanos(attempt.started));
    one.set_sources_opened(attempt.sources_opened);
    one.set_dead_units(attempt.dead.count);
    one.set_units(attempt.dead.total);
  }
  return row.SerializeAsString();
}

absl::StatusOr<RunRecord> DecodeRun(std::string_view bytes) {
  rows::RunRow row;
  if (absl::Status parsed = Parse(bytes, &row); !parsed.ok()) return parsed;
  RunRecord record;
  record.tenant = row.tenant();
  record.run_id = row.run_id();
  record.first_seen = FromNanos(row.first_seen_nanos());
  if (row.has_ended_nanos()) record.ended = FromNanos(row.ended_nanos());
  record.labels.insert(row.labels().begin(), row.labels().end());
  record.remedy_of = row.remedy_of();
  for (const rows::AttemptRow& one : row.attempts()) {
    record.attempts.push_back(
        {.launch_token = one.launch_token(),
         .resume_step = one.resume_step(),
         .source_count = one.source_count(),
         .started = FromNanos(one.started_nanos()),
         .sources_opened = one.sources_opened(),
         .dead = {.count = one.dead_units(), .total = one.units()}});
  }
  if (record.run_id.empty()) return Broken("run_id is empty");
  if (record.attempts.empty()) return Broken("there is no attempt");
  if (absl::Status sound = CheckAttempts(record); !sound.ok()) return sound;
  return record;
}

std::string Encode(const LayerSpec& spec) {
  rows::LayerRow row;
  row.set_name(spec.name);
  row.set_kind(spec.kind);
  row.set_activation(static_cast<int>(spec.activation.kind));
  row.set_negative_slope(spec.activation.negative_slope);
  row.set_alpha(spec.activation.alpha);
  row.set_unit_count(spec.unit_count);
  row.set_fan_in(spec.fan_in);
  row.set_input_unit_count(spec.input_unit_count);
  row.set_order(spec.order);
  for (const std::string& input : spec.inputs) row.add_inputs(input);
  row.set_norm_before(spec.norm_before);
  row.set_residual(spec.residual);
  row.set_is_output(spec.is_output);
  return row.SerializeAsString();
}

absl::StatusOr<LayerSpec> DecodeLayer(std::string_view bytes) {
  rows::LayerRow row;
  if (absl::Status parsed = Parse(bytes, &row); !parsed.ok()) return parsed;
  // Beyond what any limit of the server allows.
  constexpr core::Index kMostUnits = core::Index{1} << 40;
  if (row.name().empty()) return Broken("name is empty");
  if (row.unit_count() <= 0 || row.unit_count() > kMostUnits) {
    return Broken(absl::StrCat("unit_count is ", row.unit_count()));
  }
  if (row.input_unit_count() < 0 || row.input_unit_count() > kMostUnits) {
    return Broken(absl::StrCat("input_unit_count is ", row.input_unit_count()));
  }
  if (row.activation() < 0 ||
      row.activation() > static_cast<int>(core::Activation::kSparseLatents)) {
    return Broken(absl::StrCat("activation is ", row.activation()));
  }
  LayerSpec spec;
  spec.name = row.name();
  spec.kind = row.kind();
  spec.activation = {.kind = static_cast<core::Activation>(row.activation()),
                     .negative_slope = row.negative_slope(),
                     .alpha = row.alpha()};
  spec.unit_count = row.unit_count();
  spec.fan_in = row.fan_in();
  spec.input_unit_count = row.input_unit_count();
  spec.order = row.order();
  spec.inputs.assign(row.inputs().begin(), row.inputs().end());
  spec.norm_before = row.norm_before();
  spec.residual = row.residual();
  spec.is_output = row.is_output();
  return spec;
}

std::string Encode(const SourceRecord& record) {
  rows::SourceRow row;
  row.set_attempt(record.attempt);
  row.set_instance_id(record.instance_id);
  row.set_incarnation(record.incarnation);
  row.set_accepted_seq(record.accepted_seq);
  row.set_complete_through_step(record.complete_through_step);
  row.set_last_step(record.last_step);
  row.set_closed(record.closed);
  return row.SerializeAsString();
}

absl::StatusOr<SourceRecord> DecodeSource(std::string_view bytes) {
  rows::SourceRow row;
  if (absl::Status parsed = Parse(bytes, &row); !parsed.ok()) return parsed;
  return SourceRecord{.attempt = row.attempt(),
                      .instance_id = row.instance_id(),
                      .incarnation = row.incarnation(),
                      .accepted_seq = row.accepted_seq(),
                      .complete_through_step = row.complete_through_step(),
                      .last_step = row.last_step(),
                      .closed = row.closed()};
}

std::string Encode(const SharesRecord& record) {
  rows::SharesRow row;
  row.set_attempt(record.attempt);
  for (const auto& [layer, share] : record.shares) {
    rows::ShareRow& one = *row.add_shares();
    one.set_layer(layer);
    one.set_first_unit(share.first_unit);
    one.set_unit_count(share.unit_count);
    one.set_data_shard(share.data_shard);
    one.set_data_shards(share.data_shards);
    one.set_cluster_split(share.cluster_split);
  }
  return row.SerializeAsString();
}

absl::StatusOr<SharesRecord> DecodeShares(std::string_view bytes) {
  rows::SharesRow row;
  if (absl::Status parsed = Parse(bytes, &row); !parsed.ok()) return parsed;
  SharesRecord record{.attempt = row.attempt(), .shares = {}};
  for (const rows::ShareRow& one : row.shares()) {
    if (one.first_unit() < 0 || one.unit_count() <= 0) {
      return Broken(absl::StrCat("share has ", one.unit_count(), " units from ",
                                 one.first_unit()));
    }
    record.shares.emplace_back(
        one.layer(), LayerShare{.first_unit = one.first_unit(),
                                .unit_count = one.unit_count(),
                                .data_shard = one.data_shard(),
                                .data_shards = one.data_shards(),
                                .cluster_split = one.cluster_split()});
  }
  return record;
}

std::string Encode(const CountersRecord& record) {
  rows::CountersRow row;
  row.set_accepted(record.counters.accepted);
  row.set_duplicate(record.counters.duplicate);
  row.set_conflicting(record.counters.conflicting);
  row.set_copies(record.counters.copies);
  row.set_rejected(record.counters.rejected);
  row.set_gap(record.counters.gap);
  row.set_fenced(record.counters.fenced);
  row.set_payload_bytes(record.counters.payload_bytes);
  row.set_last_seen_nanos(absl::ToUnixNanos(record.last_seen));
  row.set_last_step(record.last_step);
  row.set_closed_before(record.closed_before);
  return row.SerializeAsString();
}

absl::StatusOr<CountersRecord> DecodeCounters(std::string_view bytes) {
  rows::CountersRow row;
  if (absl::Status parsed = Parse(bytes, &row); !parsed.ok()) return parsed;
  return CountersRecord{.counters = {.accepted = row.accepted(),
                                     .duplicate = row.duplicate(),
                                     .conflicting = row.conflicting(),
                                     .copies = row.copies(),
                                     .rejected = row.rejected(),
                                     .gap = row.gap(),
                                     .fenced = row.fenced(),
                                     .payload_bytes = row.payload_bytes()},
                        .last_seen = FromNanos(row.last_seen_nanos()),
                        .last_step = row.last_step(),
                        .closed_before = row.closed_before()};
}

std::string Encode(const ScalarRecord& record) {
  rows::ScalarRow row;
  row.set_step(record.step);
  row.set_value(record.value);
  for (const auto& [step, value] : record.history) {
    row.add_history_steps(step);
    row.add_history_values(value);
  }
  return row.SerializeAsString();
}

absl::StatusOr<ScalarRecord> DecodeScalar(std::string_view bytes) {
  rows::ScalarRow row;
  if (absl::Status parsed = Parse(bytes, &row); !parsed.ok()) return parsed;
  if (row.history_steps_size() != row.history_values_size()) {
    return Broken(absl::StrCat("scalar has ", row.history_steps_size(),
                               " steps and ", row.history_values_size(),
                               " values"));
  }
  ScalarRecord record{.step = row.step(), .value = row.value(), .history = {}};
  for (int i = 0; i < row.history_steps_size(); ++i) {
    if (row.history_steps(i) < 0) return Broken("scalar has a negative step");
    record.history.emplace_back(row.history_steps(i), row.history_values(i));
  }
  return record;
}

std::string RunHeaderKey() { return NumberedKey(kHeader, 0); }
std::string LayerKey(std::uint32_t layer) { return NumberedKey(kLayer, layer); }
std::string CountersKey() { return NumberedKey(kCounters, 0); }
std::string SourceKey(std::uint32_t source) {
  return NumberedKey(kMark, source);
}
std::string SharesKey(std::uint32_t source) {
  return NumberedKey(kShares, source);
}

absl::StatusOr<RunKeyParts> ParseRunKey(std::string_view key) {
  if (key.size() != 5) {
    return Broken(absl::StrCat("key of ", key.size(), " bytes"));
  }
  RunKeyParts parts{.kind = key[0], .number = 0};
  for (std::size_t i = 1; i < key.size(); ++i) {
    parts.number = (parts.number << 8) | static_cast<unsigned char>(key[i]);
  }
  return parts;
}

}  // namespace firekeeper::server
