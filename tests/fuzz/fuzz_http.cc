// Whatever comes over a connection, it gets one whole answer of a known status
// or none, and the metrics only with a known token. Input: how much is read at
// most, then what a client sends.

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "server/telemetry/http_connection.h"
#include "server/telemetry/http_router.h"
#include "tests/fuzz/fuzz_input.h"

namespace firekeeper::server {
namespace {

using testing::Choices;
using testing::Require;

constexpr std::string_view kSecret = "firekeeper_neurons 42\n";
constexpr std::string_view kToken = "open-sesame";

// Both ends of a connection that touches no network.
struct Connected {
  Descriptor client;
  Descriptor server;
};

Connected Connect() {
  std::array<int, 2> ends{};
  Require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                     ends.data()) == 0,
          "there are descriptors");
  return {.client = Descriptor(ends[0]), .server = Descriptor(ends[1])};
}

std::string ReceiveAll(int socket) {
  std::string all;
  std::array<char, 4'096> buffer{};
  for (;;) {
    const ssize_t got = recv(socket, buffer.data(), buffer.size(), 0);
    if (got <= 0) return all;
    all.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

// What the router answers to `sent`, over the connection that the server uses.
std::string Converse(HttpRouter& router, std::string_view sent,
                     std::size_t max_read_bytes) {
  Connected ends = Connect();
  const ssize_t taken =
      send(ends.client.get(), sent.data(), sent.size(), MSG_NOSIGNAL);
  Require(sent.empty() || taken > 0, "a socket takes what is sent");
  shutdown(ends.client.get(), SHUT_WR);
  {
    HttpConnection connection(
        std::move(ends.server), nullptr,
        std::chrono::steady_clock::now() + std::chrono::seconds(5),
        max_read_bytes);
    Require(connection.Handshake(), "plaintext needs no handshake");
    try {
      router.Converse(connection);
    } catch (const std::exception&) {
      // As the server does: the connection ends, nothing else.
    }
  }
  return ReceiveAll(ends.client.get());
}

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// The parser of the library is not instrumented, so that nothing leads a fuzzer
// to a request that is one: what requests are made of is chosen here.
std::string RequestFrom(Choices& choices) {
  constexpr std::array kMethods{"GET", "HEAD", "POST", "OPTIONS", "PRI", ""};
  constexpr std::array kTargets{"/metrics",
                                "/healthz",
                                "/readyz",
                                "/",
                                "/%6detrics?",
                                "/api/v1/List?a=%62&a=",
                                "/runbooks/FirekeeperLayerDead",
                                "http://x/metrics"};
  constexpr std::array kVersions{"HTTP/1.1", "HTTP/1.0", "HTTP/2.0", ""};
  constexpr std::array kHeaders{"Authorization: Bearer open-sesame",
                                "Authorization: Bearer ",
                                "Range: bytes=0-1,",
                                "Content-Length: ",
                                "Transfer-Encoding: chunked",
                                "Expect: 100-continue",
                                "Accept-Encoding: gzip, br",
                                "Content-Type: multipart/form-data; boundary=",
                                "Connection: keep-alive",
                                ""};
  const auto one_of = [&](const auto& all) {
    return std::string(all.at(
        static_cast<std::size_t>(choices.Below(static_cast<int>(all.size())))));
  };
  const auto raw = [&] {
    if (choices.Below(4) != 0) return std::string();
    return std::string(
        choices.Bytes(static_cast<std::size_t>(choices.Below(16))));
  };
  std::string request = one_of(kMethods) + raw() + " " + one_of(kTargets);
  request += raw() + " " + one_of(kVersions) + "\r\n";
  for (int left = choices.Below(6); left > 0; --left) {
    request += one_of(kHeaders) + raw() + "\r\n";
  }
  return request + "\r\n" + std::string(choices.Bytes(SIZE_MAX));
}

void CheckAnswer(std::string_view answer, bool secret_allowed) {
  if (answer.empty()) return;
  // 100 for a client that waits before its body, 414 and 416 of the library.
  constexpr std::array<std::string_view, 11> kStatuses{
      "100", "200", "400", "401", "404", "405",
      "414", "416", "417", "500", "503"};
  Require(answer.starts_with("HTTP/1.1 "), "an answer has a status line");
  Require(std::ranges::count(kStatuses, answer.substr(9, 3)) == 1,
          "the status is one of ours");
  Require(Contains(answer, "\r\n\r\n"), "the head of an answer is whole");
  Require(answer.size() <= 4'096, "an answer is bounded");
  Require(secret_allowed || !Contains(answer, kSecret),
          "metrics need a known token");
}

void Check(Choices& choices) {
  const auto gate = Gate::Parse(std::string(kToken) + " tenant\n");
  Require(gate.ok(), "the token file is valid");
  std::ostringstream log;
  Logger logger(LogFormat::kJson, LogLevel::kError, log);
  const bool throws = choices.Below(8) == 0;
  HttpRouter router(*gate,
                    {.metrics =
                         [throws] {
                           if (throws) throw std::runtime_error("no figures");
                           return std::string(kSecret);
                         },
                     .ready = [] { return false; },
                     .api =
                         [](const std::string& tenant, const std::string&,
                            const HttpParameters&) {
                           Require(tenant == "tenant",
                                   "the gate names callers");
                           return HttpReply{.body = std::string(kSecret)};
                         }},
                    /*max_queries=*/1, logger);
  const std::size_t bound = choices.Below(4) == 0
                                ? static_cast<std::size_t>(choices.Below(256))
                                : std::size_t{64} << 10U;
  const std::string sent = choices.Coin()
                               ? RequestFrom(choices)
                               : std::string(choices.Bytes(SIZE_MAX));
  CheckAnswer(Converse(router, sent, bound), Contains(sent, kToken));
  Require(!Contains(log.str(), kToken), "no token is logged");
}

}  // namespace
}  // namespace firekeeper::server

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  firekeeper::testing::Choices choices({data, size});
  firekeeper::server::Check(choices);
  return 0;
}
