// What /metrics reads: every run as the last sweep saw it. A scrape takes no
// lock of a run or a layer, so it cannot hold up what streams in.

#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/state/views.h"

namespace firekeeper::server {

using RunPages = std::vector<std::shared_ptr<const RunPage>>;

// Thread-safe. Its mutex is held for the exchange of a pointer only.
class RunBoard {
 public:
  // Instead of all pages before.
  void Post(RunPages pages) {
    auto posted = std::make_shared<const RunPages>(std::move(pages));
    const absl::MutexLock lock(&mutex_);
    pages_.swap(posted);
  }

  // By tenant and run; never null.
  [[nodiscard]] std::shared_ptr<const RunPages> Read() const {
    const absl::MutexLock lock(&mutex_);
    return pages_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::shared_ptr<const RunPages> pages_ ABSL_GUARDED_BY(mutex_) =
      std::make_shared<const RunPages>();
};

}  // namespace firekeeper::server
