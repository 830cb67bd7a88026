// Raw connections to a server on loopback, for tests of listeners.

#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "server/security/listener.h"

namespace firekeeper::testing {

// Reads give up after 20 s.
inline server::Descriptor NewSocket() {
  server::Descriptor fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval timeout{.tv_sec = 20, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  return fd;
}

inline bool Connect(int fd, std::uint32_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  return connect(fd, generic, sizeof(address)) == 0;
}

// Not valid where it failed.
inline server::Descriptor ConnectTo(std::uint32_t port) {
  server::Descriptor fd = NewSocket();
  return Connect(fd.get(), port) ? std::move(fd) : server::Descriptor();
}

// All that comes until the other side closes.
inline std::string ReadToEnd(int fd) {
  std::string text;
  std::array<char, 4'096> buffer{};
  for (;;) {
    const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
    if (got <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

inline std::string Exchange(std::uint32_t port, const std::string& request) {
  const server::Descriptor fd = ConnectTo(port);
  send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
  return ReadToEnd(fd.get());
}

// Whether the other side has closed within `milliseconds`.
inline bool IsClosed(int fd, int milliseconds) {
  pollfd waiting{fd, POLLIN, 0};
  char byte = 0;
  return poll(&waiting, 1, milliseconds) > 0 &&
         recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

}  // namespace firekeeper::testing
