// The Watcher against a server that is absent, dies, stalls, refuses and comes
// back. Nothing here is timed: a call that blocked would hang the test.

#include "client/cpp/watcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/fake_ingest_service.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::client {
namespace {

using ::firekeeper::testing::FakeIngestService;
using ::firekeeper::testing::FakeServer;
using ::firekeeper::testing::IngestRecord;
using ::firekeeper::testing::IngestScript;
using ::firekeeper::testing::StatusIs;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr milliseconds kAmple{20'000};
constexpr std::int64_t kUnits = 16;

class WatcherTest : public ::testing::Test {
 protected:
  WatcherTest()
      : server_(
            ::testing::UnitTest::GetInstance()->current_test_info()->name()),
        values_(8 * kUnits, 1.0F) {}

  WatcherOptions Options() {
    WatcherOptions options;
    options.connection.endpoint = server_.endpoint();
    options.run_id = "run";
    options.layers = {{.name = "fc", .unit_count = kUnits}};
    options.backoff = {.shortest = milliseconds(1),
                       .longest = milliseconds(20)};
    options.log = [this](LogSeverity severity, const std::string& text) {
      const std::scoped_lock lock(log_mutex_);
      if (severity == LogSeverity::kError) errors_.push_back(text);
    };
    return options;
  }

  std::unique_ptr<Watcher> Start() { return StartWith(Options()); }
  static std::unique_ptr<Watcher> StartWith(WatcherOptions options) {
    auto watcher = Watcher::Start(std::move(options));
    EXPECT_TRUE(watcher.ok()) << watcher.status();
    return *std::move(watcher);
  }

  [[nodiscard]] core::TensorView View() const {
    const std::vector<std::int64_t> shape = {8, kUnits};
    return {.layout =
                *core::TensorLayout::Create(core::DataType::kF32, shape, 1, 0),
            .data = reinterpret_cast<const std::byte*>(values_.data())};
  }

  void Train(Watcher& watcher, std::int64_t first, std::int64_t end) const {
    for (std::int64_t step = first; step < end; ++step) {
      watcher.Observe({.layer = "fc", .step = step}, View());
      watcher.ObserveScalar("loss", step, 0.5);
      watcher.StepDone(step);
    }
  }

  static void ExpectAccounted(const Watcher& watcher) {
    const WatcherCounters c = watcher.counters();
    EXPECT_EQ(c.enqueued, c.acked + c.rejected + c.dropped + c.buffered);
  }

  // Waits for a state that comes of itself. Hangs, and is killed, if it never
  // comes.
  static void Await(const std::function<bool()>& condition) {
    while (!condition()) std::this_thread::sleep_for(milliseconds(1));
  }

  std::vector<std::string> errors() {
    const std::scoped_lock lock(log_mutex_);
    return errors_;
  }

  FakeIngestService service_;
  FakeServer server_;
  std::vector<float> values_;
  std::mutex log_mutex_;
  std::vector<std::string> errors_;
};

TEST_F(WatcherTest, DeliversEverythingAndSaysGoodbye) {
  server_.Start({&service_});
  const auto watcher = Start();

  Train(*watcher, 0, 50);
  EXPECT_TRUE(watcher->Close(kAmple));

  const IngestRecord record = service_.record();
  EXPECT_THAT(record.violations, IsEmpty());
  EXPECT_EQ(record.snapshots.size(), 50U);
  EXPECT_EQ(record.closes, 1U);
  EXPECT_EQ(record.progresses.back().complete_through_step(), 49);
  EXPECT_EQ(watcher->counters().acked, 50U);
  EXPECT_EQ(watcher->connection().state, ConnectionState::kClosed);
  ExpectAccounted(*watcher);
}

TEST_F(WatcherTest, DeliversTensorsInChunks) {
  server_.Start({&service_});
  WatcherOptions options = Options();
  options.send_mode = SendMode::kTensor;
  options.layers[0].unit_count = 1024;
  const auto watcher = StartWith(std::move(options));
  std::vector<float> large(std::size_t{700} * 1024);
  for (std::size_t i = 0; i < large.size(); ++i) {
    large[i] = static_cast<float>(i % 8191);
  }
  const std::vector<std::int64_t> shape = {700, 1024};
  const core::TensorView view{
      .layout = *core::TensorLayout::Create(core::DataType::kF32, shape, 1, 0),
      .data = reinterpret_cast<const std::byte*>(large.data())};

  watcher->Observe({.layer = "fc", .step = 1}, view);
  EXPECT_TRUE(watcher->Close(kAmple));

  const IngestRecord record = service_.record();
  EXPECT_THAT(record.violations, IsEmpty());
  EXPECT_EQ(record.chunks, 3U);
  const std::string& data = record.snapshots.at(1).tensor().data();
  ASSERT_EQ(data.size(), large.size() * sizeof(float));
  EXPECT_EQ(std::memcmp(data.data(), large.data(), data.size()), 0);
}

TEST_F(WatcherTest, TakesAServerThatIsNotThereYet) {
  const auto watcher = Start();
  Train(*watcher, 0, 20);
  Await([&] { return !watcher->connection().last_error.empty(); });

  server_.Start({&service_});

  EXPECT_TRUE(watcher->Close(kAmple));
  EXPECT_EQ(service_.record().snapshots.size(), 20U);
  EXPECT_THAT(service_.record().violations, IsEmpty());
}

TEST_F(WatcherTest, ResumesWhereAStreamBroke) {
  IngestScript script;
  script.die_after = 7;
  service_.SetScript(script);
  server_.Start({&service_});
  const auto watcher = Start();

  Train(*watcher, 0, 100);
  EXPECT_TRUE(watcher->Close(kAmple));

  const IngestRecord record = service_.record();
  EXPECT_THAT(record.violations, IsEmpty());
  EXPECT_EQ(record.snapshots.size(), 100U);
  EXPECT_GT(record.opens.size(), 2U);
  EXPECT_EQ(watcher->counters().acked, 100U);
}

TEST_F(WatcherTest, LivesThroughARestartOfTheServer) {
  server_.Start({&service_});
  const auto watcher = Start();
  Train(*watcher, 0, 10);
  ASSERT_TRUE(service_.WaitFor([](const IngestRecord& record) {
    return record.snapshots.size() == 10;
  }));

  server_.Stop();
  Train(*watcher, 10, 20);
  FakeIngestService forgetful;
  server_.Start({&forgetful});
  Train(*watcher, 20, 30);
  EXPECT_TRUE(watcher->Close(kAmple));

  const IngestRecord record = forgetful.record();
  EXPECT_THAT(record.violations, IsEmpty());
  EXPECT_EQ(record.snapshots.rbegin()->first, 30U);
  for (std::uint64_t seq = 11; seq <= 30; ++seq) {
    EXPECT_EQ(record.snapshots.count(seq), 1U) << seq;
  }
  EXPECT_GE(watcher->counters().reconnects, 1U);
}

TEST_F(WatcherTest, NeverBlocksOnAServerThatNeverAcks) {
  IngestScript script;
  script.never_ack = true;
  script.credit_window = 20'000;
  service_.SetScript(script);
  server_.Start({&service_});
  WatcherOptions options = Options();
  options.ring_bytes = 100'000;
  const auto watcher = StartWith(std::move(options));

  Train(*watcher, 0, 2000);

  const WatcherCounters counters = watcher->counters();
  EXPECT_GT(counters.dropped, 1000U);
  EXPECT_GT(counters.buffered, 0U);
  EXPECT_LE(counters.buffered_bytes, 100'000U);
  ExpectAccounted(*watcher);
  EXPECT_FALSE(watcher->Close(milliseconds(50)));
  EXPECT_THAT(service_.record().violations, IsEmpty());
  EXPECT_EQ(watcher->counters().buffered, 0U);
  ExpectAccounted(*watcher);
}

TEST_F(WatcherTest, DeclaresWhatItDroppedWhileTheServerWasAway) {
  WatcherOptions options = Options();
  options.ring_bytes = 100'000;
  const auto watcher = StartWith(std::move(options));
  Train(*watcher, 0, 500);
  const std::uint64_t dropped = watcher->counters().dropped;
  ASSERT_GT(dropped, 0U);

  server_.Start({&service_});
  (void)watcher->Close(kAmple);

  const IngestRecord record = service_.record();
  EXPECT_THAT(record.violations, IsEmpty());
  ASSERT_EQ(record.gaps.size(), 1U);
  EXPECT_EQ(record.gaps[0].from_seq(), 1U);
  EXPECT_EQ(record.gaps[0].to_seq(), dropped);
  EXPECT_EQ(record.gaps[0].first_step(), 0);
  EXPECT_EQ(record.gaps[0].last_step(), static_cast<std::int64_t>(dropped) - 1);
  EXPECT_EQ(record.gaps[0].samples(), dropped * 8);
  EXPECT_EQ(record.snapshots.size() + dropped, 500U);
}

// Accepts connections and never says a word.
class BlackHole {
 public:
  BlackHole() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(socket_, generic, size), 0);
    EXPECT_EQ(listen(socket_, 16), 0);
    EXPECT_EQ(getsockname(socket_, generic, &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~BlackHole() { close(socket_); }
  BlackHole(const BlackHole&) = delete;
  BlackHole& operator=(const BlackHole&) = delete;

  [[nodiscard]] std::string endpoint() const {
    return "127.0.0.1:" + std::to_string(port_);
  }

 private:
  int socket_;
  int port_ = 0;
};

TEST_F(WatcherTest, CloseKeepsItsDeadlineAgainstABlackHole) {
  const BlackHole hole;
  WatcherOptions options = Options();
  options.connection.endpoint = hole.endpoint();
  const auto watcher = StartWith(std::move(options));
  Train(*watcher, 0, 10);

  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(watcher->Close(milliseconds(100)));

  // gRPC itself would wait 20 s for the connection; anything near the deadline
  // is far from that on the slowest machine.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(10'000));
  EXPECT_EQ(watcher->counters().dropped, 10U);
  ExpectAccounted(*watcher);
}

TEST_F(WatcherTest, CloseKeepsItsDeadlineAgainstAServerThatDoesNotAnswer) {
  IngestScript script;
  script.never_ack = true;
  script.credit_window = 0;
  service_.SetScript(script);
  server_.Start({&service_});
  const auto watcher = Start();
  Train(*watcher, 0, 10);
  Await([&] {
    return watcher->connection().state == ConnectionState::kStreaming;
  });

  EXPECT_FALSE(watcher->Close(milliseconds(50)));
  EXPECT_FALSE(watcher->Close(kAmple)) << "the first answer stays";
  EXPECT_EQ(watcher->counters().dropped, 10U);
}

TEST_F(WatcherTest, AFencedWatcherStopsLoudlyAndLetsTrainingGoOn) {
  IngestScript script;
  script.fence = true;
  service_.SetScript(script);
  server_.Start({&service_});
  const auto watcher = Start();
  Train(*watcher, 0, 1);
  Await(
      [&] { return watcher->connection().state == ConnectionState::kFenced; });

  Train(*watcher, 1, 10);

  EXPECT_EQ(watcher->counters().enqueued, 10U);
  EXPECT_EQ(watcher->counters().dropped, 10U);
  ExpectAccounted(*watcher);
  EXPECT_FALSE(watcher->Close(kAmple));
  EXPECT_EQ(service_.record().opens.size(), 1U) << "it must not come back";
  EXPECT_THAT(errors(), ::testing::ElementsAre(HasSubstr("superseded")));
}

TEST_F(WatcherTest, DeliversTheProofsOfAWeight) {
  server_.Start({&service_});
  const auto watcher = Start();
  const std::vector<float> weight(kUnits, 1.0F);  // one feature
  const std::vector<float> input = {-2.0F, -1.0F};
  const auto view = [](const std::vector<float>& values,
                       std::vector<std::int64_t> shape, int unit_axis,
                       std::optional<int> cluster_axis) {
    return core::TensorView{
        .layout = *core::TensorLayout::Create(core::DataType::kF32, shape,
                                              unit_axis, cluster_axis),
        .data = reinterpret_cast<const std::byte*>(values.data())};
  };

  watcher->ObserveWeight(
      {.layer = "fc", .signal = core::Signal::kWeight, .step = 0},
      {.weight = view(weight, {kUnits, 1}, 0, std::nullopt),
       .input = view(input, {2, 1}, 1, 0)});
  EXPECT_TRUE(watcher->Close(kAmple));

  EXPECT_EQ(watcher->counters().acked, 1U);
  EXPECT_EQ(watcher->counters().invalid, 0U);
}

TEST_F(WatcherTest, AWeightThatDoesNotFitIsInvalid) {
  server_.Start({&service_});
  const auto watcher = Start();

  watcher->ObserveWeight({.layer = "fc", .step = 0},
                         {.weight = View(), .input = View()});

  EXPECT_EQ(watcher->counters().invalid, 1U);
  EXPECT_EQ(watcher->counters().enqueued, 0U);
}

TEST_F(WatcherTest, AWatcherThatIsNotLetInStopsAtOnce) {
  IngestScript script;
  script.refuse_open = {grpc::StatusCode::UNAUTHENTICATED, "who are you"};
  service_.SetScript(script);
  server_.Start({&service_});
  const auto watcher = Start();
  Train(*watcher, 0, 5);

  Await(
      [&] { return watcher->connection().state == ConnectionState::kFailed; });

  EXPECT_THAT(watcher->connection().last_error, HasSubstr("who are you"));
  // The state is set before the error is logged; Close waits for both.
  EXPECT_FALSE(watcher->Close(kAmple));
  EXPECT_EQ(errors().size(), 1U);
  ExpectAccounted(*watcher);
}

TEST_F(WatcherTest, CountsWhatTheServerRejects) {
  IngestScript script;
  script.reject_seq = 3;
  service_.SetScript(script);
  server_.Start({&service_});
  const auto watcher = Start();

  Train(*watcher, 0, 5);

  EXPECT_TRUE(watcher->Close(kAmple));
  EXPECT_EQ(watcher->counters().rejected, 1U);
  EXPECT_EQ(watcher->counters().acked, 4U);
  EXPECT_EQ(service_.record().snapshots.count(3), 0U);
}

TEST_F(WatcherTest, SendsItsToken) {
  server_.Start({&service_});
  WatcherOptions options = Options();
  options.connection.token = "secret";
  const auto watcher = StartWith(std::move(options));

  EXPECT_TRUE(watcher->Close(kAmple));

  EXPECT_EQ(service_.record().authorization, "Bearer secret");
}

TEST_F(WatcherTest, CountsInvalidObservationsAndGoesOn) {
  server_.Start({&service_});
  const auto watcher = Start();

  watcher->Observe({.layer = "nowhere", .step = 0}, View());
  watcher->Observe({.layer = "fc", .step = -1}, View());
  watcher->ObserveScalar("two words", 0, 1.0);
  Train(*watcher, 0, 3);

  EXPECT_TRUE(watcher->Close(kAmple));
  EXPECT_EQ(watcher->counters().invalid, 2U);
  EXPECT_EQ(watcher->counters().scalars_dropped, 1U);
  EXPECT_EQ(service_.record().snapshots.size(), 3U);
}

TEST_F(WatcherTest, ManyThreadsMayObserve) {
  server_.Start({&service_});
  const auto watcher = Start();
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t part = 0; part < 4; ++part) {
      threads.emplace_back([&watcher, part, this] {
        for (std::int64_t step = 0; step < 100; ++step) {
          watcher->Observe({.layer = "fc", .step = step, .part = part}, View());
          ExpectAccounted(*watcher);
        }
      });
    }
  }

  EXPECT_TRUE(watcher->Close(kAmple));
  EXPECT_EQ(service_.record().snapshots.size(), 400U);
  EXPECT_THAT(service_.record().violations, IsEmpty());
}

TEST_F(WatcherTest, StartRefusesOptionsThatAreWrongInThemselves) {
  WatcherOptions no_run = Options();
  no_run.run_id = "";
  WatcherOptions no_file = Options();
  no_file.connection.tls.ca_cert_file = "/does/not/exist.pem";
  WatcherOptions half_pair = Options();
  half_pair.connection.tls.client_cert_file = "/does/not/exist.pem";
  WatcherOptions bad_token = Options();
  bad_token.connection.token = "line\nbreak";

  EXPECT_THAT(
      Watcher::Start(no_run),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("run_id")));
  EXPECT_THAT(Watcher::Start(no_file),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("exist.pem")));
  EXPECT_THAT(Watcher::Start(half_pair),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tls")));
  EXPECT_THAT(Watcher::Start(bad_token),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("token")));
}

TEST_F(WatcherTest, ObservingAfterCloseIsCountedAsDropped) {
  server_.Start({&service_});
  const auto watcher = Start();
  Train(*watcher, 0, 2);
  EXPECT_TRUE(watcher->Close(kAmple));

  Train(*watcher, 2, 4);

  EXPECT_EQ(watcher->counters().enqueued, 4U);
  EXPECT_EQ(watcher->counters().dropped, 2U);
  ExpectAccounted(*watcher);
}

}  // namespace
}  // namespace firekeeper::client
