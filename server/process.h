// What firekeeperd asks of its process: memory, descriptors, signals, and
// where gRPC's own log goes.

#pragma once

#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>

#include "server/logging.h"

namespace firekeeper::server {

// Keeps freed memory for the next message: a fresh page costs more than the
// reduction of what it holds. To be called before threads start. False where
// the C library refuses.
bool TuneMalloc();

// Raises the soft limit of open descriptors as far as the process may, and
// returns it.
std::uint64_t RaiseDescriptorLimit();

// SIGTERM and SIGINT are blocked while it lives and taken here, by one thread,
// instead of interrupting any. To be made before threads start.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // The number of the next signal.
  int Wait();
  // The same; empty where none came within `timeout`.
  std::optional<int> WaitFor(std::chrono::milliseconds timeout);

 private:
  sigset_t signals_{};
  sigset_t before_{};
};

// gRPC's errors go to `logger` while it lives, so that a JSON log stays JSON.
// One at a time. Requires: `logger` outlives it.
class GrpcLogRoute {
 public:
  explicit GrpcLogRoute(Logger& logger);
  ~GrpcLogRoute();
  GrpcLogRoute(const GrpcLogRoute&) = delete;
  GrpcLogRoute& operator=(const GrpcLogRoute&) = delete;
};

}  // namespace firekeeper::server
