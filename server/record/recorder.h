// Records runs of a server into files, all of them or those that somebody asks
// for.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/logging.h"
#include "server/options.h"
#include "server/record/recording_file.h"
#include "server/state/registry.h"
#include "server/state/run_recorder.h"
#include "server/store/store.h"

namespace firekeeper::server {

// Thread-safe. A recording holds the tensors of its run: files are readable by
// the owner of the process only.
class Recorder final : public RunRecorder {
 public:
  // `store` is null where nothing is kept. All outlive the recorder, and no
  // stream is open when it goes.
  Recorder(const Options& options, Registry& registry, Store* store,
           Logger& logger);

  void OnOpen(Run& run) override;
  absl::StatusOr<RecordingPlace> Start(Run& run) override;
  absl::StatusOr<RecordingPlace> Stop(Run& run, absl::Time now) override;
  void Forget(const RunKey& key) override;

  // Ends every recording with its outcome.
  void Finish();

 private:
  // A recording that holds what is known of the run. Requires: nobody drives
  // the run.
  absl::StatusOr<std::shared_ptr<RunRecording>> Make(const Run& run);
  // A file that did not exist, named after the run.
  absl::StatusOr<std::unique_ptr<RecordingWriter>> MakeFile(
      const Run& run) const;
  absl::Status WriteHeader(const Run& run, RecordingWriter* writer);
  absl::Status WriteRows(const Run& run, RecordingWriter* writer);

  Registry& registry_;
  Store* const store_;
  Logger& logger_;
  const bool record_all_;
  const std::string directory_;  // empty: there is no place
  const std::uint64_t max_bytes_;
  const std::map<std::string, std::string> settings_;
};

}  // namespace firekeeper::server
