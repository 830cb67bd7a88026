#include "server/process.h"

#include <grpc/support/log.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <string>

namespace firekeeper::server {
namespace {

// gRPC's hook takes a function without an argument of ours.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<Logger*> grpc_logger{nullptr};

void LogForGrpc(gpr_log_func_args* line) {
  Logger* logger = grpc_logger.load();
  if (logger == nullptr) return;
  logger->Log(line->severity == GPR_LOG_SEVERITY_ERROR ? LogLevel::kError
                                                       : LogLevel::kDebug,
              "grpc", {{"message", std::string(line->message)}});
}

}  // namespace

bool TuneMalloc() {
  constexpr int kGiB = 1 << 30;
  constexpr int kTopPad = 64 << 20;
  // NOLINTBEGIN(concurrency-mt-unsafe): called before threads start
  return mallopt(M_MMAP_THRESHOLD, kGiB) == 1 &&
         mallopt(M_TRIM_THRESHOLD, kGiB) == 1 &&
         mallopt(M_TOP_PAD, kTopPad) == 1;
  // NOLINTEND(concurrency-mt-unsafe)
}

std::uint64_t RaiseDescriptorLimit() {
  // Beyond this the kernel's table costs more than anyone needs.
  constexpr rlim_t kEnough = rlim_t{1} << 20;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  rlimit raised = limit;
  raised.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, kEnough));
  return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur
                                                : limit.rlim_cur;
}

StopSignals::StopSignals() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals_, &before_);
}

StopSignals::~StopSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

int StopSignals::Wait() {
  int signal = 0;
  while (sigwait(&signals_, &signal) != 0) {
  }
  return signal;
}

std::optional<int> StopSignals::WaitFor(std::chrono::milliseconds timeout) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(timeout);
  const timespec wait{
      .tv_sec = seconds.count(),
      .tv_nsec = std::chrono::nanoseconds(timeout - seconds).count()};
  const int signal = sigtimedwait(&signals_, nullptr, &wait);
  if (signal <= 0) return std::nullopt;
  return signal;
}

GrpcLogRoute::GrpcLogRoute(Logger& logger) {
  grpc_logger.store(&logger);
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
  gpr_set_log_function(&LogForGrpc);
}

// gRPC's threads may outlive the logger: they then log nothing.
GrpcLogRoute::~GrpcLogRoute() { grpc_logger.store(nullptr); }

}  // namespace firekeeper::server
