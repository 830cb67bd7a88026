// Who may drive a run at a time: everyone at once, or, while it is recorded,
// one after the other, so that the recording has the order of the effects.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "firekeeper/record/v1/recording.pb.h"

namespace firekeeper::server {

class Run;

// Takes down what a run is told and what it decides. Called by the holder of
// the turn only, one at a time; done() from any thread.
class RunRecording {
 public:
  RunRecording() = default;
  virtual ~RunRecording() = default;
  RunRecording(const RunRecording&) = delete;
  RunRecording& operator=(const RunRecording&) = delete;

  // Keeps an entry; its time is set here. Never fails: what goes wrong ends
  // the recording, not the run.
  virtual void Note(absl::Time now, record::v1::Entry entry) = 0;
  // The same for what `run` knows now.
  virtual void NoteOutcome(Run& run, absl::Time now) = 0;
  // Takes nothing down any more.
  [[nodiscard]] virtual bool done() const = 0;

  // Names a stream in this recording: 1, 2, …
  std::uint64_t NextStream() { return ++last_stream_; }

 private:
  std::uint64_t last_stream_ = 0;
};

class RunTurns {
 public:
  // The right to drive the run. Not to be taken twice by one thread.
  class Turn {
   public:
    explicit Turn(RunTurns& turns);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    // Null where the run is not recorded.
    [[nodiscard]] const std::shared_ptr<RunRecording>& recording() const {
      return recording_;
    }
    // Does nothing where the run is not recorded.
    void Note(absl::Time now, record::v1::Entry entry) const;

   private:
    RunTurns& turns_;
    std::shared_ptr<RunRecording> recording_;
    bool alone_ = false;
  };

  using MakeRecording =
      std::function<absl::StatusOr<std::shared_ptr<RunRecording>>()>;
  // Records from now on. `make` is called while nobody drives the run, unless
  // it is recorded already: that recording is returned then.
  absl::StatusOr<std::shared_ptr<RunRecording>> Begin(
      const MakeRecording& make);
  // Ends the recording with the outcome of `run`, whose turns these are.
  // Returns it; null where there was none.
  std::shared_ptr<RunRecording> End(Run& run, absl::Time now);

  // A recording has begun, whether or not it has ended since.
  [[nodiscard]] bool was_recorded() const { return was_recorded_; }
  // Null where the run is not recorded. Requires: the caller has the turn.
  [[nodiscard]] RunRecording* held() const {
    return IsRecorded() ? current_.load() : nullptr;
  }

 private:
  [[nodiscard]] bool IsRecorded() const {
    const RunRecording* const recording = current_.load();
    return recording != nullptr && !recording->done();
  }

  // Shared by those who drive an unrecorded run.
  absl::Mutex mutex_;
  std::shared_ptr<RunRecording> recording_;  // guarded by mutex_
  std::atomic<RunRecording*> current_{nullptr};
  std::atomic<bool> was_recorded_{false};
};

}  // namespace firekeeper::server
