// How far the training has come, as far as the server may be told: the
// watermark, the sampled steps and the scalars. Free of threads and gRPC.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "firekeeper/v1/ingest.pb.h"

namespace firekeeper::client {

// Thread-compatible. Progress is not acknowledged, so what may have been lost
// with a stream is told again on the next one.
class ProgressLog {
 public:
  // Snapshot `seq` observed `step` of the training.
  void NoteSampled(std::int64_t step, std::uint64_t seq);
  // No snapshot of a step up to `step` will get a number above `last_seq`.
  void NoteDone(std::int64_t step, std::uint64_t last_seq);
  // False where an older scalar was displaced, or this one is of too many
  // names. Requires: the name is valid.
  bool NoteScalar(const std::string& name, std::int64_t step, double value);

  // A new stream goes on after `accepted_seq`.
  void OnOpened(std::uint64_t accepted_seq);
  // The server has everything up to `seq`; told steps up to it are forgotten.
  void OnAcked(std::uint64_t seq);

  // Whether Take() would say anything new.
  [[nodiscard]] bool HasNews(std::uint64_t next_to_send) const;
  // The next message of this stream, which has sent or declared everything
  // before `next_to_send`; the watermark covers no more than that. May leave
  // news behind where they exceed one message.
  v1::Progress Take(std::uint64_t next_to_send);

 private:
  struct Sampled {
    std::uint64_t last_seq = 0;
    bool told = false;
  };
  struct Done {
    std::int64_t step = -1;
    std::uint64_t last_seq = 0;
  };
  struct ScalarValue {
    std::int64_t step = 0;
    double value = 0.0;
  };

  [[nodiscard]] std::int64_t Watermark(std::uint64_t next_to_send) const;

  std::map<std::int64_t, Sampled> sampled_;  // by step; bounded
  std::size_t untold_ = 0;                   // of sampled_
  // Strictly ascending in both fields; bounded.
  std::deque<Done> done_;
  std::int64_t told_watermark_ = -1;  // on this stream
  std::deque<v1::Scalar> scalars_;    // not yet told; bounded
  // The newest of each name: told again on a new stream.
  std::map<std::string, ScalarValue> newest_scalars_;
};

}  // namespace firekeeper::client
