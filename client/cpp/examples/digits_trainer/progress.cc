#include "client/cpp/examples/digits_trainer/progress.h"

#include <cassert>
#include <cstddef>
#include <string>

#include "absl/strings/str_format.h"

namespace firekeeper::digits {
namespace {

constexpr std::int64_t kBarWidth = 30;
// Carriage return, then erase to the end of the line (ECMA-48 EL).
constexpr const char* kRestartLine = "\r\x1b[K";

}  // namespace

void ProgressLine::Advance(std::int64_t done, std::int64_t total, double loss) {
  assert(done > 0 && done <= total);
  const std::int64_t marks = is_terminal_ ? 100 : 10;
  const std::int64_t reached = done * marks / total;
  if (reached == shown_) return;
  shown_ = reached;
  const std::string figures =
      absl::StrFormat("step %d of %d (%d %%), loss %.4g", done, total,
                      done * 100 / total, loss);
  if (!is_terminal_) {
    out_ << figures << '\n' << std::flush;
    return;
  }
  const auto filled = static_cast<std::size_t>(done * kBarWidth / total);
  out_ << kRestartLine << '[' << std::string(filled, '=')
       << std::string(static_cast<std::size_t>(kBarWidth) - filled, ' ') << "] "
       << figures;
  if (done == total) out_ << '\n';
  out_ << std::flush;
}

}  // namespace firekeeper::digits
