#include "server/state/event_log.h"

#include <algorithm>
#include <utility>

namespace firekeeper::server {

void EventLog::Append(RunEvent event) {
  Subscribers subscribers;
  {
    const absl::MutexLock lock(&mutex_);
    event.event_id = ++last_id_;
    if (events_.size() == capacity_) events_.pop_front();
    events_.push_back(std::move(event));
    subscribers = subscribers_;
  }
  Tell(subscribers);
}

void EventLog::Restore(const std::vector<RunEvent>& events) {
  const absl::MutexLock lock(&mutex_);
  events_.assign(events.begin(), events.end());
  while (events_.size() > capacity_) events_.pop_front();
  if (!events_.empty()) last_id_ = events_.back().event_id;
}

std::vector<RunEvent> EventLog::After(std::uint64_t event_id,
                                      std::size_t limit) const {
  const absl::MutexLock lock(&mutex_);
  const auto first =
      std::ranges::upper_bound(events_, event_id, {}, &RunEvent::event_id);
  const auto count = std::min(
      limit, static_cast<std::size_t>(std::distance(first, events_.end())));
  return {first, first + static_cast<std::ptrdiff_t>(count)};
}

void EventLog::Close(const absl::Status& status) {
  Subscribers subscribers;
  {
    const absl::MutexLock lock(&mutex_);
    closed_ = status;
    subscribers = subscribers_;
  }
  Tell(subscribers);
}

void EventLog::Reopen() {
  const absl::MutexLock lock(&mutex_);
  closed_.reset();
}

std::optional<absl::Status> EventLog::closed() const {
  const absl::MutexLock lock(&mutex_);
  return closed_;
}

std::uint64_t EventLog::Subscribe(OnChange on_change) {
  const absl::MutexLock lock(&mutex_);
  subscribers_.emplace(++last_subscription_,
                       std::make_shared<const OnChange>(std::move(on_change)));
  return last_subscription_;
}

void EventLog::Unsubscribe(std::uint64_t subscription) {
  const absl::MutexLock lock(&mutex_);
  subscribers_.erase(subscription);
}

void EventLog::Tell(const Subscribers& subscribers) {
  for (const auto& [number, on_change] : subscribers) (*on_change)();
}

}  // namespace firekeeper::server
