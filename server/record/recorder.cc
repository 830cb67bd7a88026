#include "server/record/recorder.h"

#include <zlib.h>

#include <atomic>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/record/outcome.h"
#include "server/record/recording_settings.h"
#include "server/version.h"

namespace firekeeper::server {
namespace {

constexpr std::size_t kMaxNameInFile = 64;
constexpr const char* kExtension = ".fkrec";

absl::Status Refused(const char* reason, const std::string& message) {
  return Refusal(absl::StatusCode::kFailedPrecondition, reason, message);
}

// The same for every recording of a run. Names of runs hold slashes and may be
// longer than names of files; the sum tells those apart that look alike.
std::string FilePrefix(const RunKey& key) {
  const std::string whole = absl::StrCat(key.tenant, "\n", key.run_id);
  const auto sum = crc32(0, reinterpret_cast<const Bytef*>(whole.data()),
                         static_cast<uInt>(whole.size()));
  std::string name = key.run_id.substr(0, kMaxNameInFile);
  for (char& letter : name) {
    const bool plain =
        absl::ascii_isalnum(static_cast<unsigned char>(letter)) ||
        letter == '-' || letter == '_';
    if (!plain) letter = '_';
  }
  return absl::StrCat(name, "-", absl::Hex(sum, absl::kZeroPad8), "-");
}

RunKey KeyOf(const Run& run) {
  return {.tenant = run.tenant(), .run_id = run.run_id()};
}

record::v1::Entry At(absl::Time now, record::v1::Entry entry) {
  entry.set_time_unix_nanos(absl::ToUnixNanos(now));
  return entry;
}

class FileRecording final : public RunRecording {
 public:
  FileRecording(std::unique_ptr<RecordingWriter> writer, Logger& logger)
      : writer_(std::move(writer)), logger_(logger) {}

  void Note(absl::Time now, record::v1::Entry entry) override {
    if (done_) return;
    const absl::Status status = writer_->Append(At(now, std::move(entry)));
    if (status.ok()) return;
    done_ = true;
    logger_.Warning(
        "recording_ended",
        {{"path", writer_->path()}, {"error", std::string(status.message())}});
  }

  void NoteOutcome(Run& run, absl::Time now) override {
    if (done_) return;
    record::v1::Entry entry;
    *entry.mutable_outcome() = OutcomeOf(run, now);
    Note(now, std::move(entry));
  }

  [[nodiscard]] bool done() const override { return done_; }
  [[nodiscard]] const std::string& path() const { return writer_->path(); }

 private:
  const std::unique_ptr<RecordingWriter> writer_;
  Logger& logger_;
  std::atomic<bool> done_{false};
};

RecordingPlace PlaceOf(const RunRecording& recording) {
  return {.path = static_cast<const FileRecording&>(recording).path()};
}

std::string DirectoryOf(const Options& options) {
  if (!options.record.empty()) return options.record;
  if (options.data_dir.empty()) return {};
  return options.data_dir + "/recordings";
}

}  // namespace

Recorder::Recorder(const Options& options, Registry& registry, Store* store,
                   Logger& logger)
    : registry_(registry),
      store_(store),
      logger_(logger),
      record_all_(!options.record.empty()),
      directory_(DirectoryOf(options)),
      max_bytes_(options.max_recording_bytes),
      settings_(RecordedSettings(options)) {}

void Recorder::OnOpen(Run& run) {
  if (!record_all_ || run.turns().was_recorded()) return;
  if (const auto started = Start(run); !started.ok()) {
    logger_.Warning("not_recorded",
                    {{"tenant", run.tenant()},
                     {"run", run.run_id()},
                     {"error", std::string(started.status().message())}});
  }
}

absl::StatusOr<RecordingPlace> Recorder::Start(Run& run) {
  if (directory_.empty()) {
    return Refused("NO_PLACE",
                   "the server has neither --record nor --data-dir, so there "
                   "is no place for a recording");
  }
  const auto recording = run.turns().Begin([&] { return Make(run); });
  if (!recording.ok()) return recording.status();
  return PlaceOf(**recording);
}

absl::StatusOr<RecordingPlace> Recorder::Stop(Run& run, absl::Time now) {
  const auto recording = run.turns().End(run, now);
  if (!recording) return Refused("NOT_RECORDED", "the run is not recorded");
  return PlaceOf(*recording);
}

void Recorder::Finish() {
  for (const auto& run : registry_.All()) {
    run->turns().End(*run, registry_.Now());
  }
}

absl::StatusOr<std::shared_ptr<RunRecording>> Recorder::Make(const Run& run) {
  if (run.UnitCount() > 0 && store_ == nullptr) {
    return Refused("RUN_HAS_BEGUN",
                   "a server without --data-dir can record a run only from its "
                   "beginning, with --record");
  }
  auto writer = MakeFile(run);
  if (!writer.ok()) return writer.status();
  absl::Status begun = WriteHeader(run, writer->get());
  if (begun.ok() && store_ != nullptr) begun = WriteRows(run, writer->get());
  if (!begun.ok()) {
    std::error_code ignored;
    std::filesystem::remove((*writer)->path(), ignored);
    return begun;
  }
  logger_.Info("recording_started", {{"tenant", run.tenant()},
                                     {"run", run.run_id()},
                                     {"path", (*writer)->path()}});
  return std::make_shared<FileRecording>(*std::move(writer), logger_);
}

absl::StatusOr<std::unique_ptr<RecordingWriter>> Recorder::MakeFile(
    const Run& run) const {
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("cannot make ", directory_, ": ", error.message()));
  }
  const std::string prefix = FilePrefix(KeyOf(run));
  for (int number = 1;; ++number) {
    auto writer = RecordingWriter::Create(
        absl::StrCat(directory_, "/", prefix, number, kExtension), max_bytes_);
    if (!absl::IsAlreadyExists(writer.status())) return writer;
  }
}

absl::Status Recorder::WriteHeader(const Run& run, RecordingWriter* writer) {
  record::v1::Entry entry;
  record::v1::Header* header = entry.mutable_header();
  header->set_format(kRecordingFormat);
  header->set_version(kVersion);
  header->set_tenant(run.tenant());
  header->set_run_id(run.run_id());
  header->mutable_settings()->insert(settings_.begin(), settings_.end());
  header->set_run_number(run.number());
  return writer->Append(At(registry_.Now(), std::move(entry)));
}

absl::Status Recorder::WriteRows(const Run& run, RecordingWriter* writer) {
  // Nobody drives the run, so nothing of it is added meanwhile.
  absl::Status status = registry_.journal().Settle();
  if (!status.ok()) return status;
  std::vector<std::string> corrupt;
  for (const Table table : kTables) {
    absl::Status read = store_->Read(
        table, run.number(), {}, {},
        [&](const RowView& view) {
          if (!status.ok()) return;
          record::v1::Entry entry;
          record::v1::StoredRow* row = entry.mutable_stored_row();
          row->set_table(static_cast<std::uint32_t>(table));
          row->set_key(std::string(view.key));
          row->set_value(std::string(view.value));
          status = writer->Append(At(registry_.Now(), std::move(entry)));
        },
        &corrupt);
    if (!read.ok()) return read;
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void Recorder::Forget(const RunKey& key) {
  if (directory_.empty()) return;
  const std::string prefix = FilePrefix(key);
  std::error_code error;
  std::vector<std::filesystem::path> gone;
  for (const auto& file :
       std::filesystem::directory_iterator(directory_, error)) {
    const std::string name = file.path().filename().string();
    if (!absl::StartsWith(name, prefix) || !absl::EndsWith(name, kExtension)) {
      continue;
    }
    const auto reader = RecordingReader::Open(file.path());
    const bool ours = reader.ok() &&
                      (*reader)->header().tenant() == key.tenant &&
                      (*reader)->header().run_id() == key.run_id;
    if (ours) gone.push_back(file.path());
  }
  for (const auto& path : gone) std::filesystem::remove(path, error);
}

}  // namespace firekeeper::server
