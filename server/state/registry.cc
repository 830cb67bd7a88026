#include "server/state/registry.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/errors.h"

namespace firekeeper::server {
namespace {

absl::Status NotFound(const RunKey& key) {
  return Refusal(absl::StatusCode::kNotFound, "RUN_NOT_FOUND",
                 absl::StrCat("no run \"", key.run_id, "\""));
}

}  // namespace

Registry::Registry(const Limits& limits, const StateSettings& settings,
                   NowFunction now, CommitQueue* queue)
    : limits_(limits),
      settings_(settings),
      now_(std::move(now)),
      memory_(limits.max_state_bytes),
      journal_(queue) {}

void Registry::Restore(const std::vector<std::shared_ptr<Run>>& runs,
                       StoredRuns stored, Loader loader) {
  loader_ = std::move(loader);
  const absl::MutexLock lock(&mutex_);
  for (const auto& run : runs) {
    runs_.emplace(RunKey{.tenant = run->tenant(), .run_id = run->run_id()},
                  run);
    last_number_ = std::max(last_number_, run->number());
  }
  for (const auto& [key, place] : stored) {
    last_number_ = std::max(last_number_, place.number);
  }
  stored_ = std::move(stored);
}

std::shared_ptr<Run> Registry::MakeRun(const RunKey& key,
                                       std::uint64_t number) {
  return std::make_shared<Run>(
      key.tenant, key.run_id, limits_, settings_, memory_,
      RunPlace{.journal = journal_, .number = number}, now_());
}

absl::StatusOr<std::shared_ptr<Run>> Registry::FindOrCreate(const RunKey& key) {
  auto loaded = Load(key);
  if (!loaded.ok() || *loaded) return loaded;
  const absl::MutexLock lock(&mutex_);
  const auto found = runs_.find(key);
  if (found != runs_.end()) return found->second;
  if (runs_.size() >= limits_.max_runs) {
    return LimitError("run_id", absl::StrCat("the server holds ", runs_.size(),
                                             " runs, the most allowed"));
  }
  auto run = MakeRun(key, ++last_number_);
  runs_.emplace(key, run);
  return run;
}

absl::StatusOr<std::shared_ptr<Run>> Registry::Find(const RunKey& key) {
  auto loaded = Load(key);
  if (loaded.ok() && !*loaded) return NotFound(key);
  return loaded;
}

absl::StatusOr<std::shared_ptr<Run>> Registry::Load(const RunKey& key) {
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = runs_.find(key);
    if (found != runs_.end()) return found->second;
    if (!stored_.contains(key)) return std::shared_ptr<Run>();
  }
  const absl::MutexLock loading(&load_mutex_);
  std::uint64_t number = 0;
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = runs_.find(key);
    if (found != runs_.end()) return found->second;
    const auto stored = stored_.find(key);
    if (stored == stored_.end()) return std::shared_ptr<Run>();
    number = stored->second.number;
  }
  // Its last rows may still be on the way.
  if (absl::Status settled = journal_.Settle(); !settled.ok()) return settled;
  auto run = loader_(number);
  if (!run.ok()) return run.status();
  const absl::MutexLock lock(&mutex_);
  // Deleted while it was read.
  if (stored_.erase(key) == 0) return std::shared_ptr<Run>();
  runs_.emplace(key, *run);
  return run;
}

std::vector<std::shared_ptr<Run>> Registry::List(const std::string& tenant,
                                                 const std::string& after,
                                                 std::size_t limit) const {
  std::vector<std::shared_ptr<Run>> runs;
  const absl::MutexLock lock(&mutex_);
  for (auto it = runs_.upper_bound({tenant, after});
       it != runs_.end() && it->first.tenant == tenant && runs.size() < limit;
       ++it) {
    runs.push_back(it->second);
  }
  return runs;
}

std::vector<std::shared_ptr<Run>> Registry::All() const {
  std::vector<std::shared_ptr<Run>> runs;
  const absl::MutexLock lock(&mutex_);
  runs.reserve(runs_.size());
  for (const auto& [key, run] : runs_) runs.push_back(run);
  return runs;
}

void Registry::DropIfUnused(const RunKey& key) {
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = runs_.find(key);
    if (found == runs_.end() || !found->second->RetireIfUnused()) return;
    runs_.erase(found);
  }
  if (recorder_ != nullptr) recorder_->Forget(key);
}

absl::Status Registry::Delete(const RunKey& key) {
  std::shared_ptr<Run> run;
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = runs_.find(key);
    if (found != runs_.end()) {
      run = std::move(found->second);
      runs_.erase(found);
    } else if (const auto stored = stored_.find(key); stored != stored_.end()) {
      WriteBatch batch;
      batch.EraseRun(stored->second.number);
      journal_.Add(std::move(batch));
      stored_.erase(stored);
    } else {
      return NotFound(key);
    }
  }
  if (run) run->Delete();
  if (recorder_ != nullptr) recorder_->Forget(key);
  return absl::OkStatus();
}

void Registry::Sweep() {
  const absl::Time now = now_();
  RunPages pages;
  for (const auto& run : All()) {
    run->Sweep(now);
    run->AssessClosedWindows(now);
    if (SweepOut(*run, now)) continue;
    if (run->OnMetrics(now)) {
      pages.push_back(run->Page(now));
    } else {
      run->ForgetPage();
    }
  }
  board_.Post(std::move(pages));
}

bool Registry::SweepOut(Run& run, absl::Time now) {
  {
    const absl::MutexLock lock(&mutex_);
    if (!run.RetireIfExpired(now)) return false;
    const RunKey key{.tenant = run.tenant(), .run_id = run.run_id()};
    const auto found = runs_.find(key);
    // Deleted meanwhile.
    if (found == runs_.end() || found->second.get() != &run) return true;
    runs_.erase(found);
    if (journal_.keeps()) {
      stored_.emplace(key, StoredPlace{.number = run.number(),
                                       .last_seen = run.View(now).last_seen});
    }
  }
  run.Leave();
  return true;
}

std::vector<RunKey> Registry::Retain(std::uint64_t store_bytes) {
  std::vector<RunKey> gone = DropStored(store_bytes);
  if (recorder_ != nullptr) {
    for (const RunKey& key : gone) recorder_->Forget(key);
  }
  return gone;
}

std::vector<RunKey> Registry::DropStored(std::uint64_t store_bytes) {
  const absl::Time now = now_();
  const absl::Duration keep = absl::FromChrono(settings_.keep_runs);
  std::vector<RunKey> gone;
  const absl::MutexLock lock(&mutex_);
  for (const auto& [key, place] : stored_) {
    if (keep > absl::ZeroDuration() && now - place.last_seen > keep) {
      gone.push_back(key);
    }
  }
  const bool too_large =
      limits_.max_store_bytes > 0 && store_bytes > limits_.max_store_bytes;
  if (too_large && gone.empty() && !stored_.empty()) {
    // One at a time: how much that frees shows after the next commits.
    gone.push_back(std::ranges::min_element(stored_, {}, [](const auto& entry) {
                     return entry.second.last_seen;
                   })->first);
  }
  WriteBatch batch;
  for (const RunKey& key : gone) {
    batch.EraseRun(stored_.at(key).number);
    stored_.erase(key);
  }
  journal_.Add(std::move(batch));
  return gone;
}

}  // namespace firekeeper::server
