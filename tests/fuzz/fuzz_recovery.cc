// A server that ends at any moment and comes back from its store tells the same
// of a run as one that never ended. Input: choices that say what the source of
// the run and the clock do next, and when the process ends.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "server/state/recovery.h"
#include "server/store/commit_queue.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/support/memory_store.h"
#include "tests/support/message_builders.h"
#include "tests/support/run_builders.h"
#include "tests/support/session_driver.h"

namespace firekeeper::server {
namespace {

using testing::Choices;
using testing::MemoryStore;
using testing::Require;
using testing::SessionDriver;

constexpr const char* kTenant = "tenant";
constexpr int kSteps = 48;

// A registry, and a store beneath it where one is given.
class Server {
 public:
  Server(const absl::Time& now, const StateSettings& settings,
         std::unique_ptr<MemoryStore> store)
      : now_(now), settings_(settings), store_(std::move(store)) {
    Start();
  }

  // The process ends; the next one finds what was committed, which is all.
  void Restart() {
    driver_.reset();
    if (!store_) return;
    Require(queue_->Flush(absl::InfiniteFuture()).ok(), "a commit succeeds");
    registry_.reset();
    queue_.reset();
    Start();
  }

  absl::Status Open(const v1::Open& open) {
    driver_ = std::make_unique<SessionDriver>(*registry_, kTenant);
    return driver_->Say(testing::Opening(open));
  }
  absl::Status Say(const v1::StreamRequest& request) {
    const absl::Status status = driver_->Say(request);
    answers_ = driver_->answers().size();
    if (!status.ok()) driver_.reset();
    return status;
  }

  [[nodiscard]] bool streaming() const { return driver_ != nullptr; }
  [[nodiscard]] SessionDriver& driver() { return *driver_; }
  [[nodiscard]] std::size_t answers() const { return answers_; }
  Registry& registry() { return *registry_; }

 private:
  void Start() {
    if (store_) {
      queue_ = std::make_unique<CommitQueue>(
          *store_, CommitSettings{.interval = std::chrono::hours(1)},
          [](std::uint64_t) {}, [](const absl::Status&) {});
    }
    registry_ = std::make_unique<Registry>(
        Limits(), settings_, [this] { return now_; }, queue_.get());
    if (!store_) return;
    const auto report = Recover(*store_, *registry_);
    Require(report.ok() && report->corrupt_rows == 0 && report->lost_runs == 0,
            "what was written is read");
  }

  const absl::Time& now_;
  const StateSettings settings_;
  std::unique_ptr<MemoryStore> store_;
  std::unique_ptr<CommitQueue> queue_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<SessionDriver> driver_;
  std::size_t answers_ = 0;
};

void RequireSameWindows(const LayerState& kept, const LayerState& plain) {
  for (const core::Phase phase : {core::Phase::kTrain, core::Phase::kEval}) {
    const auto a = kept.History(core::Signal::kActivation, phase);
    const auto b = plain.History(core::Signal::kActivation, phase);
    Require(a.size() == b.size(), "a restart keeps every window");
    for (std::size_t i = 0; i < a.size(); ++i) {
      Require(a[i].open == b[i].open && a[i].revision == b[i].revision,
              "a restart keeps a window as open as it was");
      Require(a[i].digest == b[i].digest, "a restart keeps what was counted");
      Require(a[i].coverage.shards_received == b[i].coverage.shards_received,
              "a restart keeps who contributed");
    }
  }
}

void RequireSameUnits(LayerState& kept, LayerState& plain,
                      const RunFacts& run) {
  const UnitPage a = kept.Units(run, {}, 0, 100);
  const UnitPage b = plain.Units(run, {}, 0, 100);
  Require(a.total == b.total && a.units.size() == b.units.size() &&
              a.evaluated_through_step == b.evaluated_through_step,
          "a restart keeps every unit");
  for (std::size_t i = 0; i < a.units.size(); ++i) {
    const UnitView& one = a.units[i];
    const UnitView& other = b.units[i];
    Require(one.health.state == other.health.state &&
                one.health.deaths == other.health.deaths &&
                one.health.revivals == other.health.revivals &&
                one.health.level == other.health.level,
            "a restart keeps the life of a unit");
    Require(one.last_firing_step == other.last_firing_step &&
                one.first_seen_step == other.first_seen_step &&
                one.horizon_observations == other.horizon_observations &&
                one.horizon_clusters == other.horizon_clusters &&
                one.horizon_firings == other.horizon_firings,
            "a restart keeps the figures of a unit");
  }
}

void RequireSameRun(Run& kept, Run& plain, absl::Time now) {
  const RunView a = kept.View(now);
  const RunView b = plain.View(now);
  Require(a.attempts.size() == b.attempts.size() && a.ended == b.ended &&
              a.last_step == b.last_step && a.unit_count == b.unit_count,
          "a restart keeps the run");
  Require(a.counters.accepted == b.counters.accepted &&
              a.counters.duplicate == b.counters.duplicate &&
              a.counters.conflicting == b.counters.conflicting &&
              a.counters.rejected == b.counters.rejected &&
              a.counters.gap == b.counters.gap,
          "a restart keeps the counters");
  const LayerList layers = kept.Layers();
  const LayerList others = plain.Layers();
  Require(layers.size() == others.size(), "a restart keeps every layer");
  for (std::size_t i = 0; i < layers.size(); ++i) {
    RequireSameWindows(*layers[i], *others[i]);
    RequireSameUnits(*layers[i], *others[i], plain.Facts());
  }
}

class Twins {
 public:
  explicit Twins(Choices& choices)
      : choices_(choices),
        kept_(now_, Settings(), std::make_unique<MemoryStore>()),
        plain_(now_, Settings(), nullptr) {}

  void Run() {
    Open();
    constexpr int kMostSteps = 64;
    for (int i = 0; i < kMostSteps && !choices_.empty(); ++i) Step();
    Restart();
  }

 private:
  // Windows of at most 2 steps; 2 of them are retained.
  static StateSettings Settings() {
    StateSettings settings = testing::SmallSettings();
    settings.window_steps = 2;
    settings.retained_windows = 2;
    settings.health.horizon_windows = 2;
    return settings;
  }

  void Step() {
    if (!kept_.streaming()) return Open();
    switch (choices_.Below(16)) {
      case 0:
        return Restart();
      case 1:
        // A new attempt, and the rest of the training again.
        ++attempt_;
        resume_step_ = choices_.Below(kSteps);
        return Open();
      case 2:
        return Open();
      case 3:
        now_ += absl::Seconds(choices_.Below(256) * 4);
        kept_.registry().Sweep();
        plain_.registry().Sweep();
        return;
      case 4: {
        const std::uint64_t last =
            seq_ + 1 + static_cast<std::uint64_t>(choices_.Below(3));
        Say(testing::Declaring(testing::MakeGap(seq_ + 1, last)));
        seq_ = last;
        return;
      }
      case 5:
      case 6:
      case 7:
        return Say(
            testing::Reporting(testing::MakeProgress(choices_.Below(kSteps))));
      case 8:
        if (choices_.Below(16) == 0) Say(testing::Closing(seq_));
        return;
      default:
        return Say(testing::Batched(++seq_, {SnapshotFrom()}));
    }
  }

  v1::Snapshot SnapshotFrom() {
    const int step = choices_.Below(kSteps);
    // Values that differ from step to step, also under one key.
    v1::Snapshot snapshot = choices_.Coin()
                                ? testing::MakeSummarySnapshot(
                                      choices_.Below(4) == 0 ? step + 1 : step)
                                : testing::MakeTensorSnapshot(step);
    snapshot.set_step(step);
    snapshot.set_part(static_cast<std::uint32_t>(choices_.Below(2)));
    if (choices_.Below(4) == 0) snapshot.set_phase(v1::PHASE_EVAL);
    return snapshot;
  }

  void Open() {
    v1::Open open = testing::MakeOpen();
    open.set_launch_token("life-" + std::to_string(attempt_));
    open.set_resume_step(resume_step_);
    const absl::Status kept = kept_.Open(open);
    Require(kept.code() == plain_.Open(open).code(),
            "both open a stream or none");
    Require(kept.ok(), "a source may come back");
    const std::uint64_t seq =
        kept_.driver().answers().at(0).opened().accepted_seq();
    Require(seq == plain_.driver().answers().at(0).opened().accepted_seq(),
            "both know how far the source is");
    seq_ = seq;
  }

  void Say(const v1::StreamRequest& request) {
    const absl::Status status = kept_.Say(request);
    Require(status.code() == plain_.Say(request).code() &&
                kept_.answers() == plain_.answers(),
            "both answer the same");
  }

  void Restart() {
    kept_.Restart();
    plain_.Restart();
    const auto kept = kept_.registry().Find({kTenant, testing::kRunId});
    const auto plain = plain_.registry().Find({kTenant, testing::kRunId});
    Require(kept.ok() == plain.ok(), "a restart keeps a run");
    if (kept.ok()) RequireSameRun(**kept, **plain, now_);
  }

  Choices& choices_;
  absl::Time now_ = testing::AtSeconds(0);
  Server kept_;
  Server plain_;
  int attempt_ = 0;
  std::int64_t resume_step_ = 0;
  std::uint64_t seq_ = 0;
};

}  // namespace
}  // namespace firekeeper::server

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  firekeeper::testing::Choices choices({data, size});
  firekeeper::server::Twins(choices).Run();
  return 0;
}
