// The streams that are open now: how shutdown, the clock and the runs reach a
// stream that may end at any moment.

#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace firekeeper::server {

class StreamReactor;

// Thread-safe. A stream adds itself when it starts and removes itself before
// it is destroyed; its address is never used outside the mutex, so whoever
// comes late finds nothing. Lock order: this mutex, then a stream's.
class StreamSet {
 public:
  using Visitor = std::function<void(StreamReactor&)>;

  // Returns the stream's number, never used again.
  std::uint64_t Add(StreamReactor& stream);
  void Remove(std::uint64_t number);
  // Visits the stream where it still is there.
  void Visit(std::uint64_t number, const Visitor& visitor);
  void VisitAll(const Visitor& visitor);

  [[nodiscard]] std::size_t size() const;

 private:
  mutable absl::Mutex mutex_;
  std::uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, StreamReactor*> streams_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firekeeper::server
