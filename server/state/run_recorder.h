// Who records runs, as the registry and its callers see it.

#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace firekeeper::server {

class Run;
struct RunKey;

struct RecordingPlace {
  std::string path;  // on the server's machine
};

// Thread-safe. Called without the turn of any run.
class RunRecorder {
 public:
  RunRecorder() = default;
  virtual ~RunRecorder() = default;
  RunRecorder(const RunRecorder&) = delete;
  RunRecorder& operator=(const RunRecorder&) = delete;

  // A stream is about to open the run. Where every run is to be recorded, this
  // one is from now on; not again once its recording has ended.
  virtual void OnOpen(Run& run) = 0;
  // Records the run from now on; nothing new where it is recorded already.
  // Streams that are open are told to come back, for a recording begins with
  // their Open. kFailedPrecondition where there is no place for recordings, or
  // where the run has begun and no store tells what it knows.
  virtual absl::StatusOr<RecordingPlace> Start(Run& run) = 0;
  // Ends the recording. kFailedPrecondition where there is none.
  virtual absl::StatusOr<RecordingPlace> Stop(Run& run, absl::Time now) = 0;
  // The run was deleted: so are its recordings.
  virtual void Forget(const RunKey& key) = 0;
};

}  // namespace firekeeper::server
