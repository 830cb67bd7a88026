#include "server/ingest/codec.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/ingest/checks.h"

namespace firekeeper::server {
namespace {

constexpr std::size_t kMaxGapReasonBytes = 255;
constexpr int kMaxSampledSteps = 4'096;
constexpr int kMaxScalars = 256;

bool MayBeginName(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
}

bool MayContinueName(char c) {
  return MayBeginName(c) ||
         absl::string_view(".:/@+=-").find(c) != absl::string_view::npos;
}

// kNamePattern without its length, written out: std::regex recurses once a
// character.
bool HasNameCharacters(absl::string_view name) {
  return MayBeginName(name.front()) &&
         std::ranges::all_of(name, &MayContinueName);
}

absl::Status CheckSampledSteps(const v1::Progress& progress) {
  const auto& steps = progress.sampled_steps();
  if (steps.size() > kMaxSampledSteps) {
    return LimitError("sampled_steps",
                      absl::StrCat("has ", steps.size(), " entries; at most ",
                                   kMaxSampledSteps));
  }
  std::int64_t previous = -1;
  for (const std::int64_t step : steps) {
    if (absl::Status status = CheckStep("sampled_steps", step); !status.ok()) {
      return status;
    }
    if (step <= previous) {
      return FieldError(
          "sampled_steps",
          absl::StrCat(step, " follows ", previous, "; must be ascending"));
    }
    previous = step;
  }
  return absl::OkStatus();
}

absl::Status CheckScalar(const v1::Scalar& scalar, const Limits& limits) {
  if (absl::Status status = CheckName("name", scalar.name(), limits);
      !status.ok()) {
    return status;
  }
  return CheckStep("step", scalar.step());
}

}  // namespace

absl::Status CheckName(const std::string& field, absl::string_view name,
                       const Limits& limits) {
  if (name.empty()) return FieldError(field, "must not be empty");
  if (name.size() > limits.max_name_bytes) {
    return FieldError(field,
                      absl::StrCat(Quoted(name), " has ", name.size(),
                                   " bytes; at most ", limits.max_name_bytes));
  }
  if (!HasNameCharacters(name)) {
    return FieldError(field,
                      absl::StrCat(Quoted(name), " must match ", kNamePattern));
  }
  if (absl::StrContains(name, "..") || absl::StrContains(name, "//")) {
    return FieldError(
        field, absl::StrCat(Quoted(name), R"( must not hold ".." or "//")"));
  }
  return absl::OkStatus();
}

absl::Status CheckSnapshotKey(const v1::Snapshot& snapshot,
                              const Limits& limits) {
  if (absl::Status status = CheckName("layer", snapshot.layer(), limits);
      !status.ok()) {
    return status;
  }
  if (absl::Status status =
          CheckEnum("signal", snapshot.signal(), *v1::Signal_descriptor());
      !status.ok()) {
    return status;
  }
  if (absl::Status status =
          CheckEnum("phase", snapshot.phase(), *v1::Phase_descriptor());
      !status.ok()) {
    return status;
  }
  return CheckStep("step", snapshot.step());
}

absl::Status CheckGap(const v1::Gap& gap) {
  if (absl::Status status = CheckSeq("from_seq", gap.from_seq());
      !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckSeq("to_seq", gap.to_seq()); !status.ok()) {
    return status;
  }
  if (gap.to_seq() < gap.from_seq()) {
    return FieldError("to_seq", absl::StrCat("is ", gap.to_seq(),
                                             "; from_seq is ", gap.from_seq()));
  }
  if (absl::Status status = CheckStep("first_step", gap.first_step());
      !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckStep("last_step", gap.last_step());
      !status.ok()) {
    return status;
  }
  if (gap.last_step() < gap.first_step()) {
    return FieldError("last_step",
                      absl::StrCat("is ", gap.last_step(), "; first_step is ",
                                   gap.first_step()));
  }
  if (gap.reason().size() > kMaxGapReasonBytes) {
    return FieldError(
        "reason", absl::StrCat("has ", gap.reason().size(), " bytes; at most ",
                               kMaxGapReasonBytes));
  }
  return absl::OkStatus();
}

absl::Status CheckProgress(const v1::Progress& progress, const Limits& limits) {
  const std::int64_t through = progress.complete_through_step();
  if (through < -1 || through > core::kMaxStep) {
    return FieldError(
        "complete_through_step",
        absl::StrCat("is ", through, "; must be -1 to ", core::kMaxStep));
  }
  if (absl::Status status = CheckSampledSteps(progress); !status.ok()) {
    return status;
  }
  if (progress.scalars_size() > kMaxScalars) {
    return LimitError("scalars",
                      absl::StrCat("has ", progress.scalars_size(),
                                   " entries; at most ", kMaxScalars));
  }
  for (int i = 0; i < progress.scalars_size(); ++i) {
    if (absl::Status status = CheckScalar(progress.scalars(i), limits);
        !status.ok()) {
      return WithFieldPrefix(status, absl::StrCat("scalars[", i, "]."));
    }
  }
  return absl::OkStatus();
}

}  // namespace firekeeper::server
