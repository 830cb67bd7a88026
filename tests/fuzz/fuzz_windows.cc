// A signal's windows, whatever arrives in whatever order, hold exactly the
// contributions that a plain list of them holds, each once, and come back from
// their rows as they were. Input: choices that say what happens next.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/health.h"
#include "core/signal_track.h"
#include "core/state_bytes.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/held_window.h"
#include "tests/support/state_builders.h"

namespace firekeeper::core {
namespace {

using testing::Choices;
using testing::Held;
using testing::HeldWindow;
using testing::Require;

constexpr Index kUnits = 3;
constexpr int kSteps = 48;

// Units of each source: two hold all as data shards, two hold a part each.
struct SourceShare {
  std::uint32_t data_shard = 0;
  Index first_unit = 0;
  Index unit_count = kUnits;
};

std::string BytesOf(const auto& write) {
  StateWriter writer;
  write(&writer);
  return writer.Take();
}

std::string ArchiveOf(const SignalTrack& track) {
  return BytesOf([&](StateWriter* writer) {
    for (const WindowEvidence& line : track.archive()) {
      SignalTrack::WriteEvidence(line, writer);
    }
  });
}

class Driver {
 public:
  explicit Driver(Choices& choices)
      : choices_(choices), settings_(SettingsFrom(choices)), track_(settings_) {
    split_units_ = choices.Coin();
    track_.SetExpectedShards(Expected());
  }

  void Run() {
    constexpr int kMostSteps = 200;
    // Comparing takes much longer than a step.
    constexpr int kStepsBetweenChecks = 32;
    for (int i = 1; i <= kMostSteps && !choices_.empty(); ++i) {
      Step();
      if (i % kStepsBetweenChecks == 0) Check();
    }
    Restart();
    Check();
  }

 private:
  void Check() const {
    CheckWindows();
    CheckArchive();
    CheckEvidence();
  }

  static TrackSettings SettingsFrom(Choices& choices) {
    TrackSettings settings;
    settings.units = kUnits;
    settings.columns = testing::AllColumns();
    settings.window_steps = std::int64_t{1} << choices.Below(4);
    settings.retained_windows = static_cast<std::size_t>(choices.Below(4));
    settings.keeps_evidence = choices.Below(4) != 0;
    settings.activation.kind = Activation::kRelu;
    settings.health.certificate = {.alpha = 0.01, .p0 = 0.3, .pc0 = 0.3};
    settings.health.horizon_windows =
        1 + static_cast<std::size_t>(choices.Below(4));
    return settings;
  }

  [[nodiscard]] ExpectedShards Expected() const {
    if (!split_units_) {
      return {{.first = 0, .count = kUnits, .shards_expected = 2}};
    }
    return {{.first = 0, .count = 1, .shards_expected = 2},
            {.first = 1, .count = kUnits - 1, .shards_expected = 2}};
  }

  [[nodiscard]] SourceShare ShareOf(std::uint32_t source) const {
    SourceShare share{.data_shard = source % 2};
    if (!split_units_) return share;
    share.first_unit = source < 2 ? 0 : 1;
    share.unit_count = source < 2 ? 1 : kUnits - 1;
    return share;
  }

  void Step() {
    switch (choices_.Below(16)) {
      case 0:
        return Close();
      case 1:
        now_ += choices_.Below(64);
        return CloseByAge();
      case 2:
        track_.NoteSampled(choices_.Below(kSteps));
        return;
      case 3:
        return BeginAttempt();
      case 4:
        return Restart();
      case 5:
        return Check();
      case 6:
        now_ += choices_.Below(64);
        return;
      default:
        return Deliver();
    }
  }

  Held ContributionFrom() {
    const auto source = static_cast<std::uint32_t>(choices_.Below(4));
    const SourceShare share = ShareOf(source);
    const Contribution key{
        .source = source,
        .data_shard = share.data_shard,
        .first_unit = share.first_unit,
        .step = choices_.Below(kSteps),
        .part = static_cast<std::uint32_t>(choices_.Below(2))};
    const bool by_step = choices_.Coin();
    const Index examples = choices_.Below(4);
    Eigen::ArrayXXd values(examples, share.unit_count);
    for (Index i = 0; i < values.size(); ++i) {
      values(i) = std::max(0, choices_.Below(8) - 4);
    }
    Held held{.key = key,
              .summary =
                  testing::SummaryOf(values, key.step,
                                     by_step ? testing::ColumnsWithoutClusters()
                                             : testing::AllColumns()),
              .cluster_is_step = by_step,
              .arrived_nanos = now_};
    held.key.fingerprint = Fingerprint(held.summary);
    return held;
  }

  void Deliver() {
    Held held = ContributionFrom();
    const StepRange range = WindowOf(held.key.step, settings_.window_steps);
    const bool retained = track_.windows().contains(range.first);
    const std::int64_t final_before = track_.dropped_before();
    const auto outcome = track_.Add(held.key, held.summary,
                                    held.cluster_is_step, held.arrived_nanos);
    if (held.key.step < resume_step_ ||
        (!retained && range.end <= final_before)) {
      Require(outcome.status().code() == absl::StatusCode::kOutOfRange,
              "what comes too late is refused");
      return;
    }
    Require(outcome.ok(), "what is in time is answered");
    HeldWindow& window = windows_[range.first];
    Require(*outcome == window.OutcomeOf(held.key),
            "a contribution counts once");
    const auto now = track_.windows().find(range.first);
    Require(retained || now == track_.windows().end() ||
                now->second.open == (range.end > closed_before_),
            "a new window is open, unless it ends before the mark");
    if (*outcome != MergeOutcome::kMerged) return;
    window.Add(std::move(held));
  }

  void Close() {
    const std::int64_t before = choices_.Below(kSteps + 16);
    track_.Close(before, std::numeric_limits<std::int64_t>::min());
    closed_before_ = std::max(closed_before_, before);
    Require(track_.closed_before() == closed_before_, "closing is remembered");
    for (const auto& [first, tracked] : track_.windows()) {
      Require(!tracked.open || tracked.window.steps().end > before,
              "windows before the mark are closed");
    }
  }

  void CloseByAge() {
    const std::int64_t opened_before = now_ - 100;
    track_.Close(0, opened_before);
    for (const auto& [first, tracked] : track_.windows()) {
      Require(!tracked.open || tracked.opened_nanos >= opened_before,
              "old windows are closed");
    }
  }

  void BeginAttempt() {
    resume_step_ = choices_.Below(kSteps);
    track_.BeginAttempt(resume_step_);
    closed_before_ = std::min(closed_before_, resume_step_);
    std::erase_if(windows_, [this](const auto& entry) {
      return WindowOf(entry.first, settings_.window_steps).end > resume_step_;
    });
    split_units_ = choices_.Coin();
    track_.SetExpectedShards(Expected());
    for (const auto& [first, tracked] : track_.windows()) {
      Require(!tracked.open, "an attempt closes what it leaves");
    }
  }

  void CheckWindow(const HeldWindow& expected, const Window& window) const {
    Require(testing::SameStatistics(window.Summary(),
                                    expected.Sum(kUnits, settings_.columns)),
            "a window is the sum of its contributions");
    Require(window.contribution_count() == expected.held().size(),
            "a window has as many contributions");
  }

  void CheckWindows() const {
    std::size_t closed = 0;
    bool held_back = false;
    for (const auto& [first, tracked] : track_.windows()) {
      const auto expected = windows_.find(first);
      Require(expected != windows_.end(), "a window has contributions");
      CheckWindow(expected->second, tracked.window);
      held_back = held_back || tracked.open;
      if (!tracked.open && !held_back) ++closed;
    }
    Require(held_back || closed <= settings_.retained_windows,
            "as many closed windows are retained as were asked for");
  }

  // Windows that are no longer retained are in the archive, in order, and keep
  // what they observed.
  void CheckArchive() const {
    if (!settings_.keeps_evidence) return;
    std::size_t found = 0;
    std::int64_t end = 0;
    for (const WindowEvidence& line : track_.archive()) {
      Require(line.steps.first >= end, "the archive ascends");
      end = line.steps.end;
      Require(!track_.windows().contains(line.steps.first),
              "no window is retained and archived");
      const auto expected = windows_.find(line.steps.first);
      if (expected == windows_.end()) {
        Require(line.observations.Max() == 0, "nothing comes from nowhere");
        continue;
      }
      ++found;
      CountArray observations = CountArray::Zero(kUnits);
      for (const Held& held : expected->second.held()) {
        observations.segment(held.key.first_unit, held.summary.unit_count()) +=
            held.summary.observations.ToArray();
      }
      Require((line.observations.ToArray() == observations).all(),
              "the archive keeps what was observed");
    }
    Require(found + track_.windows().size() == windows_.size(),
            "no window is lost");
  }

  void CheckEvidence() const {
    std::vector<WindowEvidence> storage;
    const LayerEvidence evidence = track_.Evidence(&storage);
    StepArray last = StepArray::Constant(kUnits, kNeverFired);
    StepArray seen = StepArray::Constant(kUnits, kNeverSeen);
    for (const auto& [first, window] : windows_) {
      for (const Held& held : window.held()) {
        auto units =
            last.segment(held.key.first_unit, held.summary.unit_count());
        units = units.max(held.summary.last_firing_step);
        auto sight =
            seen.segment(held.key.first_unit, held.summary.unit_count());
        sight = sight.min(held.summary.first_seen_step);
      }
    }
    // A withdrawn firing is evidence of life before the resume step, no more.
    Require((evidence.last_firing_step >= last).all() &&
                (evidence.last_firing_step <= last.max(resume_step_ - 1)).all(),
            "a firing is remembered");
    Require((evidence.first_seen_step <= seen).all(),
            "the first sight is remembered");
    if (settings_.keeps_evidence) {
      (void)EvaluateHealth(evidence, kUnits, settings_.health);
    }
  }

  // The process ends; what comes next has the rows only: closed windows as they
  // are, open ones as their contributions, by window and arrival.
  void Restart() {
    SignalTrack next(settings_);
    next.BeginAttempt(resume_step_);
    next.SetExpectedShards(Expected());
    const auto read = [&](const auto& write, auto take) {
      Require((next.*take)(BytesOf(write)).ok(), "a row decodes");
    };
    read([this](StateWriter* writer) { track_.WriteMarks(writer); },
         &SignalTrack::ReadMarks);
    read([this](StateWriter* writer) { track_.WriteUnits(writer); },
         &SignalTrack::ReadUnits);
    for (const WindowEvidence& line : track_.archive()) {
      read(
          [&](StateWriter* writer) {
            SignalTrack::WriteEvidence(line, writer);
          },
          &SignalTrack::ReadEvidence);
    }
    for (const auto& entry : track_.windows()) {
      if (entry.second.open) continue;
      read(
          [&](StateWriter* writer) {
            SignalTrack::WriteWindow(entry.second, writer);
          },
          &SignalTrack::ReadWindow);
    }
    next.Restored();
    for (const auto& [first, tracked] : track_.windows()) {
      if (!tracked.open) continue;
      const HeldWindow& window = windows_.at(first);
      for (const Held& held : window.held()) {
        Require(next.Add(held.key, held.summary, held.cluster_is_step,
                         held.arrived_nanos)
                    .ok(),
                "an open window is told again");
      }
    }
    next.Restored();
    CheckRestored(next);
    track_ = std::move(next);
  }

  void CheckRestored(const SignalTrack& next) const {
    for (const auto write :
         {&SignalTrack::WriteMarks, &SignalTrack::WriteUnits}) {
      const auto bytes = [write](const SignalTrack& track) {
        return BytesOf([&](StateWriter* writer) { (track.*write)(writer); });
      };
      Require(bytes(next) == bytes(track_), "figures come back");
    }
    Require(ArchiveOf(next) == ArchiveOf(track_), "the archive comes back");
    Require(next.windows().size() == track_.windows().size(),
            "windows come back");
    for (const auto& [first, tracked] : track_.windows()) {
      const auto found = next.windows().find(first);
      Require(found != next.windows().end(), "a window comes back");
      const SignalTrack::TrackedWindow& again = found->second;
      Require(again.open == tracked.open &&
                  again.opened_nanos == tracked.opened_nanos &&
                  again.revision == tracked.revision,
              "a window comes back as open as it was");
      Require(again.window.MemoryUsed() == tracked.window.MemoryUsed(),
              "a window comes back as large as it was");
      CheckWindow(windows_.at(first), again.window);
    }
    Require(next.WindowBytes() == track_.WindowBytes(), "bytes are counted");
    Require(next.Digests().size() == track_.Digests().size(),
            "digests come back");
  }

  Choices& choices_;
  TrackSettings settings_;
  SignalTrack track_;
  bool split_units_ = false;
  std::int64_t resume_step_ = 0;
  // Windows that end by this step are closed.
  std::int64_t closed_before_ = 0;
  std::int64_t now_ = 1'000;
  // Every contribution that counts, by first step of its window.
  std::map<std::int64_t, HeldWindow> windows_;
};

}  // namespace
}  // namespace firekeeper::core

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  firekeeper::testing::Choices choices({data, size});
  firekeeper::core::Driver(choices).Run();
  return 0;
}
