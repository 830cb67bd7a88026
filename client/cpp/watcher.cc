#include "client/cpp/watcher.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <random>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/channel.h"
#include "client/cpp/launch_token.h"
#include "client/cpp/names.h"
#include "client/cpp/open_encoding.h"
#include "client/cpp/sampling_plan.h"
#include "client/cpp/snapshot_maker.h"
#include "client/cpp/stream_runner.h"
#include "core/window_plan.h"

namespace firekeeper::client {

namespace {

constexpr std::chrono::milliseconds kDestructorDeadline{500};

void LogToStderr(LogSeverity severity, const std::string& text) {
  const char* const level = severity == LogSeverity::kInfo      ? "info"
                            : severity == LogSeverity::kWarning ? "warning"
                                                                : "error";
  (void)std::fprintf(stderr, "firekeeper: %s: %s\n", level, text.c_str());
}

std::function<double()> SystemRandom() {
  return [generator = std::mt19937_64(RandomInstanceId())]() mutable {
    return std::generate_canonical<double, 53>(generator);
  };
}

bool IsPowerOfTwo(std::uint64_t n) { return n != 0 && (n & (n - 1)) == 0; }

// Fills in what the user left open.
void Complete(WatcherOptions* options) {
  if (options->launch_token.empty()) {
    options->launch_token = LaunchTokenFromEnvironment(
        // Read at start-up, before the training's threads change anything.
        // NOLINTNEXTLINE(concurrency-mt-unsafe)
        [](const char* name) { return std::getenv(name); });
  }
  if (options->launch_token.empty()) {
    options->launch_token = RandomLaunchToken();
  }
  if (!options->log) options->log = LogToStderr;
  if (!options->random) options->random = SystemRandom();
}

v1::Open OpenOf(const WatcherOptions& options) {
  v1::Open open = EncodeOpen(options);
  open.set_instance_id(RandomInstanceId());
  return open;
}

}  // namespace

class Watcher::Impl {
 public:
  Impl(const WatcherOptions& options, ChannelFactory make_channel)
      : launch_token_(options.launch_token),
        log_(options.log),
        plan_(options.every),
        maker_(options),
        state_(options.ring_bytes, OpenOf(options),
               SessionSettings{.backoff = options.backoff}, options.random),
        runner_(state_, std::move(make_channel), options.connection,
                options.log) {}

  // Throws std::system_error where no thread can be had.
  void StartThread() {
    thread_ = std::thread([this] {
      runner_.Run();
      const absl::MutexLock lock(&state_.mutex);
      finished_ = true;
      finished_wake_.SignalAll();
    });
  }

  void Observe(const SnapshotKey& key, const core::TensorView& view);
  void ObserveWeight(const SnapshotKey& key, const core::AffineLayer& layer);
  void ObserveScalar(std::string_view name, std::int64_t step, double value);
  void StepDone(std::int64_t step);
  void CountInvalid(const std::string& why);
  WatcherCounters Counters();
  ConnectionStatus Connection();
  bool Close(std::chrono::milliseconds deadline);

  [[nodiscard]] const SamplingPlan& plan() const { return plan_; }
  [[nodiscard]] const std::string& launch_token() const {
    return launch_token_;
  }

 private:
  // After the end nothing enters the ring.
  bool CountIfFinal() ABSL_LOCKS_EXCLUDED(state_.mutex);
  void Enqueue(const SnapshotKey& key, absl::StatusOr<MadeSnapshot> made)
      ABSL_LOCKS_EXCLUDED(state_.mutex);

  const std::string launch_token_;
  const LogFunction log_;
  const SamplingPlan plan_;
  const SnapshotMaker maker_;
  WatcherState state_;
  StreamRunner runner_;
  std::thread thread_;
  // Observations after the end, which got no number.
  std::uint64_t late_ ABSL_GUARDED_BY(state_.mutex) = 0;
  std::uint64_t invalid_ ABSL_GUARDED_BY(state_.mutex) = 0;
  std::uint64_t scalars_dropped_ ABSL_GUARDED_BY(state_.mutex) = 0;
  bool finished_ ABSL_GUARDED_BY(state_.mutex) = false;
  absl::CondVar finished_wake_;
  // Taken before state_.mutex.
  absl::Mutex close_mutex_;
  bool closed_ ABSL_GUARDED_BY(close_mutex_) = false;
  bool close_result_ ABSL_GUARDED_BY(close_mutex_) = false;
};

bool Watcher::Impl::CountIfFinal() {
  const absl::MutexLock lock(&state_.mutex);
  if (!state_.session.final()) return false;
  ++late_;
  return true;
}

void Watcher::Impl::Observe(const SnapshotKey& key,
                            const core::TensorView& view) {
  if (!CountIfFinal()) Enqueue(key, maker_.Make(key, view));
}

void Watcher::Impl::ObserveWeight(const SnapshotKey& key,
                                  const core::AffineLayer& layer) {
  if (!CountIfFinal()) Enqueue(key, maker_.MakeWeight(key, layer));
}

void Watcher::Impl::Enqueue(const SnapshotKey& key,
                            absl::StatusOr<MadeSnapshot> made) {
  if (!made.ok()) {
    CountInvalid(std::string(made.status().message()));
    return;
  }
  std::uint64_t dropped = 0;
  bool crossed = false;
  {
    const absl::MutexLock lock(&state_.mutex);
    if (state_.session.final()) {
      ++late_;
      return;
    }
    const std::uint64_t before = state_.ring.dropped();
    const std::uint64_t seq =
        state_.ring.Push(std::move(made->snapshot), made->samples);
    if (key.phase == core::Phase::kTrain) {
      state_.progress.NoteSampled(key.step, seq);
    }
    dropped = state_.ring.dropped();
    // Doubling distances keep the log short.
    for (std::uint64_t n = before + 1; n <= dropped; ++n) {
      crossed = crossed || IsPowerOfTwo(n);
    }
    state_.wake.Signal();
  }
  if (crossed) {
    log_(LogSeverity::kWarning,
         absl::StrCat("the ring is full: ", dropped, " snapshots dropped"));
  }
}

void Watcher::Impl::CountInvalid(const std::string& why) {
  bool first = false;
  {
    const absl::MutexLock lock(&state_.mutex);
    first = ++invalid_ == 1;
  }
  if (first) {
    log_(LogSeverity::kWarning,
         absl::StrCat("an observation is invalid: ", why,
                      "; further ones are only counted"));
  }
}

void Watcher::Impl::ObserveScalar(std::string_view name, std::int64_t step,
                                  double value) {
  const bool valid = IsValidName(name) && step >= 0 && step <= core::kMaxStep;
  const absl::MutexLock lock(&state_.mutex);
  if (!valid || state_.session.final() ||
      !state_.progress.NoteScalar(std::string(name), step, value)) {
    ++scalars_dropped_;
  }
  state_.wake.Signal();
}

void Watcher::Impl::StepDone(std::int64_t step) {
  const absl::MutexLock lock(&state_.mutex);
  state_.progress.NoteDone(std::min(step, core::kMaxStep),
                           state_.ring.next_seq() - 1);
  state_.wake.Signal();
}

WatcherCounters Watcher::Impl::Counters() {
  const absl::MutexLock lock(&state_.mutex);
  const std::uint64_t streams = state_.session.streams_opened();
  return {.enqueued = state_.ring.enqueued() + late_,
          .acked = state_.ring.acked(),
          .rejected = state_.ring.rejected(),
          .dropped = state_.ring.dropped() + late_,
          .buffered = state_.ring.buffered(),
          .buffered_bytes = state_.ring.buffered_bytes(),
          .invalid = invalid_,
          .scalars_dropped = scalars_dropped_,
          .reconnects = streams > 0 ? streams - 1 : 0};
}

ConnectionStatus Watcher::Impl::Connection() {
  const absl::MutexLock lock(&state_.mutex);
  return {.state = state_.session.state(),
          .last_error = state_.session.last_error()};
}

bool Watcher::Impl::Close(std::chrono::milliseconds deadline) {
  const absl::MutexLock close_lock(&close_mutex_);
  if (closed_) return close_result_;
  closed_ = true;
  bool clean = false;
  {
    const absl::MutexLock lock(&state_.mutex);
    state_.session.BeginClose();
    state_.wake.SignalAll();
    const absl::Time end = absl::Now() + absl::FromChrono(deadline);
    while (!finished_) {
      if (finished_wake_.WaitWithDeadline(&state_.mutex, end)) break;
    }
  }
  runner_.Cancel();
  thread_.join();
  {
    const absl::MutexLock lock(&state_.mutex);
    clean = state_.session.closed_cleanly() && state_.ring.dropped() == 0;
  }
  close_result_ = clean;
  return clean;
}

const char* Name(ConnectionState state) {
  switch (state) {
    case ConnectionState::kConnecting:
      return "connecting";
    case ConnectionState::kStreaming:
      return "streaming";
    case ConnectionState::kBackingOff:
      return "backing off";
    case ConnectionState::kFenced:
      return "fenced";
    case ConnectionState::kFailed:
      return "failed";
    case ConnectionState::kClosed:
      return "closed";
  }
  return "unknown";
}

absl::StatusOr<std::unique_ptr<Watcher>> Watcher::Start(
    WatcherOptions options) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  Complete(&options);
  auto make_channel = MakeChannelFactory(options.connection);
  if (!make_channel.ok()) return make_channel.status();
  auto impl = std::make_unique<Impl>(options, *std::move(make_channel));
  try {
    impl->StartThread();
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no thread for the watcher: ", error.what()));
  }
  return std::unique_ptr<Watcher>(new Watcher(std::move(impl)));
}

Watcher::Watcher(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Watcher::~Watcher() { impl_->Close(kDestructorDeadline); }

bool Watcher::ShouldSample(std::int64_t step) const {
  return impl_->plan().Includes(step);
}

void Watcher::Observe(const SnapshotKey& key,
                      const core::TensorView& view) noexcept {
  try {
    impl_->Observe(key, view);
  } catch (const std::exception& error) {
    // Out of memory: training must not end for our sake.
    impl_->CountInvalid(error.what());
  }
}

void Watcher::ObserveWeight(const SnapshotKey& key,
                            const core::AffineLayer& layer) noexcept {
  try {
    impl_->ObserveWeight(key, layer);
  } catch (const std::exception& error) {
    impl_->CountInvalid(error.what());
  }
}

void Watcher::ObserveScalar(std::string_view name, std::int64_t step,
                            double value) noexcept {
  try {
    impl_->ObserveScalar(name, step, value);
  } catch (const std::exception& error) {
    impl_->CountInvalid(error.what());
  }
}

void Watcher::StepDone(std::int64_t step) noexcept {
  try {
    impl_->StepDone(step);
  } catch (const std::exception& error) {
    impl_->CountInvalid(error.what());
  }
}

WatcherCounters Watcher::counters() const { return impl_->Counters(); }

ConnectionStatus Watcher::connection() const { return impl_->Connection(); }

const std::string& Watcher::launch_token() const {
  return impl_->launch_token();
}

bool Watcher::Close(std::chrono::milliseconds deadline) {
  return impl_->Close(deadline);
}

}  // namespace firekeeper::client
