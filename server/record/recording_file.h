// The file of a recording: written entry by entry, read back the same way.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "firekeeper/record/v1/recording.pb.h"

namespace firekeeper::server {

inline constexpr std::uint32_t kRecordingFormat = 1;

// Thread-compatible.
class RecordingWriter {
 public:
  // Makes the file, readable by its owner only. kUnavailable where it cannot be
  // made, kAlreadyExists where there is one.
  static absl::StatusOr<std::unique_ptr<RecordingWriter>> Create(
      const std::string& path, std::uint64_t max_bytes);
  ~RecordingWriter();
  RecordingWriter(const RecordingWriter&) = delete;
  RecordingWriter& operator=(const RecordingWriter&) = delete;

  // Appends; what was appended outlives the process. kResourceExhausted where
  // the file would pass its size: that is noted in it, and nothing follows.
  // kUnavailable where it cannot be written; the file is cut back to the last
  // whole entry.
  absl::Status Append(const record::v1::Entry& entry);

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  RecordingWriter(std::string path, int file, std::uint64_t max_bytes);
  absl::Status Write(const record::v1::Entry& entry);

  const std::string path_;
  const int file_;
  const std::uint64_t max_bytes_;
  std::uint64_t bytes_ = 0;
  std::string scratch_;
};

// Thread-compatible.
class RecordingReader {
 public:
  // Reads up to the header. kNotFound where there is no such file,
  // kInvalidArgument where it is no recording or of a newer format.
  static absl::StatusOr<std::unique_ptr<RecordingReader>> Open(
      const std::string& path);
  ~RecordingReader();
  RecordingReader(const RecordingReader&) = delete;
  RecordingReader& operator=(const RecordingReader&) = delete;

  [[nodiscard]] const record::v1::Header& header() const { return header_; }
  // When the recording began.
  [[nodiscard]] std::int64_t begin_unix_nanos() const { return begin_; }
  // The next entry; false at the end.
  bool Next(record::v1::Entry* entry);
  // The file ends within an entry: its writer died. Requires: Next() was false.
  [[nodiscard]] bool is_torn() const { return torn_; }

 private:
  class Input;
  explicit RecordingReader(std::unique_ptr<Input> input);

  std::unique_ptr<Input> input_;
  record::v1::Header header_;
  std::int64_t begin_ = 0;
  bool torn_ = false;
};

}  // namespace firekeeper::server
