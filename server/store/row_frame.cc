#include "server/store/row_frame.h"

#include <zlib.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace firekeeper::server {
namespace {

// Of what a checksum covers beside key and payload: table, run, key's length.
constexpr std::size_t kPlaceBytes = 17;

void PutLittleEndian(std::uint64_t value, std::size_t size, std::string& to) {
  for (std::size_t i = 0; i < size; ++i) {
    to.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
  }
}

uLong Continue(uLong crc, std::string_view bytes) {
  return crc32_z(crc, reinterpret_cast<const unsigned char*>(bytes.data()),
                 bytes.size());
}

// The key's length keeps a byte from wandering between key and payload.
std::string ChecksumOf(const RowPlace& place, char version,
                       std::string_view payload) {
  std::string where;
  where.reserve(kPlaceBytes);
  where.push_back(static_cast<char>(place.table));
  PutLittleEndian(place.run, sizeof(std::uint64_t), where);
  PutLittleEndian(place.key.size(), sizeof(std::uint64_t), where);
  uLong crc = crc32_z(0, nullptr, 0);
  // crc32_z() of a null pointer starts anew: an empty view may hold one.
  for (const std::string_view part : {std::string_view(where), place.key,
                                      std::string_view(&version, 1), payload}) {
    if (!part.empty()) crc = Continue(crc, part);
  }
  std::string checksum;
  PutLittleEndian(crc, kRowFrameBytes - 1, checksum);
  return checksum;
}

}  // namespace

std::string FrameRow(const RowPlace& place, std::string_view payload,
                     std::uint8_t version) {
  std::string row;
  row.reserve(kRowFrameBytes + payload.size());
  row.push_back(static_cast<char>(version));
  row += ChecksumOf(place, row.front(), payload);
  row += payload;
  return row;
}

absl::StatusOr<Row> UnframeRow(const RowPlace& place, std::string_view stored,
                               const RowVersions& readable) {
  if (stored.size() < kRowFrameBytes) {
    return absl::DataLossError(absl::StrCat("row has ", stored.size(),
                                            " bytes; the shortest has ",
                                            kRowFrameBytes));
  }
  const std::string_view payload = stored.substr(kRowFrameBytes);
  const std::string_view checksum = stored.substr(1, kRowFrameBytes - 1);
  if (ChecksumOf(place, stored.front(), payload) != checksum) {
    return absl::DataLossError("row does not match its checksum");
  }
  const auto version = static_cast<std::uint8_t>(stored.front());
  if (version < readable.oldest || version > readable.newest) {
    return absl::DataLossError(
        absl::StrCat("row is of version ", static_cast<int>(version),
                     "; this release reads ", static_cast<int>(readable.oldest),
                     " to ", static_cast<int>(readable.newest)));
  }
  return Row{.version = version, .payload = payload};
}

}  // namespace firekeeper::server
