// Streams, queries and the sweeper at once. Whatever the order, every
// contribution counts once; ThreadSanitizer watches.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "server/ingest/session.h"
#include "tests/support/session_driver.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::AtSeconds;
using ::firekeeper::testing::Closing;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::kExamples;
using ::firekeeper::testing::kLayerName;
using ::firekeeper::testing::kRunId;
using ::firekeeper::testing::MakeOpen;
using ::firekeeper::testing::MakeProgress;
using ::firekeeper::testing::MakeSummarySnapshot;
using ::firekeeper::testing::MakeTensorSnapshot;
using ::firekeeper::testing::Opening;
using ::firekeeper::testing::Reporting;
using ::firekeeper::testing::SessionDriver;
using ::firekeeper::testing::SmallSettings;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint32_t kRanks = 3;
constexpr std::int64_t kSteps = 64;

v1::Open OpenOfRank(std::uint32_t rank, const std::string& run_id = kRunId,
                    const std::string& token = "life-1") {
  v1::Open open = MakeOpen(run_id);
  open.set_launch_token(token);
  open.set_source(rank);
  open.set_source_count(kRanks);
  open.set_instance_id(100 + rank);
  return open;
}

// Streams every step, breaking off and resending now and then.
void Train(Registry& registry, std::uint32_t rank) {
  std::int64_t step = 0;
  while (step < kSteps) {
    SessionDriver stream(registry);
    ASSERT_THAT(stream.Say(Opening(OpenOfRank(rank))), IsOk());
    const std::int64_t resend = std::max<std::int64_t>(0, step - 2);
    const std::int64_t end = std::min<std::int64_t>(kSteps, step + 9);
    for (step = resend; step < end; ++step) {
      const v1::Snapshot snapshot =
          step % 2 == 0 ? MakeTensorSnapshot(step) : MakeSummarySnapshot(step);
      const auto seq = static_cast<std::uint64_t>(step) + 1;
      ASSERT_THAT(stream.Send(seq, {snapshot}), IsOk());
      ASSERT_THAT(stream.Say(Reporting(MakeProgress(step))), IsOk());
    }
    if (step == kSteps) {
      ASSERT_THAT(stream.Say(Closing(static_cast<std::uint64_t>(kSteps))),
                  IsOk());
    }
  }
}

void Query(Registry& registry) {
  for (const auto& run : registry.All()) {
    (void)run->View(registry.Now());
    run->Assess(registry.Now());
    (void)run->Assessed();
    (void)run->events().After(0, 100);
    for (const auto& layer : run->Layers()) {
      const LayerView view = layer->View(run->UnitCount());
      (void)layer->Units({.units = run->UnitCount()},
                         {core::HealthState::kDead}, 0, 10);
      for (const SignalView& signal : view.signals) {
        (void)layer->History(signal.signal, signal.phase);
      }
    }
  }
}

// Runs `work` once for each of `count` numbers, each on its own thread, while
// others query and sweep.
template <typename Work>
void AtOnce(Registry& registry, std::uint32_t count, const Work& work) {
  std::atomic<bool> done = false;
  std::jthread reader([&] {
    while (!done) Query(registry);
  });
  std::jthread sweeper([&] {
    while (!done) registry.Sweep();
  });
  {
    std::vector<std::jthread> workers;
    for (std::uint32_t i = 0; i < count; ++i) {
      workers.emplace_back([&work, i] { work(i); });
    }
  }
  done = true;
}

StateSettings ThreadSettings() {
  StateSettings settings = SmallSettings();
  // No window leaves, however far one rank is behind.
  settings.retained_windows = 100;
  settings.health.horizon_windows = 100;
  return settings;
}

TEST(StateThreadsTest, EveryContributionCountsOnce) {
  Registry registry(Limits(), ThreadSettings(), [] { return AtSeconds(0); });

  AtOnce(registry, kRanks, [&](std::uint32_t rank) { Train(registry, rank); });

  const auto run = registry.Find({.tenant = "tenant", .run_id = kRunId});
  ASSERT_THAT(run, IsOk());
  const RunView view = (*run)->View(registry.Now());
  EXPECT_EQ(view.state, RunState::kEnded);
  EXPECT_EQ(view.counters.accepted, kRanks * std::uint64_t{kSteps});
  EXPECT_EQ(view.counters.rejected, 0U);
  EXPECT_EQ(view.counters.fenced, 0U);
  const auto layer = (*run)->FindLayer(kLayerName);
  const UnitPage page = layer->Units((*run)->Facts(), {}, 0, 10);
  const std::uint64_t observations = kRanks * std::uint64_t{kSteps} * kExamples;
  ASSERT_THAT(page.units, SizeIs(4));
  EXPECT_EQ(page.units[0].horizon_observations, observations);
  EXPECT_EQ(page.units[0].horizon_firings, observations);
  EXPECT_EQ(page.units[1].horizon_firings, observations / 2);
  EXPECT_EQ(page.units[3].horizon_firings, 0U);
  EXPECT_EQ(page.units[3].health.silent_observations, observations);
  EXPECT_EQ(page.units[3].health.state, core::HealthState::kDead);
}

// Lives of one job start at the same time: the last one to arrive goes on, all
// others are fenced, and nothing of them stays but life.
TEST(StateThreadsTest, OnlyOneAttemptGoesOn) {
  Registry registry(Limits(), ThreadSettings(), [] { return AtSeconds(0); });
  constexpr std::uint32_t kLives = 4;
  std::atomic<int> survivors = 0;

  AtOnce(registry, kLives, [&](std::uint32_t life) {
    v1::Open open = MakeOpen();
    open.set_launch_token("life-" + std::to_string(life));
    SessionDriver stream(registry);
    absl::Status status = stream.Say(Opening(open));
    for (std::int64_t step = 0; status.ok() && step < kSteps; ++step) {
      status = stream.Send(static_cast<std::uint64_t>(step) + 1,
                           {MakeTensorSnapshot(step)});
    }
    if (status.ok()) {
      ++survivors;
    } else {
      EXPECT_TRUE(stream.fenced()) << status;
    }
    stream.HangUp();
  });

  const auto run = registry.Find({.tenant = "tenant", .run_id = kRunId});
  const RunView view = (*run)->View(registry.Now());
  EXPECT_THAT(view.attempts, SizeIs(kLives));
  EXPECT_GE(survivors, 1);
  const auto layer = (*run)->FindLayer(kLayerName);
  const UnitPage page = layer->Units((*run)->Facts(), {}, 0, 10);
  EXPECT_EQ(page.units[0].horizon_observations,
            std::uint64_t{kSteps} * kExamples)
      << "the steps of one attempt";
}

TEST(StateThreadsTest, RunsMayGoWhileTheyAreUsed) {
  Registry registry(Limits(), ThreadSettings(), [] { return AtSeconds(0); });

  AtOnce(registry, 3, [&](std::uint32_t thread) {
    for (int round = 0; round < 30; ++round) {
      if (thread == 2) {
        (void)registry.Delete({.tenant = "tenant", .run_id = kRunId});
        continue;
      }
      // Refused for its width, so that its run is dropped again and again
      // under the feet of the other one.
      v1::Open open = OpenOfRank(thread);
      if (thread == 1) open.set_source_count(kRanks + 1);
      SessionDriver stream(registry);
      absl::Status status = stream.Say(Opening(open));
      for (std::uint64_t seq = 1; status.ok() && seq < 4; ++seq) {
        status = stream.Send(
            seq, {MakeTensorSnapshot(static_cast<std::int64_t>(seq))});
      }
    }
  });
  for (const auto& run : registry.All()) {
    (void)registry.Delete({.tenant = "tenant", .run_id = run->run_id()});
  }

  EXPECT_THAT(registry.All(), IsEmpty());
  EXPECT_EQ(registry.memory().used(), 0U) << "nothing leaked";
}

}  // namespace
}  // namespace firekeeper::server
