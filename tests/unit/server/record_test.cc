// A recording replays to what the server knew, and says so where it does not.

#include <gmock/gmock.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "server/record/recorder.h"
#include "server/record/recording_file.h"
#include "server/record/replay.h"
#include "server/store/commit_queue.h"
#include "tests/support/memory_store.h"
#include "tests/support/message_builders.h"
#include "tests/support/run_builders.h"
#include "tests/support/session_driver.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::AtSeconds;
using ::firekeeper::testing::Closing;
using ::firekeeper::testing::Declaring;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::kRunId;
using ::firekeeper::testing::MakeChunks;
using ::firekeeper::testing::MakeGap;
using ::firekeeper::testing::MakeOpen;
using ::firekeeper::testing::MakeProgress;
using ::firekeeper::testing::MakeSummarySnapshot;
using ::firekeeper::testing::MakeTensorSnapshot;
using ::firekeeper::testing::MemoryStore;
using ::firekeeper::testing::Opening;
using ::firekeeper::testing::Reporting;
using ::firekeeper::testing::SessionDriver;
using ::firekeeper::testing::StatusIs;
using ::firekeeper::testing::TempDirectory;
using ::testing::_;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kTenant = "tenant";

Options SmallOptions() {
  Options options;
  options.state = testing::SmallSettings();
  return options;
}

// A registry whose runs are recorded as `options` say.
class RecordedRegistry {
 public:
  explicit RecordedRegistry(const Options& options, Store* store = nullptr)
      : queue_(store == nullptr
                   ? nullptr
                   : std::make_unique<CommitQueue>(
                         *store, CommitSettings{}, [](std::uint64_t) {},
                         [](const absl::Status&) {})),
        registry_(
            options.limits, options.state,
            [this] { return absl::FromUnixNanos(now_.load()); }, queue_.get()),
        recorder_(options, registry_, store, logger_) {
    registry_.RecordWith(&recorder_);
  }

  Registry& registry() { return registry_; }
  Recorder& recorder() { return recorder_; }
  [[nodiscard]] std::string log() const { return log_.str(); }
  std::shared_ptr<Run> run() {
    return registry_.Find({.tenant = kTenant, .run_id = kRunId}).value();
  }
  void Pass(absl::Duration time) { now_ += absl::ToInt64Nanoseconds(time); }

 private:
  std::ostringstream log_;
  Logger logger_{LogFormat::kText, LogLevel::kInfo, log_};
  std::atomic<std::int64_t> now_{absl::ToUnixNanos(AtSeconds(0))};
  std::unique_ptr<CommitQueue> queue_;
  Registry registry_;
  Recorder recorder_;
};

v1::Open OpenOfSource(std::uint32_t source, std::uint32_t sources) {
  v1::Open open = MakeOpen();
  open.set_instance_id(100 + source);
  open.set_source(source);
  open.set_source_count(sources);
  return open;
}

std::vector<std::string> FilesIn(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    files.push_back(file.path());
  }
  return files;
}

std::vector<record::v1::Entry> EntriesOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  google::protobuf::io::ArrayInputStream input(bytes.data(),
                                               static_cast<int>(bytes.size()));
  std::vector<record::v1::Entry> entries;
  record::v1::Entry entry;
  while (google::protobuf::util::ParseDelimitedFromZeroCopyStream(
      &entry, &input, nullptr)) {
    entries.push_back(entry);
    entry.Clear();
  }
  return entries;
}

void WriteEntries(const std::vector<record::v1::Entry>& entries,
                  const std::string& path) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  for (const record::v1::Entry& entry : entries) {
    google::protobuf::util::SerializeDelimitedToOstream(entry, &file);
  }
}

class RecordTest : public ::testing::Test {
 protected:
  RecordTest() { options_.record = directory_.path(); }

  // Steps `from` to `last` of a stream that has opened.
  void Train(SessionDriver& driver, std::int64_t from, std::int64_t last) {
    for (std::int64_t step = from; step <= last; ++step) {
      recorded_->Pass(absl::Milliseconds(100));
      ASSERT_THAT(driver.Send(static_cast<std::uint64_t>(step) + 1,
                              {MakeSummarySnapshot(step)}),
                  IsOk());
      ASSERT_THAT(driver.Say(Reporting(MakeProgress(step))), IsOk());
    }
  }
  // A whole run of one source.
  void TrainRun() {
    SessionDriver driver(recorded_->registry(), kTenant);
    ASSERT_THAT(driver.Say(Opening(MakeOpen())), IsOk());
    Train(driver, 0, 40);
    recorded_->registry().Sweep();
    ASSERT_THAT(driver.Say(Closing(41)), IsOk());
  }
  // The one recording there is.
  std::string File() {
    const auto files = FilesIn(directory_.path());
    EXPECT_THAT(files, SizeIs(1));
    return files.front();
  }
  static ReplayReport ReplayOf(const std::string& path) {
    auto report = Replay(path);
    EXPECT_THAT(report, IsOk());
    return report.ok() ? *report : ReplayReport();
  }

  TempDirectory directory_;
  Options options_ = SmallOptions();
  MemoryStore store_;
  std::unique_ptr<RecordedRegistry> recorded_;
};

class RecordedRunTest : public RecordTest {
 protected:
  void SetUp() override {
    recorded_ = std::make_unique<RecordedRegistry>(options_);
  }
};

TEST_F(RecordedRunTest, ReplaysToTheSame) {
  TrainRun();

  const ReplayReport report = ReplayOf(File());

  EXPECT_THAT(report.differences, IsEmpty());
  EXPECT_EQ(report.messages, 84U);
  EXPECT_GT(report.decisions, 5U);
  EXPECT_EQ(report.outcomes, 1U);
  EXPECT_EQ(report.outcome.counters().accepted(), 41U);
  EXPECT_TRUE(report.outcome.ended());
}

TEST_F(RecordedRunTest, ReplaysDuplicatesGapsRefusalsAndAnotherAttempt) {
  Registry& registry = recorded_->registry();
  {
    SessionDriver driver(registry, kTenant);
    ASSERT_THAT(driver.Say(Opening(MakeOpen())), IsOk());
    Train(driver, 0, 9);
    ASSERT_THAT(driver.Send(5, {MakeSummarySnapshot(4)}), IsOk());
    ASSERT_THAT(driver.Say(Declaring(MakeGap(11, 14))), IsOk());
    // The same step again, with other content.
    v1::Snapshot other = MakeSummarySnapshot(8);
    other.set_step(9);
    ASSERT_THAT(driver.Send(15, {other}), IsOk());
    ASSERT_THAT(driver.rejects(), SizeIs(1));
    for (const v1::Snapshot& chunk : MakeChunks(16, 7)) {
      ASSERT_THAT(driver.Send(16, {chunk}), IsOk());
    }
  }
  recorded_->Pass(absl::Minutes(5));
  registry.Sweep();
  v1::Open second = MakeOpen();
  second.set_launch_token("second");
  second.set_instance_id(99);
  second.set_resume_step(5);
  SessionDriver driver(registry, kTenant);
  ASSERT_THAT(driver.Say(Opening(second)), IsOk());
  ASSERT_THAT(driver.Send(1, {MakeTensorSnapshot(5)}), IsOk());
  recorded_->run()->Assess(registry.Now());
  recorded_->recorder().Finish();

  const ReplayReport report = ReplayOf(File());

  EXPECT_THAT(report.differences, IsEmpty());
  EXPECT_EQ(report.outcome.attempts(), 2U);
  EXPECT_EQ(report.outcome.counters().gap(), 4U);
  EXPECT_EQ(report.outcome.counters().conflicting(), 1U);
}

TEST_F(RecordedRunTest, ReplaysManyStreamsThatCameAtOnce) {
  constexpr std::uint32_t kSources = 4;
  std::atomic<bool> done{false};
  std::thread sweeper([&] {
    while (!done) {
      recorded_->Pass(absl::Seconds(1));
      recorded_->registry().Sweep();
    }
  });
  std::vector<std::thread> sources;
  for (std::uint32_t source = 0; source < kSources; ++source) {
    sources.emplace_back([this, source] {
      SessionDriver driver(recorded_->registry(), kTenant);
      ASSERT_THAT(driver.Say(Opening(OpenOfSource(source, kSources))), IsOk());
      Train(driver, 0, 60);
      ASSERT_THAT(driver.Say(Closing(61)), IsOk());
    });
  }
  for (std::thread& source : sources) source.join();
  done = true;
  sweeper.join();
  recorded_->recorder().Finish();

  const ReplayReport report = ReplayOf(File());

  EXPECT_THAT(report.differences, IsEmpty());
  // The clock races, so some come too late: the same ones.
  const auto& counters = report.outcome.counters();
  EXPECT_EQ(counters.accepted() + counters.rejected(), 61U * kSources);
  EXPECT_EQ(counters.accepted(),
            recorded_->run()->View(AtSeconds(0)).counters.accepted);
}

TEST_F(RecordedRunTest, ReplaysAReport) {
  v1::ReportRequest request;
  *request.mutable_open() = MakeOpen();
  *request.add_batches() =
      testing::Batched(1, {MakeSummarySnapshot(0), MakeSummarySnapshot(1)})
          .batch();
  *request.mutable_progress() = MakeProgress(1);
  request.set_close(true);
  v1::ReportResponse response;
  ASSERT_THAT(
      IngestSession(recorded_->registry(), kTenant, [](const std::string&) {})
          .OnReport(request, &response),
      IsOk());

  const ReplayReport report = ReplayOf(File());

  EXPECT_THAT(report.differences, IsEmpty());
  EXPECT_EQ(report.outcome.counters().accepted(), 2U);
  EXPECT_TRUE(report.outcome.ended());
}

TEST_F(RecordedRunTest, AMissingMessageIsNoticed) {
  TrainRun();
  const std::string path = File();
  std::vector<record::v1::Entry> entries = EntriesOf(path);
  const auto batch = std::ranges::find_if(entries, [](const auto& entry) {
    return entry.message().request().batch().first_seq() == 41;
  });
  ASSERT_NE(batch, entries.end());
  entries.erase(batch);
  WriteEntries(entries, path);

  const ReplayReport report = ReplayOf(path);

  EXPECT_GT(report.difference_count, 0U);
  EXPECT_THAT(report.differences, Contains(HasSubstr("accepted")));
  EXPECT_THAT(ToText(report), HasSubstr("DIFFERENT"));
}

TEST_F(RecordedRunTest, AnotherDecisionIsNoticed) {
  TrainRun();
  const std::string path = File();
  std::vector<record::v1::Entry> entries = EntriesOf(path);
  for (record::v1::Entry& entry : entries) {
    if (!entry.has_windows_closed()) continue;
    entry.mutable_windows_closed()->set_before_step(1'000);
    break;
  }
  WriteEntries(entries, path);

  EXPECT_THAT(ReplayOf(path).differences, Contains(HasSubstr("1000")));
}

TEST_F(RecordedRunTest, AFileThatEndsAnywhereReplaysAsFarAsItGoes) {
  TrainRun();
  const std::string path = File();
  const auto whole = std::filesystem::file_size(path);
  const std::uint64_t header = EntriesOf(path).front().ByteSizeLong() + 2;
  for (std::uint64_t size = whole; size > header; size -= 97) {
    std::filesystem::resize_file(path, size);

    const ReplayReport report = ReplayOf(path);

    // The decisions that follow a message may be cut off.
    for (const std::string& difference : report.differences) {
      EXPECT_THAT(difference, HasSubstr("was not recorded")) << size;
    }
    if (size < header + 97) break;
  }
}

TEST_F(RecordedRunTest, OnlyItsOwnerReadsIt) {
  TrainRun();

  EXPECT_EQ(
      std::filesystem::status(File()).permissions(),
      std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(RecordedRunTest, GoesWithTheRun) {
  TrainRun();
  SessionDriver other(recorded_->registry(), kTenant);
  ASSERT_THAT(other.Say(Opening(MakeOpen("digits_1"))), IsOk());
  ASSERT_THAT(FilesIn(directory_.path()), SizeIs(2));

  ASSERT_THAT(recorded_->registry().Delete({kTenant, kRunId}), IsOk());

  EXPECT_THAT(File(), HasSubstr("digits_1"));
}

TEST_F(RecordedRunTest, ARefusedOpenLeavesNothing) {
  v1::Open open = MakeOpen();
  open.set_source(7);
  SessionDriver driver(recorded_->registry(), kTenant);

  ASSERT_FALSE(driver.Say(Opening(open)).ok());

  EXPECT_THAT(FilesIn(directory_.path()), IsEmpty());
}

TEST_F(RecordTest, EndsAtItsSizeAndTheRunGoesOn) {
  options_.max_recording_bytes = 8'192;
  recorded_ = std::make_unique<RecordedRegistry>(options_);
  TrainRun();

  EXPECT_EQ(recorded_->run()->View(AtSeconds(0)).counters.accepted, 41U);
  EXPECT_LT(std::filesystem::file_size(File()), 8'192U + 64U);
  EXPECT_THAT(recorded_->log(), HasSubstr("recording_ended"));
  const ReplayReport report = ReplayOf(File());
  EXPECT_TRUE(report.cut_short);
  for (const std::string& difference : report.differences) {
    EXPECT_THAT(difference, HasSubstr("was not recorded"));
  }
}

TEST_F(RecordTest, NoStreamBeginsARecordingThatHasEnded) {
  options_.max_recording_bytes = 8'192;
  recorded_ = std::make_unique<RecordedRegistry>(options_, &store_);
  TrainRun();
  ASSERT_THAT(recorded_->log(), HasSubstr("recording_ended"));

  SessionDriver again(recorded_->registry(), kTenant);
  ASSERT_THAT(again.Say(Opening(MakeOpen())), IsOk());

  EXPECT_THAT(FilesIn(directory_.path()), SizeIs(1));
  // Whoever asks gets another.
  ASSERT_THAT(recorded_->recorder().Start(*recorded_->run()), IsOk());
  EXPECT_THAT(FilesIn(directory_.path()), SizeIs(2));
}

TEST_F(RecordTest, BeginsInTheMiddleWithWhatTheStoreHas) {
  options_.record.clear();
  options_.data_dir = directory_.path();
  recorded_ = std::make_unique<RecordedRegistry>(options_, &store_);
  SessionDriver before(recorded_->registry(), kTenant);
  ASSERT_THAT(before.Say(Opening(MakeOpen())), IsOk());
  Train(before, 0, 20);
  // It has passed a window that no progress has told of.
  ASSERT_THAT(before.Send(22, {MakeSummarySnapshot(36)}), IsOk());

  const auto place = recorded_->recorder().Start(*recorded_->run());

  ASSERT_THAT(place, IsOk());
  // The stream is told to come back.
  EXPECT_THAT(before.Send(23, {MakeSummarySnapshot(21)}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("recording")));
  before.HangUp();
  SessionDriver after(recorded_->registry(), kTenant);
  ASSERT_THAT(after.Say(Opening(MakeOpen())), IsOk());
  EXPECT_EQ(after.answers().at(0).opened().accepted_seq(), 22U);
  for (std::int64_t step = 37; step <= 60; ++step) {
    ASSERT_THAT(after.Send(static_cast<std::uint64_t>(step) - 14,
                           {MakeSummarySnapshot(step)}),
                IsOk());
    ASSERT_THAT(after.Say(Reporting(MakeProgress(step))), IsOk());
  }
  const auto stopped =
      recorded_->recorder().Stop(*recorded_->run(), AtSeconds(100));
  ASSERT_THAT(stopped, IsOk());
  EXPECT_EQ(stopped->path, place->path);
  const ReplayReport report = ReplayOf(place->path);
  EXPECT_THAT(report.differences, IsEmpty());
  EXPECT_EQ(report.outcomes, 1U);
  EXPECT_EQ(report.outcome.counters().accepted(), 46U);
}

TEST_F(RecordTest, ARunGoesOnWhenItsRecordingEnds) {
  recorded_ = std::make_unique<RecordedRegistry>(options_);
  SessionDriver driver(recorded_->registry(), kTenant);
  ASSERT_THAT(driver.Say(Opening(MakeOpen())), IsOk());
  Train(driver, 0, 3);

  ASSERT_THAT(recorded_->recorder().Stop(*recorded_->run(), AtSeconds(9)),
              IsOk());

  Train(driver, 4, 8);
  EXPECT_EQ(ReplayOf(File()).outcome.counters().accepted(), 4U);
  EXPECT_THAT(recorded_->recorder().Stop(*recorded_->run(), AtSeconds(9)),
              StatusIs(absl::StatusCode::kFailedPrecondition, _));
}

TEST_F(RecordTest, WithoutAPlaceNothingIsRecorded) {
  options_.record.clear();
  recorded_ = std::make_unique<RecordedRegistry>(options_);
  TrainRun();

  EXPECT_THAT(
      recorded_->recorder().Start(*recorded_->run()),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("--data-dir")));
}

TEST(ReplayTest, WhatIsNoRecordingIsRefused) {
  const TempDirectory directory;
  std::ofstream(directory / "file") << "hello, world";

  EXPECT_THAT(
      Replay(directory / "file"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no recording")));
  EXPECT_THAT(Replay(directory / "none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

TEST(ReplayTest, RecordingsOfEarlierVersionsReplayToTheSame) {
  int recordings = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(FIREKEEPER_GOLDEN)) {
    if (file.path().extension() != ".fkrec") continue;
    ++recordings;
    const auto report = Replay(file.path());
    ASSERT_THAT(report, IsOk()) << file.path();
    EXPECT_THAT(report->differences, IsEmpty()) << file.path();
    EXPECT_GT(report->outcomes, 0U) << file.path();
  }
  EXPECT_GT(recordings, 0);
}

TEST(ReplayTest, ANewerFormatIsRefused) {
  const TempDirectory directory;
  record::v1::Entry entry;
  entry.mutable_header()->set_format(kRecordingFormat + 1);
  WriteEntries({entry}, directory / "file");

  EXPECT_THAT(
      Replay(directory / "file"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("format 2")));
}

}  // namespace
}  // namespace firekeeper::server
