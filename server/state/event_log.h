// What happened in a run, in order, for lists and for those who watch.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/diagnosis/finding.h"
#include "core/layer_alarm.h"

namespace firekeeper::server {

struct RunEvent {
  std::uint64_t event_id = 0;  // given by the log
  core::EventKind kind{};
  core::EventSeverity severity{};
  std::string layer;  // empty: the whole run
  std::int64_t step = -1;
  absl::Time time;
  std::string message;
  std::uint64_t unit_count = 0;
  std::optional<core::Cause> cause;
};

// Thread-safe.
class EventLog {
 public:
  // Keeps the newest `capacity` events. Requires: capacity > 0.
  explicit EventLog(std::size_t capacity) : capacity_(capacity) {}

  // Numbers the event and tells everyone who watches, from this thread, with
  // no lock of the log held.
  void Append(RunEvent event);
  // Events with a greater number, oldest first, at most `limit`.
  [[nodiscard]] std::vector<RunEvent> After(std::uint64_t event_id,
                                            std::size_t limit) const;

  // What it held before a restart, ascending. Requires: nothing was appended.
  void Restore(const std::vector<RunEvent>& events);

  // Nothing more will come for now: watches end with `status` once they have
  // sent what there is. Reopen() takes it back.
  void Close(const absl::Status& status);
  void Reopen();
  // What Close() said; empty while events may come.
  [[nodiscard]] std::optional<absl::Status> closed() const;

  // `on_change` is called after every Append() and Close(), from their threads.
  // It may still run while Unsubscribe() returns: it must own what it touches.
  using OnChange = std::function<void()>;
  [[nodiscard]] std::uint64_t Subscribe(OnChange on_change);
  void Unsubscribe(std::uint64_t subscription);

 private:
  using Subscribers = std::map<std::uint64_t, std::shared_ptr<const OnChange>>;

  static void Tell(const Subscribers& subscribers);

  const std::size_t capacity_;
  mutable absl::Mutex mutex_;
  std::deque<RunEvent> events_ ABSL_GUARDED_BY(mutex_);  // ascending numbers
  std::uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<absl::Status> closed_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t last_subscription_ ABSL_GUARDED_BY(mutex_) = 0;
  Subscribers subscribers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace firekeeper::server
