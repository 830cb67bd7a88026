// What the store has of a run: written as it changes, read at a restart.

#include <algorithm>
#include <utility>

#include "server/state/event_units.h"
#include "server/state/rows/event_rows.h"
#include "server/state/rows/run_rows.h"
#include "server/state/run.h"
#include "server/state/run_parts.h"

namespace firekeeper::server {
namespace {

// The newest events that keep what the units of their layer were.
constexpr std::uint64_t kEventsWithUnits = 512;

}  // namespace

void Run::PutRun(WriteBatch* batch) const {
  if (!place_.journal.keeps()) return;
  RunRecord record{.tenant = tenant_,
                   .run_id = run_id_,
                   .first_seen = facts_.first_seen,
                   .ended = facts_.ended,
                   .labels = facts_.labels,
                   .remedy_of = facts_.remedy_of,
                   .attempts = {}};
  for (const auto& attempt : attempts_) {
    record.attempts.push_back({.launch_token = attempt->launch_token,
                               .resume_step = attempt->resume_step,
                               .source_count = attempt->source_count,
                               .started = attempt->started,
                               .sources_opened = attempt->sources_opened,
                               .dead = attempt->dead});
  }
  batch->Put(Table::kRun, place_.number, RunHeaderKey(), Encode(record));
}

void Run::PutSource(std::uint32_t number, const Source& source,
                    WriteBatch* batch) const {
  if (!place_.journal.keeps()) return;
  batch->Put(
      Table::kMark, place_.number, SourceKey(number),
      Encode(SourceRecord{.attempt = attempts_.back()->number,
                          .instance_id = source.instance_id,
                          .incarnation = source.incarnation,
                          .accepted_seq = source.accepted_seq,
                          .complete_through_step = source.complete_through_step,
                          .last_step = source.last_step,
                          .closed = source.closed}));
  PutCounters(batch);
}

void Run::PutCounters(WriteBatch* batch) const {
  if (!place_.journal.keeps()) return;
  batch->Put(Table::kMark, place_.number, CountersKey(),
             Encode(CountersRecord{.counters = facts_.counters,
                                   .last_seen = facts_.last_seen,
                                   .last_step = facts_.last_step,
                                   .closed_before = closed_before_}));
}

void Run::PutScalars(WriteBatch* batch) {
  for (const std::string& name : std::exchange(changed_scalars_, {})) {
    if (!place_.journal.keeps()) continue;
    ScalarRecord record{.step = scalar_steps_.at(name),
                        .value = facts_.scalars.at(name),
                        .history = {}};
    const auto history = scalar_history_.find(name);
    if (history != scalar_history_.end()) {
      record.history = history->second.Values();
    }
    batch->Put(Table::kScalar, place_.number, name, Encode(record));
  }
}

Ticket Run::KeepMark(std::uint32_t number, Source* source, std::uint64_t seq) {
  source->accepted_seq = seq;
  if (!place_.journal.keeps()) {
    source->durable_seq = seq;
    return 0;
  }
  source->Settle(place_.journal.committed());
  WriteBatch batch;
  PutSource(number, *source, &batch);
  source->ticket = place_.journal.Add(std::move(batch));
  source->waiting.emplace_back(seq, source->ticket);
  return source->ticket;
}

void Run::PutEvents() {
  if (!place_.journal.keeps()) return;
  WriteBatch batch;
  std::uint64_t newest = kept_events_;
  const auto events = events_.After(kept_events_, limits_.max_events_per_run);
  for (const RunEvent& event : events) {
    batch.Put(Table::kEvent, place_.number, EventKey(event.event_id),
              EncodeEvent(event));
    newest = event.event_id;
  }
  PutUnitsOf(events, &batch);
  if (newest > limits_.max_events_per_run) {
    batch.EraseRange(Table::kEvent, place_.number, EventKey(0),
                     EventKey(newest - limits_.max_events_per_run + 1));
  }
  // Also without an event: an alarm may end, or become less grave, in silence.
  if (std::string encoded = assessment_.Encode(); encoded != kept_assessment_) {
    kept_assessment_ = encoded;
    batch.Put(Table::kAssessment, place_.number, {}, std::move(encoded));
  }
  kept_events_ = newest;
  // Deleted meanwhile: its number may be another run's after a restart.
  const absl::MutexLock lock(&mutex_);
  if (!deleted_) place_.journal.Add(std::move(batch));
}

void Run::PutUnitsOf(const std::vector<RunEvent>& events,
                     WriteBatch* batch) const {
  const bool any = std::ranges::any_of(
      events, [](const RunEvent& event) { return !event.layer.empty(); });
  if (!any) return;
  const RunFacts facts = Facts();
  for (const RunEvent& event : events) {
    const auto layer = FindLayer(event.layer);
    if (!layer) continue;
    PutEventUnits(*layer, facts, place_.number, event.event_id, batch);
  }
  const std::uint64_t newest = events.back().event_id;
  if (newest > kEventsWithUnits) {
    EraseEventUnits(place_.number, newest - kEventsWithUnits, batch);
  }
}

absl::Status Run::Restore(const StoredRun& stored, absl::Time now) {
  const absl::MutexLock assessing(&assess_mutex_);
  const absl::MutexLock lock(&mutex_);
  restored_ = now;
  RestoreFacts(stored, now);
  RestoreAttempts(stored, now);
  for (const auto& [number, spec] : stored.layers) {
    auto layer = std::make_shared<LayerState>(
        spec, settings_, memory_,
        LayerPlace{
            .journal = place_.journal, .run = place_.number, .layer = number});
    layer->Resume(attempts_.back()->number, attempts_.back()->resume_step);
    layer->SetClosedBefore(closed_before_);
    layers_[spec.name] = std::move(layer);
    facts_.unit_count += static_cast<std::uint64_t>(spec.unit_count);
  }
  facts_.layer_count = layers_.size();
  next_layer_ = stored.next_layer;
  RestoreShares(stored);
  for (const auto& [name, layer] : layers_) {
    layer->SetRunUnits(facts_.unit_count);
  }
  events_.Restore(stored.events);
  kept_events_ = stored.events.empty() ? 0 : stored.events.back().event_id;
  kept_assessment_ = stored.assessment;
  absl::Status restored = assessment_.Restore(stored.assessment);
  findings_ = assessment_.Findings();
  // The next sweep looks at it, also where no window closes any more.
  ++closings_;
  return restored;
}

void Run::RestoreFacts(const StoredRun& stored, absl::Time now) {
  facts_.labels = stored.run.labels;
  facts_.remedy_of = stored.run.remedy_of;
  facts_.first_seen = stored.run.first_seen;
  facts_.last_seen = std::min(now, stored.counters.last_seen);
  if (stored.run.ended != absl::InfiniteFuture()) {
    // The clock may have been set back.
    facts_.ended = std::min(stored.run.ended, now);
  }
  facts_.last_step = stored.counters.last_step;
  closed_before_ = stored.counters.closed_before;
  facts_.counters = stored.counters.counters;
  for (const auto& [name, scalar] : stored.scalars) {
    scalar_steps_[name] = scalar.step;
    facts_.scalars[name] = scalar.value;
    for (const auto& [step, value] : scalar.history) {
      KeepHistory(name, step, value);
    }
  }
}

void Run::RestoreAttempts(const StoredRun& stored, absl::Time now) {
  for (const AttemptRecord& record : stored.run.attempts) {
    auto attempt = std::make_unique<Attempt>();
    attempt->number = static_cast<std::uint32_t>(attempts_.size() + 1);
    attempt->launch_token = record.launch_token;
    attempt->resume_step = record.resume_step;
    attempt->source_count = record.source_count;
    attempt->started = record.started;
    attempt->sources_opened = record.sources_opened;
    attempt->dead = record.dead;
    attempts_.push_back(std::move(attempt));
  }
  Attempt& newest = *attempts_.back();
  for (const auto& [number, record] : stored.sources) {
    if (record.attempt != newest.number) continue;
    Source& source = newest.sources[number];
    source.instance_id = record.instance_id;
    source.incarnation = record.incarnation;
    source.accepted_seq = source.durable_seq = record.accepted_seq;
    source.complete_through_step = record.complete_through_step;
    source.last_step = record.last_step;
    source.closed = record.closed;
    // It was cut off by us and may be about to come back.
    source.last_heard = now;
    last_incarnation_ = std::max(last_incarnation_, record.incarnation);
  }
}

void Run::RestoreShares(const StoredRun& stored) {
  for (const auto& [source, record] : stored.shares) {
    if (record.attempt != attempts_.back()->number) continue;
    for (const auto& [number, share] : record.shares) {
      const auto spec = stored.layers.find(number);
      if (spec == stored.layers.end()) continue;
      layers_.at(spec->second.name)->Declare(source, share);
    }
  }
}

}  // namespace firekeeper::server
