// A listening socket of ours, and the count of the connections that came from
// it. gRPC 1.51 can neither cap its connections nor survive an accept() at the
// descriptor limit; so we accept, and hand over what the cap allows.

#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"

namespace firekeeper::server {

// Closes a file descriptor when it goes.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : fd_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int Release();

 private:
  int fd_;
};

// Which sockets that were given away are still open. Nobody reports a close:
// when the count is full, each descriptor is asked whether it still is the
// socket it was (its inode), which a new socket under the same number is not.
//
// Thread-compatible.
class ConnectionCount {
 public:
  explicit ConnectionCount(std::size_t limit) : limit_(limit) {}

  // Counts an open socket, or returns false where the limit is reached.
  [[nodiscard]] bool TryAdd(int fd);
  // Forgets the closed ones and returns how many are open.
  std::size_t Refresh();
  // Open as far as is known without asking.
  [[nodiscard]] std::size_t size() const { return open_.size(); }

 private:
  std::size_t limit_;
  std::map<int, ino_t> open_;
};

// Accepts on its own thread. A connection beyond the limit is closed at once;
// at the descriptor limit of the process one is accepted and closed too, so
// that the listener never spins.
//
// Thread-safe.
class Listener {
 public:
  // Takes over an open, non-blocking socket: (listening fd, accepted fd).
  using Handler = std::function<void(int, int)>;

  // Binds and listens. `host` is an address or a name; the first address that
  // works is taken. Fails with kUnavailable, naming address and reason, where
  // none can be bound.
  static absl::StatusOr<std::unique_ptr<Listener>> Bind(const std::string& host,
                                                        std::uint32_t port,
                                                        std::size_t limit);
  // Stops accepting.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] std::uint32_t port() const { return port_; }
  // Begins to accept. Called once.
  void Start(Handler handler);
  // Closes the socket; what was handed over stays. May be called again.
  void Stop();

  // Connections open, at most about a second old where nobody connects, and
  // those refused so far.
  [[nodiscard]] std::uint64_t open() const { return open_.load(); }
  [[nodiscard]] std::uint64_t refused() const { return refused_.load(); }

 private:
  Listener(Descriptor socket, Descriptor wake, std::uint32_t port,
           std::size_t limit);
  void Run();
  void AcceptOne();
  void DropOne();

  Descriptor socket_;
  Descriptor wake_;   // eventfd: readable once Stop() was called
  Descriptor spare_;  // given up to accept and close at the descriptor limit
  const std::uint32_t port_;
  ConnectionCount count_;  // the thread's alone
  Handler handler_;
  std::atomic<std::uint64_t> open_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::thread thread_;
};

}  // namespace firekeeper::server
