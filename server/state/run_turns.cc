#include "server/state/run_turns.h"

#include <utility>

namespace firekeeper::server {

RunTurns::Turn::Turn(RunTurns& turns) : turns_(turns) {
  turns_.mutex_.ReaderLock();
  if (!turns_.IsRecorded()) return;
  turns_.mutex_.ReaderUnlock();
  turns_.mutex_.Lock();
  alone_ = true;
  if (turns_.IsRecorded()) recording_ = turns_.recording_;
}

RunTurns::Turn::~Turn() {
  if (alone_) {
    turns_.mutex_.Unlock();
  } else {
    turns_.mutex_.ReaderUnlock();
  }
}

void RunTurns::Turn::Note(absl::Time now, record::v1::Entry entry) const {
  if (recording_) recording_->Note(now, std::move(entry));
}

absl::StatusOr<std::shared_ptr<RunRecording>> RunTurns::Begin(
    const MakeRecording& make) {
  const absl::MutexLock lock(&mutex_);
  if (IsRecorded()) return recording_;
  auto recording = make();
  if (!recording.ok()) return recording.status();
  current_.store(nullptr);
  recording_ = *recording;
  current_.store(recording_.get());
  was_recorded_ = true;
  return recording;
}

std::shared_ptr<RunRecording> RunTurns::End(Run& run, absl::Time now) {
  const absl::MutexLock lock(&mutex_);
  if (recording_ && !recording_->done()) recording_->NoteOutcome(run, now);
  current_.store(nullptr);
  return std::exchange(recording_, nullptr);
}

}  // namespace firekeeper::server
