// Records of units and of alarms as bytes and back.

#include <memory>
#include <utility>

#include "core/layer_alarm.h"
#include "core/life_book.h"
#include "core/row_record.h"
#include "core/state_bytes.h"

namespace firekeeper::core {
namespace {

constexpr std::uint8_t kDead = 1;
constexpr std::uint8_t kSeen = 2;
constexpr std::uint8_t kBornSilent = 4;

void PutLife(const UnitLife& life, StateWriter* writer) {
  for (const std::uint32_t number :
       {life.fired, life.death_after, life.death_by, life.revived,
        life.clusters_fired, life.linear_since}) {
    writer->Put(number);
  }
  writer->Put(life.deaths);
  writer->Put(life.revivals);
  writer->Put(life.level);
  writer->Put(life.linear);
  writer->Put(static_cast<std::uint8_t>((life.dead ? kDead : 0) |
                                        (life.seen ? kSeen : 0) |
                                        (life.born_silent ? kBornSilent : 0)));
}

UnitLife GetLife(StateReader* reader) {
  UnitLife life;
  for (std::uint32_t* number :
       {&life.fired, &life.death_after, &life.death_by, &life.revived,
        &life.clusters_fired, &life.linear_since}) {
    reader->Get(number);
  }
  reader->Get(&life.deaths);
  reader->Get(&life.revivals);
  reader->Get(&life.level);
  reader->Get(&life.linear);
  const auto flags = reader->Get<std::uint8_t>();
  life.dead = (flags & kDead) != 0;
  life.seen = (flags & kSeen) != 0;
  life.born_silent = (flags & kBornSilent) != 0;
  return life;
}

}  // namespace

void LifeBook::Write(StateWriter* writer) const {
  writer->Put(folded_before_);
  writer->Put(static_cast<std::uint64_t>(lives_->size()));
  for (const UnitLife& life : *lives_) PutLife(life, writer);
}

void LifeBook::Read(StateReader* reader) {
  reader->Get(&folded_before_);
  constexpr std::size_t kLifeBytes = 31;
  if (reader->GetSize(kLifeBytes) != lives_->size()) return reader->Fail();
  for (UnitLife& life : Writable()) life = GetLife(reader);
}

void RowRecord::Write(StateWriter* writer) const {
  writer->Put(static_cast<std::uint8_t>(first_ ? 1 : 0));
  if (first_) writer->Put(*first_);
  writer->Put(first_step_);
  writer->Put(seen_through_);
  writer->Put(changed_from_);
}

void RowRecord::Read(StateReader* reader, const ColumnSet& columns) {
  const Index units = changed_from_.size();
  first_ = nullptr;
  if (reader->GetBool()) {
    first_ =
        std::make_shared<const UnitSummary>(reader->GetSummary(units, columns));
  }
  reader->Get(&first_step_);
  reader->Get(&seen_through_);
  changed_from_ = reader->GetStepArray(units);
}

void LayerAlarm::Write(StateWriter* writer) const {
  writer->Put(static_cast<std::uint8_t>(level_));
  writer->Put(deaths_);
  writer->Put(revivals_);
  writer->Put(static_cast<std::uint8_t>(non_finite_ ? 1 : 0));
  writer->Put(static_cast<std::uint8_t>(no_data_ ? 1 : 0));
}

void LayerAlarm::Read(StateReader* reader) {
  const auto level = reader->Get<std::uint8_t>();
  if (level > static_cast<std::uint8_t>(Level::kCollapsed)) reader->Fail();
  level_ = reader->ok() ? static_cast<Level>(level) : Level::kQuiet;
  reader->Get(&deaths_);
  reader->Get(&revivals_);
  non_finite_ = reader->GetBool();
  no_data_ = reader->GetBool();
}

}  // namespace firekeeper::core
