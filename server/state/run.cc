#include "server/state/run.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/failpoint.h"
#include "server/state/rows/run_rows.h"
#include "server/state/run_parts.h"

namespace firekeeper::server {
namespace {

constexpr const char* kTakenOver =
    "a newer attempt or stream of this source has taken over";

absl::Status FencedError(const std::string& reason) {
  return Refusal(absl::StatusCode::kAborted, "FENCED", reason);
}

absl::Status DeletedError() {
  return Refusal(absl::StatusCode::kNotFound, "RUN_DELETED",
                 "the run was deleted");
}

}  // namespace

// One more than the rest of the code allows itself: all come from the registry.
// NOLINTNEXTLINE(readability-function-size)
Run::Run(std::string tenant, std::string run_id, const Limits& limits,
         const StateSettings& settings, MemoryBudget& memory,
         const RunPlace& place, absl::Time now)
    : tenant_(std::move(tenant)),
      run_id_(std::move(run_id)),
      place_(place),
      events_(limits.max_events_per_run),
      assessment_(settings.alarms, events_),
      limits_(limits),
      settings_(settings),
      memory_(memory) {
  facts_.tenant = tenant_;
  facts_.run_id = run_id_;
  facts_.first_seen = now;
  facts_.last_seen = now;
}

Run::~Run() = default;

absl::StatusOr<OpenResult> Run::Open(const OpenRequest& request,
                                     FenceFunction on_fenced, absl::Time now) {
  Fenced fenced;
  OpenResult result;
  {
    const absl::MutexLock lock(&mutex_);
    if (deleted_) return DeletedError();
    const auto found = FindAttempt(request);
    if (!found.ok()) return found.status();
    if (absl::Status status = CheckLayers(request, *found); !status.ok()) {
      return status;
    }
    // Together, so that a restart finds all of the attempt or nothing.
    WriteBatch batch;
    Attempt* attempt = *found != nullptr
                           ? *found
                           : BeginAttempt(request, now, &fenced, &batch);
    Failpoint("open.attempt");
    auto layers = DeclareLayers(request, *attempt, &batch);
    result = Connect(request, std::move(on_fenced), now, &fenced);
    result.layers = std::move(layers);
    facts_.ended = absl::InfiniteFuture();
    events_.Reopen();
    facts_.counters.fenced += fenced.size();
    if (place_.journal.keeps()) {
      PutRun(&batch);
      PutSource(request.source, attempt->sources.at(request.source), &batch);
      place_.journal.Add(std::move(batch));
    }
  }
  for (const FenceFunction& fence : fenced) fence(kTakenOver);
  return result;
}

OpenResult Run::Connect(const OpenRequest& request, FenceFunction on_fenced,
                        absl::Time now, Fenced* fenced) {
  Attempt& attempt = *attempts_.back();
  Source& source = attempt.sources[request.source];
  attempt.sources_opened = static_cast<std::uint32_t>(attempt.sources.size());
  if (source.connected) fenced->push_back(std::move(source.on_fenced));
  if (source.instance_id != request.instance_id) {
    source = Source();
    source.instance_id = request.instance_id;
  }
  source.incarnation = ++last_incarnation_;
  source.connected = true;
  source.closed = false;
  source.on_fenced = std::move(on_fenced);
  Heard(&source, now);
  source.Settle(place_.journal.committed());
  return {.handle = {.attempt = attempt.number,
                     .source = request.source,
                     .incarnation = source.incarnation},
          .accepted_seq = source.accepted_seq,
          .durable_seq = source.durable_seq,
          .ticket = source.ticket,
          .layers = {}};
}

absl::StatusOr<Run::Attempt*> Run::FindAttempt(const OpenRequest& request) {
  const auto found = std::ranges::find_if(attempts_, [&](const auto& attempt) {
    return attempt->launch_token == request.launch_token;
  });
  if (found == attempts_.end()) {
    if (attempts_.size() < limits_.max_attempts_per_run) return nullptr;
    return LimitError("launch_token",
                      absl::StrCat("the run has had ", attempts_.size(),
                                   " attempts, the most allowed"));
  }
  Attempt* attempt = found->get();
  if (attempt != attempts_.back().get()) {
    ++facts_.counters.fenced;
    return FencedError(absl::StrCat("attempt ", attempt->number,
                                    " of this launch token was superseded by ",
                                    "attempt ", attempts_.back()->number));
  }
  if (attempt->source_count != request.source_count) {
    return FieldError("source_count", absl::StrCat(request.source_count,
                                                   "; this attempt began with ",
                                                   attempt->source_count));
  }
  if (attempt->resume_step != request.resume_step) {
    return FieldError("resume_step", absl::StrCat(request.resume_step,
                                                  "; this attempt began with ",
                                                  attempt->resume_step));
  }
  return attempt;
}

absl::Status Run::CheckLayers(const OpenRequest& request,
                              const Attempt* attempt) const {
  std::size_t layers = layers_.size();
  std::uint64_t units = facts_.unit_count;
  for (std::size_t i = 0; i < request.layers.size(); ++i) {
    const auto& [spec, share] = request.layers[i];
    const std::string prefix = absl::StrCat("layers[", i, "].");
    const auto known = layers_.find(spec.name);
    if (known == layers_.end()) {
      ++layers;
      units += static_cast<std::uint64_t>(spec.unit_count);
      continue;
    }
    if (known->second->spec() != spec) {
      return FieldError(
          absl::StrCat("layers[", i, "]"),
          absl::StrCat("layer \"", spec.name,
                       "\" was declared otherwise before ",
                       "in this run; a changed model needs another run_id"));
    }
    if (attempt == nullptr) continue;
    const absl::Status status =
        known->second->CheckShare(attempt->number, request.source, share);
    if (!status.ok()) return WithFieldPrefix(status, prefix);
  }
  if (layers > limits_.max_layers_per_run) {
    return LimitError("layers", absl::StrCat("the run would have ", layers,
                                             " layers; at most ",
                                             limits_.max_layers_per_run));
  }
  if (units > limits_.max_units_per_run) {
    return LimitError(
        "layers", absl::StrCat("the run would have ", units, " units; at most ",
                               limits_.max_units_per_run));
  }
  return absl::OkStatus();
}

Run::Attempt* Run::BeginAttempt(const OpenRequest& request, absl::Time now,
                                Fenced* fenced, WriteBatch* batch) {
  if (!attempts_.empty()) {
    for (auto& [number, source] : attempts_.back()->sources) {
      if (source.connected) fenced->push_back(std::move(source.on_fenced));
    }
    attempts_.back()->sources.clear();
    attempts_.back()->dead = assessed_.glance.dead;
    batch->EraseRange(Table::kMark, place_.number, SourceKey(0), {});
    ++closings_;
  } else {
    facts_.labels = request.labels;
    facts_.remedy_of = request.remedy_of;
  }
  auto attempt = std::make_unique<Attempt>();
  attempt->number = static_cast<std::uint32_t>(attempts_.size() + 1);
  attempt->launch_token = request.launch_token;
  attempt->resume_step = request.resume_step;
  attempt->source_count = request.source_count;
  attempt->started = now;
  attempts_.push_back(std::move(attempt));
  for (auto& [name, layer] : layers_) {
    layer->BeginAttempt(attempts_.back()->number, request.resume_step, batch);
  }
  // The attempt takes these steps anew, so its values are the newer ones.
  for (auto& [name, step] : scalar_steps_) {
    step = std::min(step, request.resume_step - 1);
  }
  for (auto& [name, history] : scalar_history_) {
    history.EraseFrom(request.resume_step);
  }
  for (const auto& [name, step] : scalar_steps_) changed_scalars_.insert(name);
  PutScalars(batch);
  facts_.last_step = -1;
  closed_before_ = std::min(closed_before_, request.resume_step);
  return attempts_.back().get();
}

LayerList Run::DeclareLayers(const OpenRequest& request, const Attempt& attempt,
                             WriteBatch* batch) {
  LayerList layers;
  layers.reserve(request.layers.size());
  SharesRecord held{.attempt = attempt.number, .shares = {}};
  for (const auto& [spec, share] : request.layers) {
    std::shared_ptr<LayerState>& layer = layers_[spec.name];
    if (!layer) {
      const std::uint32_t number = next_layer_++;
      layer = std::make_shared<LayerState>(spec, settings_, memory_,
                                           LayerPlace{.journal = place_.journal,
                                                      .run = place_.number,
                                                      .layer = number});
      layer->BeginAttempt(attempt.number, attempt.resume_step, batch);
      layer->SetClosedBefore(closed_before_);
      facts_.unit_count += static_cast<std::uint64_t>(spec.unit_count);
      batch->Put(Table::kRun, place_.number, LayerKey(number), Encode(spec));
    }
    layer->Declare(request.source, share);
    held.shares.emplace_back(layer->number(), share);
    layers.push_back(layer);
  }
  batch->Put(Table::kMark, place_.number, SharesKey(request.source),
             Encode(held));
  facts_.layer_count = layers_.size();
  for (const auto& [name, layer] : layers_) {
    layer->SetRunUnits(facts_.unit_count);
  }
  return layers;
}

absl::StatusOr<Run::Source*> Run::FindSource(const SourceHandle& handle) {
  if (deleted_) return DeletedError();
  assert(handle.attempt >= 1 && handle.attempt <= attempts_.size());
  Attempt& newest = *attempts_.back();
  const auto source = newest.sources.find(handle.source);
  if (handle.attempt != newest.number || source == newest.sources.end() ||
      source->second.incarnation != handle.incarnation) {
    return FencedError(kTakenOver);
  }
  return &source->second;
}

void Run::Heard(Source* source, absl::Time now) {
  source->last_heard = now;
  facts_.last_seen = std::max(facts_.last_seen, now);
}

absl::Status Run::Receive(const SourceHandle& handle,
                          std::uint64_t payload_bytes, absl::Time now) {
  const absl::MutexLock lock(&mutex_);
  const auto source = FindSource(handle);
  if (!source.ok()) return source.status();
  facts_.counters.payload_bytes += payload_bytes;
  Heard(*source, now);
  return absl::OkStatus();
}

absl::StatusOr<Ticket> Run::Accept(const SourceHandle& handle,
                                   const AcceptedSnapshot& snapshot,
                                   absl::Time now) {
  const absl::MutexLock lock(&mutex_);
  const auto source = FindSource(handle);
  if (!source.ok()) return source.status();
  assert(snapshot.seq == (*source)->accepted_seq + 1);
  (*source)->last_step = std::max((*source)->last_step, snapshot.step);
  facts_.last_step = std::max(facts_.last_step, snapshot.step);
  Heard(*source, now);
  Count(snapshot);
  return KeepMark(handle.source, *source, snapshot.seq);
}

void Run::Count(const AcceptedSnapshot& snapshot) {
  if (!snapshot.outcome.has_value()) {
    ++facts_.counters.rejected;
    return;
  }
  switch (*snapshot.outcome) {
    case core::MergeOutcome::kMerged:
      ++facts_.counters.accepted;
      break;
    case core::MergeOutcome::kDuplicate:
      ++facts_.counters.duplicate;
      break;
    case core::MergeOutcome::kCopy:
      ++facts_.counters.copies;
      break;
    case core::MergeOutcome::kConflicting:
      ++facts_.counters.conflicting;
      break;
  }
}

absl::StatusOr<Ticket> Run::AcceptGap(const SourceHandle& handle,
                                      std::uint64_t to_seq, absl::Time now) {
  const absl::MutexLock lock(&mutex_);
  const auto source = FindSource(handle);
  if (!source.ok()) return source.status();
  Heard(*source, now);
  if (to_seq <= (*source)->accepted_seq) return (*source)->ticket;
  facts_.counters.gap += to_seq - (*source)->accepted_seq;
  return KeepMark(handle.source, *source, to_seq);
}

absl::Status Run::SetScalar(const std::string& name, std::int64_t step,
                            double value) {
  const absl::MutexLock lock(&mutex_);
  const auto known = scalar_steps_.find(name);
  if (known == scalar_steps_.end() &&
      scalar_steps_.size() >= limits_.max_scalars_per_run) {
    return LimitError("name",
                      absl::StrCat("the run has ", limits_.max_scalars_per_run,
                                   " scalars already, the most allowed"));
  }
  KeepHistory(name, step, value);
  changed_scalars_.insert(name);
  if (known != scalar_steps_.end() && known->second > step) {
    return absl::OkStatus();
  }
  scalar_steps_[name] = step;
  facts_.scalars[name] = value;
  return absl::OkStatus();
}

absl::StatusOr<Ticket> Run::CloseSource(const SourceHandle& handle,
                                        absl::Time now) {
  Ticket ticket = 0;
  {
    const absl::MutexLock lock(&mutex_);
    const auto source = FindSource(handle);
    if (!source.ok()) return source.status();
    (*source)->closed = true;
    // Its stream is over for the run, whenever gRPC lets go of it: an answer
    // that follows the goodbye must not count it.
    (*source)->connected = false;
    (*source)->on_fenced = nullptr;
    Heard(*source, now);
    const Attempt& attempt = *attempts_.back();
    const auto closed = static_cast<std::uint32_t>(std::ranges::count_if(
        attempt.sources,
        [](const auto& entry) { return entry.second.closed; }));
    if (closed == attempt.source_count) facts_.ended = now;
    WriteBatch batch;
    PutRun(&batch);
    PutSource(handle.source, **source, &batch);
    ticket = place_.journal.Add(std::move(batch));
  }
  CloseDueWindows(now, /*by_age=*/false);
  return ticket;
}

void Run::Disconnect(const SourceHandle& handle, absl::Time now) {
  {
    const absl::MutexLock lock(&mutex_);
    const auto source = FindSource(handle);
    if (!source.ok()) return;
    (*source)->connected = false;
    (*source)->on_fenced = nullptr;
  }
  CloseDueWindows(now, /*by_age=*/false);
}

void Run::Delete() {
  Abandon();
  WriteBatch batch;
  batch.EraseRun(place_.number);
  place_.journal.Add(std::move(batch));
}

void Run::Leave() { Abandon(); }

void Run::Abandon() {
  Fenced fenced;
  std::map<std::string, std::shared_ptr<LayerState>> layers;
  {
    const absl::MutexLock lock(&mutex_);
    deleted_ = true;
    for (const auto& attempt : attempts_) {
      for (auto& [number, source] : attempt->sources) {
        if (source.connected) fenced.push_back(std::move(source.on_fenced));
        source.connected = false;
      }
    }
    layers.swap(layers_);
  }
  // A stream may still hold one; nothing of it may reach the store any more.
  for (const auto& [name, layer] : layers) layer->Retire();
  events_.Close(DeletedError());
  for (const FenceFunction& fence : fenced) fence("the run was deleted");
}

}  // namespace firekeeper::server
