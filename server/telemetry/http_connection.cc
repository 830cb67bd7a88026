#include "server/telemetry/http_connection.h"

#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

namespace firekeeper::server {
namespace {

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK; }

}  // namespace

HttpConnection::HttpConnection(Descriptor socket, SSL_CTX* tls,
                               std::chrono::steady_clock::time_point deadline,
                               std::size_t max_read_bytes)
    : socket_(std::move(socket)),
      ssl_(tls == nullptr ? nullptr : SSL_new(tls)),
      deadline_(deadline),
      may_read_(max_read_bytes),
      established_(tls == nullptr) {
  if (ssl_) SSL_set_fd(ssl_.get(), socket_.get());
}

HttpConnection::~HttpConnection() {
  if (ssl_ && established_) SSL_shutdown(ssl_.get());
  shutdown(socket_.get(), SHUT_WR);
  // Closing with unread bytes would reset the connection and take the answer
  // away from a client that is still sending; so some are thrown away.
  constexpr int kRounds = 16;
  for (int i = 0; i < kRounds; ++i) {
    if (recv(socket_.get(), buffer_.data(), buffer_.size(), 0) <= 0) break;
  }
}

bool HttpConnection::Handshake() {
  while (!established_) {
    ERR_clear_error();
    const int result = SSL_accept(ssl_.get());
    if (result == 1) {
      established_ = true;
      break;
    }
    const PollEvents events = Wanted(result);
    if (events == 0 || !Wait(events)) return false;
  }
  return true;
}

bool HttpConnection::is_readable() const {
  return first_ < end_ || (ssl_ && SSL_pending(ssl_.get()) > 0) || Wait(POLLIN);
}

bool HttpConnection::is_writable() const { return Wait(POLLOUT); }

ssize_t HttpConnection::read(char* target, size_t size) {
  if (first_ == end_) {
    const std::size_t room = std::min(buffer_.size(), may_read_);
    if (room == 0) return -1;
    const ssize_t got = ReadSome(buffer_.data(), room);
    if (got <= 0) return got;
    first_ = 0;
    end_ = static_cast<std::size_t>(got);
    may_read_ -= end_;
  }
  const std::size_t count = std::min(size, end_ - first_);
  std::copy_n(&buffer_.at(first_), count, target);
  first_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t HttpConnection::write(const char* source, size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t sent = WriteSome(source + done, size - done);
    if (sent <= 0) return -1;
    done += static_cast<std::size_t>(sent);
  }
  return static_cast<ssize_t>(done);
}

void HttpConnection::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

void HttpConnection::get_local_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

bool HttpConnection::Wait(PollEvents events) const {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline_ - std::chrono::steady_clock::now());
  if (left.count() <= 0) return false;
  pollfd waiting{socket_.get(), events, 0};
  return poll(&waiting, 1,
              static_cast<int>(std::min<std::int64_t>(left.count(), INT_MAX))) >
         0;
}

HttpConnection::PollEvents HttpConnection::Wanted(int result) const {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return POLLIN;
    case SSL_ERROR_WANT_WRITE:
      return POLLOUT;
    default:
      return 0;
  }
}

HttpConnection::Attempt HttpConnection::TlsRead(char* target, size_t size) {
  ERR_clear_error();
  const int got = SSL_read(ssl_.get(), target, static_cast<int>(size));
  if (got > 0) return {.bytes = got};
  const PollEvents events = Wanted(got);
  const bool ended = events == 0 && SSL_get_shutdown(ssl_.get()) != 0;
  return {.bytes = ended ? 0 : -1, .wait_for = events};
}

HttpConnection::Attempt HttpConnection::TlsWrite(const char* source,
                                                 size_t size) {
  ERR_clear_error();
  const int sent =
      SSL_write(ssl_.get(), source,
                static_cast<int>(std::min<std::size_t>(size, INT_MAX)));
  if (sent > 0) return {.bytes = sent};
  return {.bytes = -1, .wait_for = Wanted(sent)};
}

HttpConnection::Attempt HttpConnection::PlainResult(ssize_t bytes,
                                                    PollEvents events) {
  const bool again = bytes < 0 && (WouldBlock() || errno == EINTR);
  return {.bytes = bytes, .wait_for = again ? events : PollEvents{0}};
}

ssize_t HttpConnection::ReadSome(char* target, size_t size) {
  for (;;) {
    const Attempt attempt =
        ssl_ ? TlsRead(target, size)
             : PlainResult(recv(socket_.get(), target, size, 0), POLLIN);
    if (attempt.wait_for == 0) return attempt.bytes;
    if (!Wait(attempt.wait_for)) return -1;
  }
}

ssize_t HttpConnection::WriteSome(const char* source, size_t size) {
  for (;;) {
    const Attempt attempt =
        ssl_ ? TlsWrite(source, size)
             : PlainResult(send(socket_.get(), source, size, MSG_NOSIGNAL),
                           POLLOUT);
    if (attempt.wait_for == 0) return attempt.bytes;
    if (!Wait(attempt.wait_for)) return -1;
  }
}

}  // namespace firekeeper::server
