// Writes where each target begins, a folder for each: fuzz_seeds <folder>.

#include <google/protobuf/util/delimited_message_util.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "tests/fuzz/row_seeds.h"
#include "tests/support/malformed_messages.h"
#include "tests/support/message_builders.h"

namespace firekeeper::testing {
namespace {

// By name of the file.
using Seeds = std::map<std::string, std::string>;

std::string Delimited(const std::vector<v1::StreamRequest>& requests) {
  std::ostringstream bytes;
  for (const v1::StreamRequest& request : requests) {
    google::protobuf::util::SerializeDelimitedToOstream(request, &bytes);
  }
  return bytes.str();
}

std::vector<v1::StreamRequest> ValidConversation() {
  std::vector<v1::StreamRequest> requests{
      Opening(MakeOpen()),
      Batched(1, {MakeTensorSnapshot(0), MakeSummarySnapshot(1)})};
  for (const v1::Snapshot& chunk : MakeChunks(2, 12)) {
    requests.push_back(Batched(3, {chunk}));
  }
  requests.push_back(Declaring(MakeGap(4, 6)));
  requests.push_back(Reporting(MakeProgress(2)));
  requests.push_back(Closing(6));
  return requests;
}

Seeds SessionSeeds() {
  Seeds seeds{{"valid", Delimited(ValidConversation())}};
  for (const MalformedConversation& row : MalformedConversations()) {
    seeds[row.name] = Delimited(row.requests);
  }
  return seeds;
}

// Choices of fuzz_http: a figure that is told, the bound of the server, and the
// request as it is.
Seeds HttpSeeds() {
  const std::string choices("\1\1\0", 3);
  const std::string host = " HTTP/1.1\r\nHost: x\r\n";
  return {
      {"metrics", choices + "GET /metrics" + host +
                      "Authorization: Bearer open-sesame\r\n\r\n"},
      {"no_token", choices + "GET /metrics" + host + "\r\n"},
      {"head", choices + "HEAD /healthz" + host + "\r\n"},
      {"ready", choices + "GET /readyz?a=b&c=%20d#e" + host + "\r\n"},
      {"range", choices + "GET /healthz" + host + "Range: bytes=0-1\r\n\r\n"},
      {"post", choices + "POST /metrics" + host +
                   "Content-Length: 4\r\nExpect: 100-continue\r\n\r\nbody"},
      {"chunked", choices + "PUT /metrics" + host +
                      "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n"},
      {"encoded", choices + "GET /%6detrics/../a" + host +
                      "Accept-Encoding: gzip\r\n\r\n"},
      {"no_request", choices + "\r\n\r\n"},
      {"old", choices + "GET /healthz HTTP/1.0\r\nConnection: close\r\n\r\n"},
  };
}

// Choices of fuzz_options: the file by itself, and a command line without a
// flag, a variable and a line of its own.
Seeds OptionSeeds() {
  const std::string choices("\4");
  const std::string line(4, '\0');
  return {
      {"line", line + "port = 1\nhttp-host = \"::1\"\ninsecure = true\n"},
      {"file", choices + "port = 1\nhttp-host = \"::1\"\ninsecure = true\n"
                         "confidence = 0.999\nlog-level = 'debug'\n"},
      {"text", choices + "host = \"\"\"\n\\u00e9\\t\\\\\"\"\"\n"},
      {"table", choices + "[a]\nb = [1, 2.5, 1979-05-27T07:32:00Z]\n"},
      {"numbers", choices + "port = 0x1F\nmax-runs = 1_000\nalpha = 1e-6\n"},
  };
}

// Choices of any kind: a mutation of nothing takes long to become one.
Seeds RandomSeeds() {
  Seeds seeds;
  std::mt19937 random(1);
  for (std::size_t size = 64; size <= 1'024; size *= 2) {
    std::string& bytes = seeds["random_" + std::to_string(size)];
    while (bytes.size() < size) {
      bytes.push_back(static_cast<char>(random() & 0xFFU));
    }
  }
  return seeds;
}

bool Write(const std::filesystem::path& folder, const Seeds& seeds) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  for (const auto& [name, bytes] : seeds) {
    std::ofstream file(folder / name, std::ios::binary);
    file << bytes;
    file.close();
    if (!file.good()) return false;
  }
  return true;
}

int WriteAll(const std::filesystem::path& folder) {
  bool written = true;
  for (const char* target : {"fuzz_client", "fuzz_http", "fuzz_merge",
                             "fuzz_recovery", "fuzz_reduce", "fuzz_windows"}) {
    written = written && Write(folder / target, RandomSeeds());
  }
  written = written && Write(folder / "fuzz_session", SessionSeeds()) &&
            Write(folder / "fuzz_rows", RowSeeds()) &&
            Write(folder / "fuzz_http", HttpSeeds()) &&
            Write(folder / "fuzz_options", OptionSeeds());
  if (!written) std::cerr << "cannot write to " << folder << '\n';
  return written ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace firekeeper::testing

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: fuzz_seeds <folder>\n";
    return EXIT_FAILURE;
  }
  return firekeeper::testing::WriteAll(argv[1]);
}
