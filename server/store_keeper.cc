#include "server/store_keeper.h"

#include <chrono>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/exit_codes.h"
#include "server/store/sqlite_store.h"

namespace firekeeper::server {

absl::StatusOr<std::unique_ptr<StoreKeeper>> StoreKeeper::Open(
    const Options& options, Logger& logger) {
  std::unique_ptr<StoreKeeper> keeper(new StoreKeeper(logger));
  if (options.data_dir.empty()) {
    logger.Warning(
        "no_data_dir",
        {{"consequence", std::string("a restart forgets every run")}});
    return keeper;
  }
  auto store = SqliteStore::Open(options.data_dir, SqliteSettings());
  if (!store.ok()) return absl::DataLossError(store.status().message());
  keeper->store_ = *std::move(store);
  auto flights = FlightTable::Open(options.data_dir + "/inflight");
  if (!flights.ok()) return absl::DataLossError(flights.status().message());
  keeper->flights_ = *std::move(flights);
  keeper->queue_ = std::make_unique<CommitQueue>(
      *keeper->store_,
      CommitSettings{.interval = std::chrono::milliseconds(
                         options.commit_interval_milliseconds),
                     .group_bytes = options.commit_bytes},
      [keeper = keeper.get()](std::uint64_t) { keeper->OnCommitted(); },
      [keeper = keeper.get()](const absl::Status& status) {
        keeper->OnFailed(status);
      });
  return keeper;
}

StoreKeeper::~StoreKeeper() = default;

absl::Status StoreKeeper::Recover(Registry& registry) {
  if (!store_) return absl::OkStatus();
  registry.NoteFlights(flights_.get());
  for (const FlightName& fatal : flights_->Fatal()) {
    logger_.Error("snapshot_quarantined",
                  {{"tenant", fatal.tenant},
                   {"run", fatal.run_id},
                   {"source", std::uint64_t{fatal.source}},
                   {"seq", fatal.seq},
                   {"consequence",
                    std::string("it is refused: the server ended several times "
                                "while folding it in")}});
  }
  const auto begin = std::chrono::steady_clock::now();
  const auto report = server::Recover(*store_, registry);
  if (!report.ok()) return absl::DataLossError(report.status().message());
  recovered_ = *report;
  recovery_seconds_ =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
          .count();
  logger_.Info("recovered", {{"runs", recovered_.runs},
                             {"stored_runs", recovered_.stored_runs},
                             {"windows", recovered_.windows},
                             {"contributions", recovered_.contributions},
                             {"corrupt_rows", recovered_.corrupt_rows},
                             {"lost_runs", recovered_.lost_runs},
                             {"seconds", absl::StrCat(recovery_seconds_)}});
  if (recovered_.corrupt_rows > 0) {
    logger_.Error(
        "store_has_corrupt_rows",
        {{"rows", recovered_.corrupt_rows},
         {"consequence", std::string("what they told is unknown; they are kept "
                                     "aside in the store")}});
  }
  return absl::OkStatus();
}

void StoreKeeper::Tell(std::function<void()> told) {
  const absl::MutexLock lock(&tell_mutex_);
  told_ = std::move(told);
}

void StoreKeeper::OnCommitted() {
  const absl::MutexLock lock(&tell_mutex_);
  if (told_) told_();
}

// Nobody knows what is on the disk now, so nothing may be acked any more; what
// was acked is safe, and a restart finds it.
void StoreKeeper::OnFailed(const absl::Status& status) const {
  logger_.Error("store_failed", {{"error", std::string(status.message())}});
  std::_Exit(kExitStoreFailed);
}

absl::Status StoreKeeper::Flush(absl::Time deadline) {
  return queue_ ? queue_->Flush(deadline) : absl::OkStatus();
}

std::vector<StoreMetric> StoreKeeper::Metrics() const {
  std::vector<StoreMetric> metrics;
  if (!store_) return metrics;
  const auto add = [&metrics](const char* name, const char* help, double value,
                              bool is_counter = false) {
    metrics.push_back({name, help, value, is_counter});
  };
  const StoreFigures figures = store_->Figures();
  const auto count = [](std::uint64_t value) {
    return static_cast<double>(value);
  };
  add("firekeeper_store_degraded",
      "1 while the store takes nothing in because the disk is full.",
      queue_->state().ok() ? 0.0 : 1.0);
  add("firekeeper_store_waiting_bytes",
      "Bytes that are merged and not committed yet.",
      count(queue_->waiting_bytes()));
  add("firekeeper_store_last_commit_seconds", "Time that the last commit took.",
      absl::ToDoubleSeconds(queue_->last_commit_duration()));
  add("firekeeper_store_disk_bytes", "Bytes of the database files.",
      count(figures.bytes_on_disk));
  add("firekeeper_store_commits_total", "Commits since the start.",
      count(figures.commits), /*is_counter=*/true);
  add("firekeeper_store_written_bytes_total",
      "Bytes of rows committed since the start.", count(figures.bytes_written),
      /*is_counter=*/true);
  add("firekeeper_store_quarantined_rows",
      "Damaged rows that were set aside; what they told is unknown.",
      count(figures.quarantined_rows));
  add("firekeeper_store_lost_runs", "Runs that could not be read at the start.",
      count(recovered_.lost_runs));
  add("firekeeper_store_quarantined_snapshots",
      "Snapshots that are refused because the server ended while it folded "
      "them in, several times.",
      count(flights_->Fatal().size()));
  add("firekeeper_store_recovery_seconds",
      "Time that reading the store at the start took.", recovery_seconds_);
  return metrics;
}

}  // namespace firekeeper::server
