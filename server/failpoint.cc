#include "server/failpoint.h"

#ifdef FIREKEEPER_FAILPOINTS

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>

#include "absl/strings/numbers.h"

namespace firekeeper::server {
namespace {

struct Chosen {
  std::string name;
  std::int64_t pass = 1;
};

Chosen ReadChosen() {
  // Read once; nothing sets it in this process.
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  const char* variable = std::getenv("FIREKEEPER_FAILPOINT");
  if (variable == nullptr) return {};
  const std::string text = variable;
  const std::size_t colon = text.find(':');
  Chosen chosen{.name = text.substr(0, colon), .pass = 1};
  if (colon != std::string::npos &&
      !absl::SimpleAtoi(text.substr(colon + 1), &chosen.pass)) {
    chosen.name.clear();
  }
  return chosen;
}

}  // namespace

void Failpoint(const char* name) {
  static const Chosen kChosen = ReadChosen();
  static std::atomic<std::int64_t> passes{0};
  if (kChosen.name.empty() || kChosen.name != name) return;
  if (++passes == kChosen.pass) std::raise(SIGKILL);
}

}  // namespace firekeeper::server

#endif
