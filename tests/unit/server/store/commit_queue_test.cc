// When changes become durable, in which groups, and what happens when they
// cannot.

#include "server/store/commit_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_contents.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::MemoryStore;
using ::firekeeper::testing::PutOf;
using ::firekeeper::testing::RowsOf;
using ::firekeeper::testing::StatusIs;
using ::firekeeper::testing::StoredRow;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Nothing but a flush or a full group commits.
constexpr CommitSettings kPatient = {.interval = std::chrono::hours(1),
                                     .group_bytes = std::size_t{1} << 20,
                                     .retry = std::chrono::hours(1)};
constexpr absl::Duration kSoon = absl::Seconds(60);

// A queue over a store in memory, and what it said.
class CommitQueueTest : public ::testing::Test {
 protected:
  void Start(const CommitSettings& settings) {
    queue_.emplace(
        store_, settings,
        [this](std::uint64_t ticket) {
          const absl::MutexLock lock(&mutex_);
          told_.push_back(ticket);
        },
        [this](const absl::Status& status) {
          const absl::MutexLock lock(&mutex_);
          failures_.push_back(status);
        });
  }
  std::uint64_t Put(const std::string& key, const std::string& value) {
    return queue_->Add(PutOf(Table::kMark, 1, key, value));
  }
  absl::Status Flush() { return queue_->Flush(absl::Now() + kSoon); }
  std::vector<StoredRow> Rows() { return RowsOf(store_, Table::kMark, 1); }
  std::vector<std::uint64_t> told() {
    const absl::MutexLock lock(&mutex_);
    return told_;
  }
  std::vector<absl::Status> failures() {
    const absl::MutexLock lock(&mutex_);
    return failures_;
  }
  // Waits for a word from the committing thread.
  bool Await(const std::function<bool()>& condition) {
    const absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&condition), kSoon);
  }
  bool AwaitTicket(std::uint64_t ticket) {
    return Await([&] { return !told_.empty() && told_.back() >= ticket; });
  }
  bool AwaitFailure() {
    return Await([&] { return !failures_.empty(); });
  }

  MemoryStore store_;
  absl::Mutex mutex_;
  std::vector<std::uint64_t> told_;
  std::vector<absl::Status> failures_;
  std::optional<CommitQueue> queue_;  // last: calls back until it is gone
};

// Holds a store's next commit until it is let go.
class HeldCommit {
 public:
  explicit HeldCommit(MemoryStore& store) {
    store.SetGate([held = held_](const WriteBatch&) {
      if (!held->begun.HasBeenNotified()) held->begun.Notify();
      held->let_go.WaitForNotification();
      return absl::OkStatus();
    });
  }
  void WaitUntilBegun() { held_->begun.WaitForNotification(); }
  void LetGo() { held_->let_go.Notify(); }

 private:
  struct Held {
    absl::Notification begun;
    absl::Notification let_go;
  };

  std::shared_ptr<Held> held_ = std::make_shared<Held>();
};

TEST_F(CommitQueueTest, TicketsRiseFromOne) {
  Start(kPatient);

  EXPECT_EQ(Put("a", "1"), 1U);
  EXPECT_EQ(Put("b", "2"), 2U);
  EXPECT_EQ(queue_->committed(), 0U);
}

TEST_F(CommitQueueTest, FlushCommitsWhatIsThere) {
  Start(kPatient);
  Put("a", "1");
  Put("b", "2");

  ASSERT_THAT(Flush(), IsOk());

  EXPECT_EQ(queue_->committed(), 2U);
  EXPECT_EQ(queue_->waiting_bytes(), 0U);
  EXPECT_THAT(Rows(), ElementsAre(StoredRow{.key = "a", .value = "1"},
                                  StoredRow{.key = "b", .value = "2"}));
  EXPECT_EQ(store_.Figures().commits, 1U) << "as one group";
}

TEST_F(CommitQueueTest, FlushOfNothingIsDoneAtOnce) {
  Start(kPatient);

  EXPECT_THAT(Flush(), IsOk());
  EXPECT_EQ(store_.Figures().commits, 0U);
}

TEST_F(CommitQueueTest, TellsTheGreatestTicketThatIsSafe) {
  Start(kPatient);
  Put("a", "1");
  Put("b", "2");
  ASSERT_THAT(Flush(), IsOk());
  Put("c", "3");
  ASSERT_THAT(Flush(), IsOk());
  queue_.reset();

  EXPECT_THAT(told(), ElementsAre(2U, 3U));
}

TEST_F(CommitQueueTest, AnEmptyBatchBecomesSafeInItsTurn) {
  Start(kPatient);
  Put("a", "1");
  EXPECT_EQ(queue_->Add({}), 2U);

  ASSERT_THAT(Flush(), IsOk());

  EXPECT_EQ(queue_->committed(), 2U);
}

TEST_F(CommitQueueTest, LaterChangesWin) {
  Start(kPatient);
  Put("a", "old");
  Put("a", "new");

  ASSERT_THAT(Flush(), IsOk());

  EXPECT_THAT(Rows(), ElementsAre(StoredRow{.key = "a", .value = "new"}));
}

TEST_F(CommitQueueTest, WritesARowOfAGroupOnce) {
  std::size_t puts = 0;
  store_.SetGate([&puts](const WriteBatch& batch) {
    puts += batch.mutations().size();
    return absl::OkStatus();
  });
  Start(kPatient);
  for (int i = 0; i < 10; ++i) Put("a", std::to_string(i));

  ASSERT_THAT(Flush(), IsOk());

  EXPECT_EQ(puts, 1U);
  EXPECT_EQ(queue_->committed(), 10U);
}

TEST_F(CommitQueueTest, AnEraseBetweenPutsStaysBetweenThem) {
  Start(kPatient);
  Put("a", "old");
  Put("b", "old");
  WriteBatch erase;
  erase.EraseRange(Table::kMark, 1, "", "");
  queue_->Add(std::move(erase));
  Put("a", "new");

  ASSERT_THAT(Flush(), IsOk());

  EXPECT_THAT(Rows(), ElementsAre(StoredRow{.key = "a", .value = "new"}));
}

TEST_F(CommitQueueTest, AFullGroupNeedsNoFlush) {
  CommitSettings settings = kPatient;
  settings.group_bytes = 10;
  Start(settings);
  Put("a", "12345");
  const std::uint64_t last = Put("b", "12345");

  EXPECT_TRUE(AwaitTicket(last));
}

TEST_F(CommitQueueTest, AGroupGrowsNoFurtherThanItsSize) {
  CommitSettings settings = kPatient;
  settings.group_bytes = 10;
  settings.most_bytes = 10;
  HeldCommit held(store_);
  Start(settings);
  Put("a", "1234567890");
  held.WaitUntilBegun();
  for (const char* key : {"b", "c", "d", "e"}) Put(key, "1234");
  held.LetGo();
  ASSERT_THAT(Flush(), IsOk());

  EXPECT_EQ(store_.Figures().commits, 3U) << "a, then b and c, then d and e";
}

TEST_F(CommitQueueTest, FullGroupsThatWaitedAreCommittedTogether) {
  CommitSettings settings = kPatient;
  settings.group_bytes = 10;
  settings.most_bytes = 25;
  HeldCommit held(store_);
  Start(settings);
  Put("a", "1234567890");
  held.WaitUntilBegun();
  for (const char* key : {"b", "c", "d", "e", "f", "g"}) Put(key, "1234");
  held.LetGo();
  ASSERT_THAT(Flush(), IsOk());

  EXPECT_EQ(store_.Figures().commits, 3U) << "a, then b to e, then f and g";
  EXPECT_EQ(Rows().size(), 7U);
}

TEST_F(CommitQueueTest, TheIntervalCountsFromTheFirstChange) {
  CommitSettings settings = kPatient;
  settings.interval = std::chrono::milliseconds(20);
  Start(settings);
  const absl::Time start = absl::Now();
  const std::uint64_t ticket = Put("a", "1");

  EXPECT_TRUE(AwaitTicket(ticket));
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(19));
}

TEST_F(CommitQueueTest, NoIntervalCommitsAtOnce) {
  CommitSettings settings = kPatient;
  settings.interval = std::chrono::milliseconds(0);
  Start(settings);

  EXPECT_TRUE(AwaitTicket(Put("a", "1")));
}

TEST_F(CommitQueueTest, CountsBytesThatWait) {
  HeldCommit held(store_);
  Start(kPatient);
  Put("a", "1234");
  std::jthread flush([this] { EXPECT_THAT(Flush(), IsOk()); });
  held.WaitUntilBegun();
  Put("b", "12");

  EXPECT_EQ(queue_->waiting_bytes(), 8U) << "five under way, three queued";
  held.LetGo();
}

TEST_F(CommitQueueTest, FlushGivesUpAtItsDeadline) {
  HeldCommit held(store_);
  Start(kPatient);
  Put("a", "1");

  EXPECT_THAT(queue_->Flush(absl::Now() + absl::Milliseconds(1)),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("wait")));
  held.LetGo();
  EXPECT_THAT(Flush(), IsOk()) << "nothing was lost";
}

TEST_F(CommitQueueTest, SaysHowLongACommitTook) {
  HeldCommit held(store_);
  Start(kPatient);
  Put("a", "1");
  EXPECT_FALSE(queue_->Flush(absl::Now() + absl::Milliseconds(5)).ok());
  held.LetGo();
  ASSERT_THAT(Flush(), IsOk());

  EXPECT_GT(queue_->last_commit_duration(), absl::ZeroDuration());
}

TEST_F(CommitQueueTest, AFullDiskKeepsWhatIsQueued) {
  Start(kPatient);
  store_.FailCommits(absl::ResourceExhaustedError("disk full"));
  Put("a", "1");

  EXPECT_THAT(Flush(),
              StatusIs(absl::StatusCode::kResourceExhausted, "disk full"));
  EXPECT_THAT(queue_->state(),
              StatusIs(absl::StatusCode::kResourceExhausted, "disk full"));
  EXPECT_EQ(queue_->waiting_bytes(), 2U);
  EXPECT_EQ(queue_->committed(), 0U);
  EXPECT_THAT(failures(), IsEmpty());
}

TEST_F(CommitQueueTest, AFlushTriesAgainAtOnceWhereThereIsSpace) {
  Start(kPatient);
  store_.FailCommits(absl::ResourceExhaustedError("disk full"));
  Put("a", "1");
  EXPECT_FALSE(Flush().ok());
  EXPECT_FALSE(Flush().ok());
  store_.FailCommits(absl::OkStatus());
  Put("b", "2");

  ASSERT_THAT(Flush(), IsOk());

  EXPECT_THAT(queue_->state(), IsOk());
  EXPECT_EQ(Rows().size(), 2U);
}

TEST_F(CommitQueueTest, TriesAgainByItselfWhereTheDiskWasFull) {
  CommitSettings settings = kPatient;
  settings.retry = std::chrono::milliseconds(1);
  int refusals = 3;
  store_.SetGate([&refusals](const WriteBatch&) {
    return refusals-- > 0 ? absl::ResourceExhaustedError("disk full")
                          : absl::OkStatus();
  });
  settings.group_bytes = 1;
  Start(settings);

  EXPECT_TRUE(AwaitTicket(Put("a", "1")));
  EXPECT_THAT(queue_->state(), IsOk());
}

TEST_F(CommitQueueTest, AFailureIsToldOnceAndIsFinal) {
  Start(kPatient);
  store_.FailCommits(absl::DataLossError("sync failed"));
  Put("a", "1");
  EXPECT_THAT(Flush(), StatusIs(absl::StatusCode::kDataLoss, "sync failed"));
  store_.FailCommits(absl::OkStatus());

  EXPECT_EQ(Put("b", "2"), 2U) << "accepted";
  EXPECT_THAT(Flush(), StatusIs(absl::StatusCode::kDataLoss, "sync failed"));

  ASSERT_TRUE(AwaitFailure());
  queue_.reset();
  EXPECT_THAT(failures(), ElementsAre(StatusIs(absl::StatusCode::kDataLoss,
                                               "sync failed")));
  EXPECT_THAT(told(), IsEmpty());
  EXPECT_THAT(Rows(), IsEmpty());
}

TEST_F(CommitQueueTest, AnotherOwnerIsAFailureToo) {
  Start(kPatient);
  store_.FailCommits(absl::AbortedError("taken over"));
  Put("a", "1");

  EXPECT_THAT(Flush(), StatusIs(absl::StatusCode::kAborted, _));
  EXPECT_THAT(queue_->state(), StatusIs(absl::StatusCode::kAborted, _));
}

TEST_F(CommitQueueTest, WhatWasCommittedBeforeAFailureStays) {
  Start(kPatient);
  Put("a", "1");
  ASSERT_THAT(Flush(), IsOk());
  store_.FailCommits(absl::DataLossError("sync failed"));
  Put("b", "2");
  EXPECT_FALSE(Flush().ok());

  EXPECT_EQ(queue_->committed(), 1U);
  EXPECT_EQ(Rows().size(), 1U);
}

TEST_F(CommitQueueTest, TheEndCommitsWhatIsThere) {
  Start(kPatient);
  Put("a", "1");
  queue_.reset();

  EXPECT_EQ(Rows().size(), 1U);
  EXPECT_THAT(told(), ElementsAre(1U));
}

TEST_F(CommitQueueTest, TheEndDoesNotWaitForSpace) {
  Start(kPatient);
  store_.FailCommits(absl::ResourceExhaustedError("disk full"));
  Put("a", "1");
  EXPECT_FALSE(Flush().ok());

  queue_.reset();

  EXPECT_THAT(Rows(), IsEmpty());
}

}  // namespace
}  // namespace firekeeper::server
