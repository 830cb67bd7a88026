#include "server/security/listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "tests/integration/loopback.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::Connect;
using ::firekeeper::testing::ConnectTo;
using ::firekeeper::testing::IsClosed;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::NewSocket;
using ::firekeeper::testing::StatusIs;
using ::testing::HasSubstr;

// Keeps what a listener hands over.
class Keeper {
 public:
  Listener::Handler handler() {
    return [this](int /*listening*/, int accepted) {
      const absl::MutexLock lock(&mutex_);
      kept_.emplace_back(accepted);
    };
  }
  void WaitFor(std::size_t count) {
    const absl::MutexLock lock(&mutex_);
    const auto enough = [this, count]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return kept_.size() >= count;
    };
    EXPECT_TRUE(
        mutex_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(20)));
  }
  void CloseFirst() {
    const absl::MutexLock lock(&mutex_);
    kept_.erase(kept_.begin());
  }

 private:
  absl::Mutex mutex_;
  std::vector<Descriptor> kept_;
};

std::unique_ptr<Listener> ListenerOf(std::size_t limit) {
  auto listener = Listener::Bind("127.0.0.1", 0, limit);
  EXPECT_THAT(listener, IsOk());
  return *std::move(listener);
}

TEST(ListenerTest, TakesAFreePortAndHandsConnectionsOver) {
  const auto listener = ListenerOf(8);
  Keeper keeper;
  listener->Start(keeper.handler());

  EXPECT_NE(listener->port(), 0U);
  const Descriptor client = ConnectTo(listener->port());
  keeper.WaitFor(1);

  EXPECT_FALSE(IsClosed(client.get(), 0));
  listener->Stop();
}

TEST(ListenerTest, APortInUseIsAnErrorThatNamesIt) {
  const auto listener = ListenerOf(8);

  EXPECT_THAT(Listener::Bind("127.0.0.1", listener->port(), 8),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr(std::to_string(listener->port()))));
}

TEST(ListenerTest, AnAddressOfAnotherMachineIsAnError) {
  EXPECT_THAT(Listener::Bind("192.0.2.1", 0, 8),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("192.0.2.1")));
}

TEST(ListenerTest, ClosesWhatIsBeyondTheLimit) {
  const auto listener = ListenerOf(2);
  Keeper keeper;
  listener->Start(keeper.handler());
  const Descriptor first = ConnectTo(listener->port());
  const Descriptor second = ConnectTo(listener->port());
  keeper.WaitFor(2);

  const Descriptor third = ConnectTo(listener->port());

  EXPECT_TRUE(IsClosed(third.get(), 20'000));
  EXPECT_FALSE(IsClosed(first.get(), 0));
  EXPECT_FALSE(IsClosed(second.get(), 0));
  EXPECT_EQ(listener->refused(), 1U);
  listener->Stop();
}

TEST(ListenerTest, AClosedConnectionGivesItsPlaceBack) {
  const auto listener = ListenerOf(1);
  Keeper keeper;
  listener->Start(keeper.handler());
  for (int i = 0; i < 5; ++i) {
    const Descriptor client = ConnectTo(listener->port());
    keeper.WaitFor(1);
    EXPECT_FALSE(IsClosed(client.get(), 0)) << i;
    keeper.CloseFirst();
  }

  EXPECT_EQ(listener->refused(), 0U);
  listener->Stop();
}

// Lowers the limit of open descriptors for as long as it lives.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t limit) {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit lowered = before_;
    lowered.rlim_cur = limit;
    setrlimit(RLIMIT_NOFILE, &lowered);
  }
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;

 private:
  rlimit before_{};
};

TEST(ListenerTest, OutlivesTheDescriptorLimit) {
  const auto listener = ListenerOf(1'000);
  Keeper keeper;
  listener->Start(keeper.handler());
  const Descriptor client = NewSocket();
  {
    // The next descriptor would be the highest one plus one.
    const Descriptor highest = NewSocket();
    const DescriptorLimit none_left(static_cast<rlim_t>(highest.get()) + 1);
    ASSERT_TRUE(Connect(client.get(), listener->port()));

    EXPECT_TRUE(IsClosed(client.get(), 20'000));
    EXPECT_GE(listener->refused(), 1U);
  }

  const Descriptor next = ConnectTo(listener->port());
  keeper.WaitFor(1);
  EXPECT_FALSE(IsClosed(next.get(), 0));
  listener->Stop();
}

TEST(ConnectionCountTest, ANumberThatWasReusedIsNotTheOldConnection) {
  ConnectionCount count(1);
  int number = -1;
  {
    const Descriptor first(socket(AF_INET, SOCK_STREAM, 0));
    number = first.get();
    ASSERT_TRUE(count.TryAdd(first.get()));
    const Descriptor more(socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_FALSE(count.TryAdd(more.get()));
  }
  const Descriptor stranger(socket(AF_INET, SOCK_STREAM, 0));
  ASSERT_EQ(stranger.get(), number) << "the kernel gives the lowest number";

  EXPECT_EQ(count.Refresh(), 0U);
}

}  // namespace
}  // namespace firekeeper::server
