#include "server/ingest/checks.h"

#include <cstddef>
#include <limits>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/window_plan.h"
#include "server/errors.h"

namespace firekeeper::server {
namespace {

constexpr std::size_t kQuotedBytes = 64;
constexpr std::uint64_t kMaxSeq = std::numeric_limits<std::int64_t>::max();

std::string Describe(const google::protobuf::EnumValueDescriptor& value) {
  return absl::StrCat(value.name(), " (", value.number(), ")");
}

}  // namespace

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::CHexEscape(text.substr(0, kQuotedBytes)),
                      "\"", text.size() > kQuotedBytes ? "..." : "");
}

absl::Status CheckStep(const std::string& field, std::int64_t step) {
  if (step >= 0 && step <= core::kMaxStep) return absl::OkStatus();
  return FieldError(
      field, absl::StrCat("is ", step, "; must be 0 to ", core::kMaxStep));
}

absl::Status CheckSeq(const std::string& field, std::uint64_t seq) {
  if (seq >= 1 && seq <= kMaxSeq) return absl::OkStatus();
  return FieldError(field,
                    absl::StrCat("is ", seq, "; must be 1 to ", kMaxSeq));
}

absl::Status CheckEnum(const std::string& field, int value,
                       const google::protobuf::EnumDescriptor& type) {
  if (value != 0 && type.FindValueByNumber(value) != nullptr) {
    return absl::OkStatus();
  }
  // The values of our enums are consecutive, so two of them tell all.
  return FieldError(
      field,
      absl::StrCat("is ", value, "; must be ", Describe(*type.value(1)), " to ",
                   Describe(*type.value(type.value_count() - 1))));
}

}  // namespace firekeeper::server
