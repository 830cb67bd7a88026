// State as bytes and back: how what is long-lived leaves the process. Numbers
// are little-endian; arrays take the least width that holds them exactly.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "core/unit_summary.h"
#include "core/window_plan.h"

namespace firekeeper::core {

// Thread-compatible.
class StateWriter {
 public:
  template <typename Number>
  requires std::is_arithmetic_v<Number>
  void Put(Number value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void Put(const StepRange& steps) {
    Put(steps.first);
    Put(steps.end);
  }
  void Put(const UnitCounts& counts);
  void Put(const CountArray& counts);
  void Put(const StepArray& steps);
  // Binary32 where that is exact for every entry.
  void Put(const Eigen::ArrayXd& values);
  // Without the sketch.
  void Put(const UnitSummary& summary);
  void Put(const QuantileSketch& sketch);
  void PutBytes(const void* data, std::size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
  }

  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads what a StateWriter wrote. Once something does not fit, ok() is false
// and everything read is empty or 0: callers check once at the end, and before
// they use a size. Never allocates more than a small multiple of what is there.
//
// Thread-compatible.
class StateReader {
 public:
  explicit StateReader(std::string_view bytes) : rest_(bytes) {}

  template <typename Number>
  requires std::is_arithmetic_v<Number>
  void Get(Number* value) {
    *value = Number();
    if (const char* data = Next(sizeof *value)) {
      std::memcpy(value, data, sizeof *value);
    }
  }
  template <typename Number>
  [[nodiscard]] Number Get() {
    Number value;
    Get(&value);
    return value;
  }
  // No bool has another value than 0 or 1.
  [[nodiscard]] bool GetBool() {
    const auto value = Get<std::uint8_t>();
    if (value > 1) Fail();
    return value == 1;
  }
  // A number of entries, each of at least `entry_bytes` bytes that follow.
  [[nodiscard]] std::size_t GetSize(std::size_t entry_bytes);
  // Not empty, not negative.
  [[nodiscard]] StepRange GetSteps();
  // Of `units` entries; anything else fails.
  [[nodiscard]] UnitCounts GetUnitCounts(Index units);
  [[nodiscard]] CountArray GetCounts(Index units);
  [[nodiscard]] StepArray GetStepArray(Index units);
  [[nodiscard]] Eigen::ArrayXd GetReals(Index units);
  // Of `units` units with these columns, without a sketch.
  [[nodiscard]] UnitSummary GetSummary(Index units, const ColumnSet& columns);
  [[nodiscard]] QuantileSketch GetSketch();
  // The next bytes; null where there are fewer.
  [[nodiscard]] const char* Next(std::size_t size);

  void Fail() {
    ok_ = false;
    rest_ = {};
  }
  [[nodiscard]] bool ok() const { return ok_; }
  // Nothing is left, also after a failure.
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  // OK where everything fitted and nothing is left; kDataLoss otherwise.
  [[nodiscard]] absl::Status Finish(std::string_view what) const;

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace firekeeper::core
