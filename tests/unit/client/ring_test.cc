#include "client/cpp/ring.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>

namespace firekeeper::client {
namespace {

constexpr std::size_t kRoomy = std::size_t{1} << 20;

std::shared_ptr<const v1::Snapshot> SnapshotOf(std::int64_t step,
                                               std::size_t bytes = 0) {
  auto snapshot = std::make_shared<v1::Snapshot>();
  snapshot->set_step(step);
  snapshot->mutable_tensor()->set_data(std::string(bytes, 'x'));
  return snapshot;
}

std::uint64_t Accounted(const Ring& ring) {
  return ring.acked() + ring.rejected() + ring.dropped() + ring.buffered();
}

// A ring that holds three snapshots of 10,000 bytes and no fourth.
Ring RingOfThree() { return Ring(35'000); }

TEST(RingTest, NumbersFromOneWithoutHoles) {
  Ring ring(kRoomy);

  EXPECT_EQ(ring.first_held(), 1U);
  EXPECT_EQ(ring.next_seq(), 1U);
  EXPECT_EQ(ring.Push(SnapshotOf(0), 1), 1U);
  EXPECT_EQ(ring.Push(SnapshotOf(1), 1), 2U);
  EXPECT_EQ(ring.next_seq(), 3U);
}

TEST(RingTest, DropsTheOldestWhenFull) {
  Ring ring = RingOfThree();

  for (std::int64_t step = 0; step < 5; ++step) {
    ring.Push(SnapshotOf(step, 10'000), 1);
  }

  EXPECT_EQ(ring.first_held(), 3U);
  EXPECT_EQ(ring.buffered(), 3U);
  EXPECT_EQ(ring.dropped(), 2U);
  EXPECT_LE(ring.buffered_bytes(), 35'000U);
  EXPECT_EQ(ring.Find(2), nullptr);
  EXPECT_EQ(ring.Find(3)->snapshot->step(), 2);
}

TEST(RingTest, MergesDroppedNeighboursIntoOneRange) {
  Ring ring = RingOfThree();
  for (std::int64_t step = 10; step < 16; ++step) {
    ring.Push(SnapshotOf(step, 10'000), 7);
  }

  const auto lost = ring.LostFrom(1);

  ASSERT_TRUE(lost.has_value());
  EXPECT_EQ(lost->from_seq, 1U);
  EXPECT_EQ(lost->to_seq, 3U);
  EXPECT_EQ(lost->first_step, 10);
  EXPECT_EQ(lost->last_step, 12);
  EXPECT_EQ(lost->samples, 21U);
  EXPECT_FALSE(ring.LostFrom(4).has_value());
}

TEST(RingTest, MergesADroppedPrefixWithTheSlotsGivenUpBehindIt) {
  Ring ring = RingOfThree();
  for (std::int64_t step = 0; step < 4; ++step) {
    ring.Push(SnapshotOf(step, 10'000), 1);
  }
  ASSERT_TRUE(ring.Drop(2));

  const auto lost = ring.LostFrom(1);

  ASSERT_TRUE(lost.has_value());
  EXPECT_EQ(lost->to_seq, 2U);
  EXPECT_EQ(lost->last_step, 1);
}

TEST(RingTest, DropsASnapshotThatIsLargerThanItselfAndNothingElse) {
  Ring ring = RingOfThree();
  ring.Push(SnapshotOf(0, 10'000), 1);

  const std::uint64_t seq = ring.Push(SnapshotOf(1, 40'000), 1);

  EXPECT_EQ(seq, 2U);
  EXPECT_EQ(ring.dropped(), 1U);
  EXPECT_EQ(ring.buffered(), 1U);
  EXPECT_NE(ring.Find(1)->snapshot, nullptr);
  EXPECT_EQ(ring.LostFrom(2)->to_seq, 2U);
}

TEST(RingTest, AnAckFreesEverythingUpToIt) {
  Ring ring(kRoomy);
  for (std::int64_t step = 0; step < 4; ++step) ring.Push(SnapshotOf(step), 1);

  ring.AckThrough(3);

  EXPECT_EQ(ring.acked(), 3U);
  EXPECT_EQ(ring.buffered(), 1U);
  EXPECT_EQ(ring.first_held(), 4U);
}

TEST(RingTest, AnAckOfNumbersNeverGivenIsCutToThoseThatWere) {
  Ring ring(kRoomy);
  ring.Push(SnapshotOf(0), 1);

  ring.AckThrough(99);

  EXPECT_EQ(ring.acked(), 1U);
  EXPECT_EQ(ring.next_seq(), 2U);
}

TEST(RingTest, ALateAckOfADroppedSnapshotDoesNotCountItAgain) {
  Ring ring = RingOfThree();
  for (std::int64_t step = 0; step < 4; ++step) {
    ring.Push(SnapshotOf(step, 10'000), 1);
  }

  ring.AckThrough(2);

  EXPECT_EQ(ring.dropped(), 1U);
  EXPECT_EQ(ring.acked(), 1U);
  EXPECT_EQ(Accounted(ring), 4U);
}

TEST(RingTest, ARejectedSnapshotIsFreedOnce) {
  Ring ring(kRoomy);
  ring.Push(SnapshotOf(0), 1);

  EXPECT_TRUE(ring.Reject(1));
  EXPECT_FALSE(ring.Reject(1));
  EXPECT_FALSE(ring.Reject(7));
  ring.AckThrough(1);

  EXPECT_EQ(ring.rejected(), 1U);
  EXPECT_EQ(ring.acked(), 0U);
  EXPECT_EQ(ring.buffered_bytes(), 0U);
}

TEST(RingTest, TellsWhatAServerThatLostItsMemoryCannotGetAgain) {
  Ring ring(kRoomy);
  ring.Push(SnapshotOf(5), 2);
  ring.Push(SnapshotOf(6), 3);
  ring.Push(SnapshotOf(7), 4);
  ring.AckThrough(2);

  const auto lost = ring.LostFrom(1);

  ASSERT_TRUE(lost.has_value());
  EXPECT_EQ(lost->to_seq, 2U);
  EXPECT_EQ(lost->first_step, 5);
  EXPECT_EQ(lost->last_step, 6);
  EXPECT_EQ(lost->samples, 5U);
}

TEST(RingTest, DropAllKeepsTheNumbersGoing) {
  Ring ring(kRoomy);
  ring.Push(SnapshotOf(0), 1);

  ring.DropAll();

  EXPECT_EQ(ring.dropped(), 1U);
  EXPECT_EQ(ring.buffered_bytes(), 0U);
  EXPECT_EQ(ring.Push(SnapshotOf(1), 1), 2U);
}

// One random call; the seed names the whole sequence.
void Act(Ring& ring, std::mt19937& random) {
  const std::uint64_t seq = 1 + random() % (ring.next_seq() + 2);
  switch (random() % 8) {
    case 0:
      return ring.AckThrough(seq);
    case 1:
      ring.Reject(seq);
      return;
    case 2:
      ring.Drop(seq);
      return;
    case 3:
      if (random() % 50 == 0) ring.DropAll();
      return;
    default:
      ring.Push(SnapshotOf(static_cast<std::int64_t>(random() % 1000),
                           random() % 20'000),
                random() % 100);
  }
}

// Every number from the ack mark on is either held or in exactly one range.
void ExpectCovered(const Ring& ring) {
  std::uint64_t seq = ring.acked_seq() + 1;
  while (seq < ring.next_seq()) {
    const Ring::Slot* slot = ring.Find(seq);
    if (slot != nullptr && slot->snapshot != nullptr) {
      EXPECT_FALSE(ring.LostFrom(seq).has_value());
      ++seq;
      continue;
    }
    const auto lost = ring.LostFrom(seq);
    ASSERT_TRUE(lost.has_value());
    ASSERT_LE(lost->first_step, lost->last_step);
    seq = lost->to_seq + 1;
  }
  EXPECT_EQ(seq, ring.next_seq());
}

class RingPropertyTest : public ::testing::TestWithParam<unsigned> {};

TEST_P(RingPropertyTest, AccountsForEverySnapshotUnderAnyOperations) {
  std::mt19937 random(GetParam());
  Ring ring(100'000);

  for (int i = 0; i < 2000; ++i) {
    Act(ring, random);

    ASSERT_EQ(ring.enqueued(), Accounted(ring)) << "after " << i;
    ASSERT_LE(ring.buffered_bytes(), 100'000U);
    if (i % 20 == 0) ExpectCovered(ring);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RingPropertyTest, ::testing::Range(1U, 21U));

}  // namespace
}  // namespace firekeeper::client
