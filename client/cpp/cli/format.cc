#include "client/cpp/cli/format.h"

#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"

namespace firekeeper::client::cli {

namespace {

// "HEALTH_STATE_" of HEALTH_STATE_UNSPECIFIED, the zero of every enum.
std::string PrefixOf(const google::protobuf::EnumDescriptor& descriptor) {
  const std::string& zero = descriptor.value(0)->name();
  return zero.substr(0, zero.rfind("UNSPECIFIED"));
}

}  // namespace

std::string FormatCount(std::uint64_t count) {
  std::string digits = absl::StrCat(count);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string FormatStep(std::int64_t step) {
  return step < 0 ? "-" : FormatCount(static_cast<std::uint64_t>(step));
}

std::string FormatShare(double share) {
  if (share == 0.0) return "0%";
  if (share == 1.0) return "100%";
  const double percent = 100.0 * share;
  if (percent < 0.1) return "<0.1%";
  if (percent > 99.9) return ">99.9%";
  return absl::StrFormat("%.1f%%", percent);
}

std::string FormatReal(double value) { return absl::StrFormat("%.4g", value); }

std::string FormatBytes(std::uint64_t bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes) / 1024.0;
  std::size_t unit = 0;
  for (; value >= 1024.0; ++unit) value /= 1024.0;
  return absl::StrFormat("%.1f %s", value, kUnits.at(unit));
}

std::string FormatTime(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M:%SZ",
                          absl::FromUnixSeconds(time.seconds()),
                          absl::UTCTimeZone());
}

std::string FormatDeath(const v1::UnitVerdict& verdict) {
  const std::string by = verdict.has_certified_step()
                             ? FormatStep(verdict.certified_step())
                             : std::string();
  if (!verdict.has_last_firing_step()) {
    return by.empty() ? "never fired" : absl::StrCat("never fired, by ", by);
  }
  const std::string last = FormatStep(verdict.last_firing_step());
  return by.empty() ? absl::StrCat("after ", last)
                    : absl::StrCat("(", last, ", ", by, "]");
}

std::string FormatCertainty(const v1::UnitVerdict& verdict,
                            const v1::Certificate& certificate) {
  if (verdict.observations() == 0 && verdict.silent_observations() == 0) {
    return "-";
  }
  return absl::StrFormat("rate <= %.1e at %.4g%%", verdict.rate_upper_bound(),
                         100.0 * (1.0 - certificate.alpha()));
}

std::string EnumName(const google::protobuf::EnumDescriptor& descriptor,
                     int value) {
  const auto* const found = descriptor.FindValueByNumber(value);
  if (found == nullptr) return absl::StrCat(value);
  return absl::AsciiStrToLower(
      found->name().substr(PrefixOf(descriptor).size()));
}

absl::StatusOr<int> ParseEnum(
    const google::protobuf::EnumDescriptor& descriptor,
    const std::string& name) {
  const std::string wanted =
      absl::AsciiStrToLower(absl::StrReplaceAll(name, {{"-", "_"}}));
  std::vector<std::string> allowed;
  for (int i = 1; i < descriptor.value_count(); ++i) {
    const int number = descriptor.value(i)->number();
    allowed.push_back(EnumName(descriptor, number));
    if (allowed.back() == wanted) return number;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", name, "\" is not one of ", absl::StrJoin(allowed, ", ")));
}

absl::StatusOr<double> ParseShare(const std::string& text) {
  const bool percent = !text.empty() && text.back() == '%';
  const std::string number = text.substr(0, text.size() - (percent ? 1 : 0));
  double value = 0.0;
  const char* const end = number.data() + number.size();
  const auto parsed = std::from_chars(number.data(), end, value);
  if (parsed.ec == std::errc() && parsed.ptr == end) {
    const double share = percent ? value / 100.0 : value;
    if (share >= 0.0 && share <= 1.0) return share;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is no share; write 5% or 0.05"));
}

}  // namespace firekeeper::client::cli
