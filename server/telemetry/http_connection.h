// One HTTP connection as cpp-httplib reads and writes it, with a deadline for
// all of it and a bound on what is read: the library has neither, so a client
// could send an endless header or one byte a second.

#pragma once

#include <httplib.h>
#include <openssl/ssl.h>
#include <poll.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "server/security/listener.h"

namespace firekeeper::server {

// Thread-compatible.
class HttpConnection final : public httplib::Stream {
 public:
  // Takes a non-blocking socket. `tls` null: plaintext.
  HttpConnection(Descriptor socket, SSL_CTX* tls,
                 std::chrono::steady_clock::time_point deadline,
                 std::size_t max_read_bytes);
  // Sends what is left and closes.
  ~HttpConnection() override;
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // The TLS handshake; true at once without TLS.
  [[nodiscard]] bool Handshake();

  [[nodiscard]] bool is_readable() const override;
  [[nodiscard]] bool is_writable() const override;
  // -1 once the deadline or the bound is passed.
  ssize_t read(char* target, size_t size) override;
  ssize_t write(const char* source, size_t size) override;
  // Not needed by any handler: empty and 0.
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  [[nodiscard]] socket_t socket() const override { return socket_.get(); }

 private:
  using PollEvents = decltype(pollfd::events);
  struct SslFreer {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  // Waits for poll() events; false at the deadline.
  [[nodiscard]] bool Wait(PollEvents events) const;
  // What a failed SSL call waits for; 0: it failed for good.
  [[nodiscard]] PollEvents Wanted(int result) const;
  // Bytes moved, or -1. `wait_for` not 0: none yet, but these may bring some.
  struct Attempt {
    ssize_t bytes = 0;
    PollEvents wait_for = 0;
  };
  Attempt TlsRead(char* target, size_t size);
  Attempt TlsWrite(const char* source, size_t size);
  // Of a call on the socket that has just returned `bytes`.
  [[nodiscard]] static Attempt PlainResult(ssize_t bytes, PollEvents events);
  ssize_t ReadSome(char* target, size_t size);
  ssize_t WriteSome(const char* source, size_t size);

  Descriptor socket_;
  std::unique_ptr<SSL, SslFreer> ssl_;
  const std::chrono::steady_clock::time_point deadline_;
  std::size_t may_read_;
  bool established_;
  // Bytes [first_, end_) are read and not yet asked for: the library reads
  // headers byte by byte.
  std::array<char, 4'096> buffer_{};
  std::size_t first_ = 0;
  std::size_t end_ = 0;
};

}  // namespace firekeeper::server
