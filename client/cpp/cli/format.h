// Numbers, times and enumerators in words.

#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "firekeeper/v1/resources.pb.h"

namespace firekeeper::client::cli {

// "1,234,567".
[[nodiscard]] std::string FormatCount(std::uint64_t count);
// A step; "-" for -1.
[[nodiscard]] std::string FormatStep(std::int64_t step);
// "12.5%"; "0%" and "100%" only where that is exact.
[[nodiscard]] std::string FormatShare(double share);
// Four significant digits.
[[nodiscard]] std::string FormatReal(double value);
// "12 B", "4.0 KiB", "1.5 MiB".
[[nodiscard]] std::string FormatBytes(std::uint64_t bytes);
// "2026-01-31 23:59:59Z"; "-" where it is 0.
[[nodiscard]] std::string FormatTime(const google::protobuf::Timestamp& time);

// Between which steps a unit died: "(120, 256]"; "never fired, by 256".
[[nodiscard]] std::string FormatDeath(const v1::UnitVerdict& verdict);
// What is left as possible: "rate <= 1.2e-04 at 99%".
[[nodiscard]] std::string FormatCertainty(const v1::UnitVerdict& verdict,
                                          const v1::Certificate& certificate);

// An enumerator without its prefix, in lower case: "dead" for
// HEALTH_STATE_DEAD. The number, where it is unknown.
[[nodiscard]] std::string EnumName(
    const google::protobuf::EnumDescriptor& descriptor, int value);
// The reverse; "-" is taken for "_". Fails with kInvalidArgument, listing what
// is allowed.
[[nodiscard]] absl::StatusOr<int> ParseEnum(
    const google::protobuf::EnumDescriptor& descriptor,
    const std::string& name);

// "5%" or "0.05", 0 to 1. Fails with kInvalidArgument.
[[nodiscard]] absl::StatusOr<double> ParseShare(const std::string& text);

}  // namespace firekeeper::client::cli
