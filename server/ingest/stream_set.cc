#include "server/ingest/stream_set.h"

namespace firekeeper::server {

std::uint64_t StreamSet::Add(StreamReactor& stream) {
  const absl::MutexLock lock(&mutex_);
  streams_.emplace(++last_number_, &stream);
  return last_number_;
}

void StreamSet::Remove(std::uint64_t number) {
  const absl::MutexLock lock(&mutex_);
  streams_.erase(number);
}

void StreamSet::Visit(std::uint64_t number, const Visitor& visitor) {
  const absl::MutexLock lock(&mutex_);
  const auto found = streams_.find(number);
  if (found != streams_.end()) visitor(*found->second);
}

void StreamSet::VisitAll(const Visitor& visitor) {
  const absl::MutexLock lock(&mutex_);
  for (const auto& [number, stream] : streams_) visitor(*stream);
}

std::size_t StreamSet::size() const {
  const absl::MutexLock lock(&mutex_);
  return streams_.size();
}

}  // namespace firekeeper::server
