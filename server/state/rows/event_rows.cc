#include "server/state/rows/event_rows.h"

#include "core/state_bytes.h"

namespace firekeeper::server {
namespace {

void PutText(const std::string& text, core::StateWriter* writer) {
  writer->Put(static_cast<std::uint64_t>(text.size()));
  writer->PutBytes(text.data(), text.size());
}

std::string GetText(core::StateReader* reader) {
  const std::size_t size = reader->GetSize(1);
  const char* const text = reader->Next(size);
  return text == nullptr ? std::string() : std::string(text, size);
}

}  // namespace

std::string EventKey(std::uint64_t event_id) {
  std::string key;
  for (int shift = 56; shift >= 0; shift -= 8) {
    key.push_back(static_cast<char>((event_id >> shift) & 0xFFU));
  }
  return key;
}

std::string EncodeEvent(const RunEvent& event) {
  core::StateWriter writer;
  writer.Put(event.event_id);
  writer.Put(static_cast<std::uint8_t>(event.kind));
  writer.Put(static_cast<std::uint8_t>(event.severity));
  PutText(event.layer, &writer);
  writer.Put(event.step);
  writer.Put(absl::ToUnixNanos(event.time));
  PutText(event.message, &writer);
  writer.Put(event.unit_count);
  writer.Put(static_cast<std::uint8_t>(
      event.cause.has_value() ? static_cast<int>(*event.cause) : 0));
  return writer.Take();
}

absl::StatusOr<RunEvent> DecodeEvent(std::string_view bytes) {
  core::StateReader reader(bytes);
  RunEvent event;
  reader.Get(&event.event_id);
  const auto kind = reader.Get<std::uint8_t>();
  const auto severity = reader.Get<std::uint8_t>();
  event.layer = GetText(&reader);
  reader.Get(&event.step);
  event.time = absl::FromUnixNanos(reader.Get<std::int64_t>());
  event.message = GetText(&reader);
  reader.Get(&event.unit_count);
  const auto cause = reader.Get<std::uint8_t>();
  if (kind < static_cast<int>(core::EventKind::kUnitsDied) ||
      kind > static_cast<int>(core::EventKind::kFindingCleared) ||
      severity < static_cast<int>(core::EventSeverity::kInfo) ||
      severity > static_cast<int>(core::EventSeverity::kCritical) ||
      cause > core::kCauseCount) {
    reader.Fail();
  }
  if (absl::Status read = reader.Finish("event"); !read.ok()) return read;
  event.kind = static_cast<core::EventKind>(kind);
  event.severity = static_cast<core::EventSeverity>(severity);
  if (cause != 0) event.cause = static_cast<core::Cause>(cause);
  return event;
}

}  // namespace firekeeper::server
