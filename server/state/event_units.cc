#include "server/state/event_units.h"

#include <zlib.h>

#include <new>
#include <utility>

#include "core/state_bytes.h"
#include "server/state/rows/event_rows.h"

namespace firekeeper::server {
namespace {

// Of a unit before compression.
constexpr std::size_t kUnitBytes = 1 + 2 + 9 * 8 + 2 * 4;
constexpr std::int64_t kNone = -1;

// Column by column: that is what a compressor likes.
template <typename Units, typename Visit>
void VisitColumns(Units& units, const Visit& visit) {
  const auto column = [&](const auto& field) {
    for (auto& unit : units) visit(field(unit));
  };
  column([](auto& unit) -> auto& { return unit.last_firing_step; });
  column([](auto& unit) -> auto& { return unit.first_seen_step; });
  column([](auto& unit) -> auto& { return unit.horizon_observations; });
  column([](auto& unit) -> auto& { return unit.horizon_clusters; });
  column([](auto& unit) -> auto& { return unit.horizon_firings; });
  column([](auto& unit) -> auto& { return unit.horizon_non_finite; });
  column([](auto& unit) -> auto& { return unit.health.silent_observations; });
  column([](auto& unit) -> auto& { return unit.health.silent_clusters; });
  column([](auto& unit) -> auto& { return unit.health.deaths; });
  column([](auto& unit) -> auto& { return unit.health.revivals; });
}

std::uint16_t AlsoBits(const UnitView& unit) {
  unsigned bits = 0;
  for (std::size_t state = 1; state < kHealthStateCount; ++state) {
    const bool holds =
        unit.health.also.Has(static_cast<core::HealthState>(state));
    bits |= static_cast<unsigned>(holds) << state;
  }
  return static_cast<std::uint16_t>(bits);
}

core::StateSet AlsoOf(std::uint16_t bits) {
  core::StateSet also;
  for (std::size_t state = 1; state < kHealthStateCount; ++state) {
    if (((static_cast<unsigned>(bits) >> state) & 1U) == 0) continue;
    also.Add(static_cast<core::HealthState>(state));
  }
  return also;
}

absl::Status Damaged() {
  return absl::DataLossError("units of an event: a row is damaged");
}

// The rows of one event stand together, in order of their first unit.
std::string KeyOf(std::uint64_t event_id, std::uint64_t first_unit) {
  return EventKey(event_id) + EventKey(first_unit);
}

}  // namespace

std::string EncodeEventUnits(const std::vector<UnitView>& units) {
  core::StateWriter columns;
  for (const UnitView& unit : units) {
    columns.Put(static_cast<std::uint8_t>(unit.health.state));
  }
  for (const UnitView& unit : units) columns.Put(AlsoBits(unit));
  for (const UnitView& unit : units) {
    columns.Put(unit.health.certified_step.value_or(kNone));
  }
  VisitColumns(units, [&](const auto& value) { columns.Put(value); });

  const std::string& plain = columns.bytes();
  uLongf size = compressBound(plain.size());
  std::string packed(size, '\0');
  // Fails for want of memory only, as any allocation.
  if (compress(reinterpret_cast<Bytef*>(packed.data()), &size,
               reinterpret_cast<const Bytef*>(plain.data()),
               plain.size()) != Z_OK) {
    throw std::bad_alloc();
  }
  packed.resize(size);
  core::StateWriter row;
  row.Put(units.empty() ? std::uint64_t{0} : units.front().unit);
  row.Put(static_cast<std::uint32_t>(units.size()));
  row.PutBytes(packed.data(), packed.size());
  return row.Take();
}

absl::StatusOr<std::vector<UnitView>> DecodeEventUnits(std::string_view bytes) {
  core::StateReader row(bytes);
  const auto first = row.Get<std::uint64_t>();
  const auto count = row.Get<std::uint32_t>();
  if (!row.ok() || count > kEventUnitsPerRow) return Damaged();
  constexpr std::size_t kHeader = sizeof first + sizeof count;
  const std::string_view packed = bytes.substr(kHeader);
  std::string plain(count * kUnitBytes, '\0');
  uLongf size = plain.size();
  if (uncompress(reinterpret_cast<Bytef*>(plain.data()), &size,
                 reinterpret_cast<const Bytef*>(packed.data()),
                 packed.size()) != Z_OK ||
      size != plain.size()) {
    return Damaged();
  }
  core::StateReader columns(plain);
  std::vector<UnitView> units(count);
  for (std::size_t i = 0; i < units.size(); ++i) {
    units[i].unit = first + i;
    const auto state = columns.Get<std::uint8_t>();
    if (state == 0 || state >= kHealthStateCount) return Damaged();
    units[i].health.state = static_cast<core::HealthState>(state);
  }
  for (UnitView& unit : units) {
    unit.health.also = AlsoOf(columns.Get<std::uint16_t>());
  }
  for (UnitView& unit : units) {
    const auto step = columns.Get<std::int64_t>();
    if (step != kNone) unit.health.certified_step = step;
  }
  VisitColumns(units, [&](auto& value) { columns.Get(&value); });
  if (absl::Status read = columns.Finish("units of an event"); !read.ok()) {
    return read;
  }
  return units;
}

void PutEventUnits(LayerState& layer, const RunFacts& facts, std::uint64_t run,
                   std::uint64_t event_id, WriteBatch* batch) {
  std::uint64_t first = 0;
  while (true) {
    const UnitPage page = layer.Units(facts, {}, first, kEventUnitsPerRow);
    if (page.units.empty()) return;
    batch->Put(Table::kEventUnits, run, KeyOf(event_id, first),
               EncodeEventUnits(page.units));
    first = page.units.back().unit + 1;
  }
}

void EraseEventUnits(std::uint64_t run, std::uint64_t last, WriteBatch* batch) {
  batch->EraseRange(Table::kEventUnits, run, KeyOf(0, 0), KeyOf(last + 1, 0));
}

absl::Status ReadEventUnits(
    Store& store, std::uint64_t run, std::uint64_t event_id,
    const std::function<void(const UnitView& unit)>& visit) {
  absl::Status decoded;
  std::vector<std::string> corrupt;
  const absl::Status read = store.Read(
      Table::kEventUnits, run, KeyOf(event_id, 0), KeyOf(event_id + 1, 0),
      [&](const RowView& row) {
        if (!decoded.ok()) return;
        const auto units = DecodeEventUnits(row.value);
        decoded = units.status();
        if (!units.ok()) return;
        for (const UnitView& unit : *units) visit(unit);
      },
      &corrupt);
  if (!read.ok()) return absl::UnavailableError(read.message());
  return corrupt.empty() ? decoded : Damaged();
}

}  // namespace firekeeper::server
