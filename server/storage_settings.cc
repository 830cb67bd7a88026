#include "server/storage_settings.h"

namespace firekeeper::server {

std::vector<Setting> StorageSettingRows(Options& options) {
  const std::string group = "Storage";
  return {
      {"data-dir", group,
       "directory that keeps the runs; without it a restart forgets them",
       &options.data_dir},
      {"commit-interval-milliseconds", group,
       "what came within this is written, synced and acked together",
       &options.commit_interval_milliseconds, 1, 10'000},
      {"commit-bytes", group, "so many bytes are written without waiting",
       &options.commit_bytes, 4'096, 1 << 30},
      {"keep-runs-seconds", group,
       "a run is deleted this long after it was last seen; 0: never",
       &options.state.keep_runs, 0, 1e10},
      {"max-store-bytes", group,
       "size of what is stored, without the log and free space, beyond which "
       "runs that left memory are deleted, oldest first; 0: no limit",
       &options.limits.max_store_bytes, 0, 9e15},
      {"record", group,
       "directory that receives a recording of every run, for `firekeeper "
       "replay`; it holds what was streamed, tensors too",
       &options.record},
      {"max-recording-bytes", group, "a recording ends at this size",
       &options.max_recording_bytes, 4'096, 9e15},
  };
}

}  // namespace firekeeper::server
