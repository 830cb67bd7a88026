#include "server/record/replay.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/ingest/session.h"
#include "server/record/outcome.h"
#include "server/record/recorded_rows.h"
#include "server/record/recording_file.h"
#include "server/record/recording_settings.h"
#include "server/state/recovery.h"
#include "server/state/registry.h"

namespace firekeeper::server {
namespace {

using Kind = record::v1::Entry::EntryCase;

constexpr std::size_t kMaxDifferences = 20;

std::string NameOf(Kind kind) {
  const auto* field = record::v1::Entry::descriptor()->FindFieldByNumber(kind);
  return field == nullptr ? "nothing" : field->name();
}

// Of an entry without its time; a message is compared by what becomes of it.
std::string TextOf(const record::v1::Entry& entry) {
  if (entry.has_windows_closed()) {
    const record::v1::WindowsClosed& closed = entry.windows_closed();
    return absl::StrCat("windows_closed before step ", closed.before_step(),
                        " in ", closed.layers_size(), " layers");
  }
  return NameOf(entry.entry_case());
}

// Keeps what the replayed run notes, to be compared entry by entry.
class Notes final : public RunRecording {
 public:
  void Note(absl::Time /*now*/, record::v1::Entry entry) override {
    // Only that it came matters, and tensors are large.
    if (entry.has_message()) entry.mutable_message()->clear_request();
    entries_.push_back(std::move(entry));
  }
  void NoteOutcome(Run& run, absl::Time now) override {
    record::v1::Entry entry;
    *entry.mutable_outcome() = OutcomeOf(run, now);
    Note(now, std::move(entry));
  }
  [[nodiscard]] bool done() const override { return false; }

  std::optional<record::v1::Entry> Take() {
    if (entries_.empty()) return std::nullopt;
    record::v1::Entry first = std::move(entries_.front());
    entries_.pop_front();
    return first;
  }

 private:
  std::deque<record::v1::Entry> entries_;
};

// Lets every run be noted from its first Open on.
class NoteTaker final : public RunRecorder {
 public:
  explicit NoteTaker(std::shared_ptr<Notes> notes) : notes_(std::move(notes)) {}

  void OnOpen(Run& run) override {
    // Cannot fail: nothing is made.
    (void)run.turns().Begin([this] { return notes_; });
  }
  absl::StatusOr<RecordingPlace> Start(Run& /*run*/) override {
    return absl::UnimplementedError("a replay is not recorded");
  }
  absl::StatusOr<RecordingPlace> Stop(Run& /*run*/,
                                      absl::Time /*now*/) override {
    return absl::UnimplementedError("a replay is not recorded");
  }
  void Forget(const RunKey& /*key*/) override {}

 private:
  const std::shared_ptr<Notes> notes_;
};

// What was admitted then must be admitted now, whatever was on its way.
Limits ReplayLimits(Limits limits) {
  limits.credit_window_bytes = std::numeric_limits<std::size_t>::max() / 2;
  return limits;
}

class Replayer {
 public:
  Replayer(RecordingReader& reader, const Options& options)
      : reader_(reader),
        key_{.tenant = reader.header().tenant(),
             .run_id = reader.header().run_id()},
        now_(absl::FromUnixNanos(reader.begin_unix_nanos())),
        rows_(reader.header().run_number()),
        registry_(ReplayLimits(options.limits), options.state,
                  [this] { return now_; }),
        notes_(std::make_shared<Notes>()),
        note_taker_(notes_) {
    report_.header = reader.header();
    registry_.RecordWith(&note_taker_);
  }

  absl::StatusOr<ReplayReport> Run() {
    record::v1::Entry entry;
    bool more = reader_.Next(&entry);
    for (; more && entry.has_stored_row(); more = reader_.Next(&entry)) {
      rows_.Add(entry.stored_row());
    }
    if (absl::Status begun = BeginWithRows(); !begun.ok()) return begun;
    for (; more; more = reader_.Next(&entry)) {
      ++number_;
      now_ = absl::FromUnixNanos(entry.time_unix_nanos());
      if (IsInput(entry)) ExpectNothing();
      Drive(entry);
      Compare(entry);
    }
    ExpectNothing();
    report_.torn = reader_.is_torn();
    TakeOutcome();
    return std::move(report_);
  }

 private:
  // Told by somebody, rather than decided.
  static bool IsInput(const record::v1::Entry& entry) {
    return entry.entry_case() != Kind::kWindowsClosed &&
           entry.entry_case() != Kind::kOutcome &&
           entry.entry_case() != Kind::kSizeReached;
  }

  absl::Status BeginWithRows() {
    if (rows_.empty()) return absl::OkStatus();
    const auto recovered = Recover(rows_, registry_);
    if (!recovered.ok()) {
      return absl::DataLossError(recovered.status().message());
    }
    if (recovered->lost_runs > 0) {
      return absl::DataLossError("the row of the run cannot be read");
    }
    // It may have been in the store only.
    const auto run = registry_.Find(key_);
    if (!run.ok()) return absl::DataLossError(run.status().message());
    note_taker_.OnOpen(**run);
    return absl::OkStatus();
  }

  void Drive(const record::v1::Entry& entry) {
    switch (entry.entry_case()) {
      case Kind::kMessage:
        return DriveMessage(entry.message());
      case Kind::kStreamGone:
        return DriveGone(entry);
      case Kind::kSizeReached:
        report_.cut_short = true;
        return;
      case Kind::kSweep:
      case Kind::kLook:
      case Kind::kRunEnd:
        break;
      default:
        return;
    }
    const auto run = registry_.Find(key_);
    if (!run.ok()) return;
    if (entry.has_sweep()) (*run)->Sweep(now_);
    if (entry.has_run_end()) (*run)->End(now_);
    if (!entry.has_look()) return;
    if (entry.look().if_windows_closed()) {
      (*run)->AssessClosedWindows(now_);
    } else {
      (*run)->Assess(now_);
    }
  }

  void DriveGone(const record::v1::Entry& entry) {
    const record::v1::StreamGone& gone = entry.stream_gone();
    if (sessions_.erase(gone.stream()) > 0) return;
    // Opened before the recording: only its source is known.
    const auto run = registry_.Find(key_);
    if (!run.ok()) return;
    const RunTurns::Turn turn((*run)->turns());
    turn.Note(now_, entry);
    (*run)->Disconnect({.attempt = gone.attempt(),
                        .source = gone.source(),
                        .incarnation = gone.incarnation()},
                       now_);
  }

  void DriveMessage(const record::v1::Message& message) {
    ++report_.messages;
    auto& session = sessions_[message.stream()];
    if (!session) {
      session = std::make_unique<IngestSession>(registry_, key_.tenant,
                                                [](const std::string&) {});
    }
    std::vector<v1::StreamResponse> responses;
    // A refusal ended the stream then as now; what counts is compared below.
    (void)session->OnMessage(message.request(),
                             message.request().ByteSizeLong(), &responses);
  }

  void Compare(const record::v1::Entry& recorded) {
    if (recorded.has_size_reached()) return;
    auto noted = notes_->Take();
    // An outcome is also taken when nothing happens, at the end of a recording.
    if (!noted && recorded.has_outcome()) {
      TakeOutcome();
      noted.emplace();
      *noted->mutable_outcome() = report_.outcome;
    }
    if (!noted) {
      return Differ(absl::StrCat("recorded ", TextOf(recorded),
                                 "; the replay did nothing"));
    }
    if (noted->entry_case() != recorded.entry_case()) {
      return Differ(absl::StrCat("recorded ", TextOf(recorded),
                                 "; the replay has ", TextOf(*noted)));
    }
    if (recorded.has_windows_closed()) CompareDecision(recorded, *noted);
    if (recorded.has_outcome()) CompareOutcome(recorded, *noted);
  }

  void CompareDecision(const record::v1::Entry& recorded,
                       const record::v1::Entry& noted) {
    ++report_.decisions;
    if (recorded.windows_closed().SerializeAsString() ==
        noted.windows_closed().SerializeAsString()) {
      return;
    }
    Differ(absl::StrCat(
        "recorded ", recorded.windows_closed().ShortDebugString(),
        "; the replay has ", noted.windows_closed().ShortDebugString()));
  }

  void CompareOutcome(const record::v1::Entry& recorded,
                      const record::v1::Entry& noted) {
    ++report_.outcomes;
    const std::string difference =
        DifferenceOf(recorded.outcome(), noted.outcome());
    if (!difference.empty()) Differ(difference);
  }

  // What was noted beyond what was recorded.
  void ExpectNothing() {
    while (const auto noted = notes_->Take()) {
      Differ(absl::StrCat("the replay has ", TextOf(*noted),
                          ", which was not recorded"));
    }
  }

  void Differ(const std::string& what) {
    ++report_.difference_count;
    if (report_.differences.size() >= kMaxDifferences) return;
    report_.differences.push_back(absl::StrCat("entry ", number_, ": ", what));
  }

  void TakeOutcome() {
    const auto run = registry_.Find(key_);
    if (!run.ok()) return;
    const RunTurns::Turn turn((*run)->turns());
    report_.outcome = OutcomeOf(**run, now_);
  }

  RecordingReader& reader_;
  const RunKey key_;
  absl::Time now_;
  RecordedRows rows_;
  Registry registry_;
  const std::shared_ptr<Notes> notes_;
  NoteTaker note_taker_;
  std::map<std::uint64_t, std::unique_ptr<IngestSession>> sessions_;
  std::uint64_t number_ = 0;  // of the entry, behind the rows
  ReplayReport report_;
};

}  // namespace

absl::StatusOr<ReplayReport> Replay(const std::string& path) {
  const auto reader = RecordingReader::Open(path);
  if (!reader.ok()) return reader.status();
  const auto settings = (*reader)->header().settings();
  const auto options = OptionsOf({settings.begin(), settings.end()});
  if (!options.ok()) return options.status();
  return Replayer(**reader, *options).Run();
}

std::string ToText(const ReplayReport& report) {
  const record::v1::Outcome& outcome = report.outcome;
  std::string text = absl::StrCat(
      "run ", report.header.run_id(), " of tenant \"", report.header.tenant(),
      "\", recorded by version ", report.header.version(), "\n",
      report.messages, " messages, ", report.decisions,
      " closings of windows, ", report.outcomes, " outcomes compared\n");
  if (report.torn) {
    absl::StrAppend(&text, "the file ends within an entry: its server died\n");
  }
  if (report.cut_short) {
    absl::StrAppend(&text, "the recording reached its size; the run went on\n");
  }
  absl::StrAppend(&text, "accepted ", outcome.counters().accepted(),
                  ", last step ", outcome.last_step(), ", ",
                  outcome.layers_size(), " layers, ", outcome.findings_size(),
                  " findings, ", outcome.last_event_id(), " events\n");
  for (const auto& difference : report.differences) {
    absl::StrAppend(&text, difference, "\n");
  }
  if (report.difference_count > report.differences.size()) {
    absl::StrAppend(&text, "… and ",
                    report.difference_count - report.differences.size(),
                    " more\n");
  }
  absl::StrAppend(
      &text,
      report.difference_count > 0
          ? absl::StrCat("DIFFERENT in ", report.difference_count, " places\n")
      : report.outcomes + report.decisions > 0
          ? "the same counts, states and findings\n"
          : "nothing was recorded to compare with\n");
  return text;
}

}  // namespace firekeeper::server
