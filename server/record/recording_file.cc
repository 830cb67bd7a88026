#include "server/record/recording_file.h"

#include <fcntl.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace firekeeper::server {
namespace {

std::string ErrorText(int error) {
  return std::generic_category().message(error);
}

// All of it or an error.
int WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RecordingWriter>> RecordingWriter::Create(
    const std::string& path, std::uint64_t max_bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                        S_IRUSR | S_IWUSR);
  if (file < 0 && errno == EEXIST) {
    return absl::AlreadyExistsError(absl::StrCat(path, " exists"));
  }
  if (file < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot make ", path, ": ", ErrorText(errno)));
  }
  return std::unique_ptr<RecordingWriter>(
      new RecordingWriter(path, file, max_bytes));
}

RecordingWriter::RecordingWriter(std::string path, int file,
                                 std::uint64_t max_bytes)
    : path_(std::move(path)), file_(file), max_bytes_(max_bytes) {}

RecordingWriter::~RecordingWriter() { close(file_); }

absl::Status RecordingWriter::Append(const record::v1::Entry& entry) {
  if (bytes_ + entry.ByteSizeLong() <= max_bytes_) return Write(entry);
  record::v1::Entry end;
  end.set_time_unix_nanos(entry.time_unix_nanos());
  end.mutable_size_reached()->set_bytes(bytes_);
  if (absl::Status status = Write(end); !status.ok()) return status;
  return absl::ResourceExhaustedError(
      absl::StrCat(path_, " has ", bytes_, " bytes; at most ", max_bytes_));
}

absl::Status RecordingWriter::Write(const record::v1::Entry& entry) {
  scratch_.clear();
  {
    google::protobuf::io::StringOutputStream output(&scratch_);
    google::protobuf::util::SerializeDelimitedToZeroCopyStream(entry, &output);
  }
  if (const int error = WriteAll(file_, scratch_); error != 0) {
    // Half an entry would hide nothing, but a reader would call it torn.
    const bool cut = ftruncate(file_, static_cast<off_t>(bytes_)) == 0;
    return absl::UnavailableError(absl::StrCat("cannot write ", path_, ": ",
                                               ErrorText(error),
                                               cut ? "" : "; its end is torn"));
  }
  bytes_ += scratch_.size();
  return absl::OkStatus();
}

class RecordingReader::Input {
 public:
  explicit Input(int file) : stream_(file) { stream_.SetCloseOnDelete(true); }

  google::protobuf::io::FileInputStream& stream() { return stream_; }

 private:
  google::protobuf::io::FileInputStream stream_;
};

absl::StatusOr<std::unique_ptr<RecordingReader>> RecordingReader::Open(
    const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return absl::NotFoundError(
        absl::StrCat("cannot read ", path, ": ", ErrorText(errno)));
  }
  std::unique_ptr<RecordingReader> reader(
      new RecordingReader(std::make_unique<Input>(file)));
  record::v1::Entry first;
  if (!reader->Next(&first) || !first.has_header()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is no recording"));
  }
  if (first.header().format() > kRecordingFormat) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has format ", first.header().format(),
                     "; this version reads up to ", kRecordingFormat));
  }
  reader->header_ = first.header();
  reader->begin_ = first.time_unix_nanos();
  return reader;
}

RecordingReader::RecordingReader(std::unique_ptr<Input> input)
    : input_(std::move(input)) {}

RecordingReader::~RecordingReader() = default;

bool RecordingReader::Next(record::v1::Entry* entry) {
  bool clean_end = false;
  entry->Clear();
  if (google::protobuf::util::ParseDelimitedFromZeroCopyStream(
          entry, &input_->stream(), &clean_end)) {
    return true;
  }
  torn_ = !clean_end;
  return false;
}

}  // namespace firekeeper::server
