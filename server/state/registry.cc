#include "server/state/registry.h"

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
                   NowFunction now)
    : limits_(limits),
      settings_(settings),
      now_(std::move(now)),
      memory_(limits.max_state_bytes) {}

absl::StatusOr<std::shared_ptr<Run>> Registry::FindOrCreate(const RunKey& key) {
  const absl::MutexLock lock(&mutex_);
  const auto found = runs_.find(key);
  if (found != runs_.end()) return found->second;
  if (runs_.size() >= limits_.max_runs) {
    return LimitError("run_id", absl::StrCat("the server holds ", runs_.size(),
                                             " runs, the most allowed"));
  }
  auto run = std::make_shared<Run>(key.tenant, key.run_id, limits_, settings_,
                                   memory_, now_());
  runs_.emplace(key, run);
  return run;
}

absl::StatusOr<std::shared_ptr<Run>> Registry::Find(const RunKey& key) const {
  const absl::MutexLock lock(&mutex_);
  const auto found = runs_.find(key);
  if (found == runs_.end()) return NotFound(key);
  return found->second;
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
  const absl::MutexLock lock(&mutex_);
  const auto found = runs_.find(key);
  if (found != runs_.end() && found->second->RetireIfUnused()) {
    runs_.erase(found);
  }
}

absl::Status Registry::Delete(const RunKey& key) {
  std::shared_ptr<Run> run;
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = runs_.find(key);
    if (found == runs_.end()) return NotFound(key);
    run = std::move(found->second);
    runs_.erase(found);
  }
  run->Delete();
  return absl::OkStatus();
}

void Registry::Sweep() {
  const absl::Time now = now_();
  for (const auto& run : All()) {
    run->Sweep(now);
    run->AssessClosedWindows(now);
    {
      const absl::MutexLock lock(&mutex_);
      if (!run->RetireIfExpired(now)) continue;
      const auto found = runs_.find({run->tenant(), run->run_id()});
      if (found != runs_.end() && found->second == run) runs_.erase(found);
    }
    run->Delete();
  }
}

}  // namespace firekeeper::server
