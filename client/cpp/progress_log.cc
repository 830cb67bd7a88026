#include "client/cpp/progress_log.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace firekeeper::client {

namespace {

// Of one message (ingest.proto).
constexpr std::size_t kMaxSampledSteps = 4096;
constexpr std::size_t kMaxScalars = 256;

constexpr std::size_t kMaxHeldSteps = 65536;
constexpr std::size_t kMaxHeldScalars = 4096;
constexpr std::size_t kMaxScalarNames = 1024;

v1::Scalar MakeScalar(const std::string& name, std::int64_t step,
                      double value) {
  v1::Scalar scalar;
  scalar.set_name(name);
  scalar.set_step(step);
  scalar.set_value(value);
  return scalar;
}

}  // namespace

void ProgressLog::NoteSampled(std::int64_t step, std::uint64_t seq) {
  const auto [entry, is_new] = sampled_.try_emplace(step);
  entry->second.last_seq = seq;
  if (!is_new) return;
  ++untold_;
  if (sampled_.size() > kMaxHeldSteps) {
    if (!sampled_.begin()->second.told) --untold_;
    sampled_.erase(sampled_.begin());
  }
}

void ProgressLog::NoteDone(std::int64_t step, std::uint64_t last_seq) {
  if (!done_.empty() && step <= done_.back().step) return;
  if (!done_.empty() && done_.back().last_seq == last_seq) {
    done_.back().step = step;
    return;
  }
  done_.push_back({.step = step, .last_seq = last_seq});
  // An old mark says nothing that a newer one does not say later.
  if (done_.size() > kMaxHeldSteps) done_.pop_front();
}

bool ProgressLog::NoteScalar(const std::string& name, std::int64_t step,
                             double value) {
  const auto known = newest_scalars_.find(name);
  if (known == newest_scalars_.end() &&
      newest_scalars_.size() >= kMaxScalarNames) {
    return false;
  }
  newest_scalars_[name] = {.step = step, .value = value};
  scalars_.push_back(MakeScalar(name, step, value));
  if (scalars_.size() <= kMaxHeldScalars) return true;
  scalars_.pop_front();
  return false;
}

void ProgressLog::OnOpened(std::uint64_t accepted_seq) {
  told_watermark_ = -1;
  untold_ = 0;
  for (auto& [step, entry] : sampled_) {
    if (entry.last_seq > accepted_seq) entry.told = false;
    if (!entry.told) ++untold_;
  }
  std::deque<v1::Scalar> again;
  for (const auto& [name, newest] : newest_scalars_) {
    again.push_back(MakeScalar(name, newest.step, newest.value));
  }
  // The server keeps the value of the greatest step, so an old one that comes
  // after its successor does no harm.
  scalars_.insert(scalars_.begin(), again.begin(), again.end());
  while (scalars_.size() > kMaxHeldScalars) scalars_.pop_front();
}

void ProgressLog::OnAcked(std::uint64_t seq) {
  // Numbers ascend with steps but for a few; those wait for their turn.
  while (!sampled_.empty() && sampled_.begin()->second.told &&
         sampled_.begin()->second.last_seq <= seq) {
    sampled_.erase(sampled_.begin());
  }
  // The newest mark that is covered stays: the next stream begins with it.
  while (done_.size() > 1 && done_[1].last_seq <= seq) done_.pop_front();
}

std::int64_t ProgressLog::Watermark(std::uint64_t next_to_send) const {
  const auto after = std::partition_point(done_.begin(), done_.end(),
                                          [next_to_send](const Done& done) {
                                            return done.last_seq < next_to_send;
                                          });
  return after == done_.begin() ? -1 : std::prev(after)->step;
}

bool ProgressLog::HasNews(std::uint64_t next_to_send) const {
  return untold_ > 0 || !scalars_.empty() ||
         Watermark(next_to_send) > told_watermark_;
}

v1::Progress ProgressLog::Take(std::uint64_t next_to_send) {
  v1::Progress progress;
  std::int64_t watermark = Watermark(next_to_send);
  for (auto& [step, entry] : sampled_) {
    if (entry.told) continue;
    if (static_cast<std::size_t>(progress.sampled_steps_size()) ==
        kMaxSampledSteps) {
      // A window must not close before all its sampled steps are told.
      watermark = std::min(watermark, step - 1);
      break;
    }
    progress.add_sampled_steps(step);
    entry.told = true;
    --untold_;
  }
  told_watermark_ = std::max(told_watermark_, watermark);
  progress.set_complete_through_step(told_watermark_);
  while (!scalars_.empty() &&
         static_cast<std::size_t>(progress.scalars_size()) < kMaxScalars) {
    *progress.add_scalars() = std::move(scalars_.front());
    scalars_.pop_front();
  }
  return progress;
}

}  // namespace firekeeper::client
