// How a row's value stands in a store: behind a version and a checksum that
// also covers where the row belongs. Whatever the engine hands back (flipped
// bits, half a row, the row of another key) is recognised.
//
//   byte 0     version of the payload
//   bytes 1-4  CRC-32, little-endian, over table, run, length of the key, key,
//              version and payload
//   bytes 5-   payload
//
// This layout never changes; what a payload looks like changes by version.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/store/store.h"

namespace firekeeper::server {

// Of the payloads that this release writes, and the oldest that it reads.
inline constexpr std::uint8_t kRowVersion = 1;
inline constexpr std::uint8_t kOldestRowVersion = 1;

inline constexpr std::size_t kRowFrameBytes = 5;

struct RowPlace {
  Table table{};
  std::uint64_t run = 0;
  std::string_view key;
};

struct RowVersions {
  std::uint8_t oldest = kOldestRowVersion;
  std::uint8_t newest = kRowVersion;
};

struct Row {
  std::uint8_t version = 0;
  std::string_view payload;  // points into what was unframed
};

// What is stored in place of `payload`.
std::string FrameRow(const RowPlace& place, std::string_view payload,
                     std::uint8_t version = kRowVersion);

// Fails with kDataLoss where `stored` is not what was framed for this place, or
// was by a release whose rows this one cannot read.
absl::StatusOr<Row> UnframeRow(const RowPlace& place, std::string_view stored,
                               const RowVersions& readable = {});

}  // namespace firekeeper::server
