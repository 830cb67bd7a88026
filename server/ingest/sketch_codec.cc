// QuantileSketch: every bucket and every count, before anything is kept.

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/ingest/codec.h"

namespace firekeeper::server {
namespace {

using core::QuantileSketch;
using core::SketchBuckets;
using Counts = google::protobuf::RepeatedField<std::uint64_t>;

// Takes `count` from what is left of the values that may be there.
absl::Status Take(const std::string& field, std::uint64_t count,
                  std::uint64_t most, std::uint64_t* left) {
  if (count > *left) {
    return FieldError(field, absl::StrCat("brings the values to more than the ",
                                          most, " observations"));
  }
  *left -= count;
  return absl::OkStatus();
}

// `sign`: of the fields.
absl::Status Read(const std::string& sign, std::int32_t offset,
                  const Counts& counts, std::uint64_t most, std::uint64_t* left,
                  SketchBuckets* buckets) {
  const std::string field = sign + "_counts";
  if (static_cast<std::size_t>(counts.size()) > SketchBuckets::kMaxBuckets) {
    return FieldError(field, absl::StrCat("has ", counts.size(),
                                          " buckets; must have at most ",
                                          SketchBuckets::kMaxBuckets));
  }
  if (counts.empty()) return absl::OkStatus();
  const std::int32_t highest = QuantileSketch::kMaxBucket - (counts.size() - 1);
  if (offset < QuantileSketch::kMinBucket || offset > highest) {
    return FieldError(
        sign + "_offset",
        absl::StrCat("is ", offset, "; must be ", QuantileSketch::kMinBucket,
                     " to ", highest, " with ", counts.size(), " buckets"));
  }
  for (const std::uint64_t count : counts) {
    if (absl::Status status = Take(field, count, most, left); !status.ok()) {
      return status;
    }
  }
  buckets->Add(offset,
               {counts.data(), static_cast<std::size_t>(counts.size())});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<core::QuantileSketch> DecodeSketch(
    const v1::QuantileSketch& sketch, std::uint64_t most) {
  QuantileSketch decoded;
  std::uint64_t left = most;
  absl::Status status = Take("zero_count", sketch.zero_count(), most, &left);
  if (status.ok()) {
    status = Read("negative", sketch.negative_offset(),
                  sketch.negative_counts(), most, &left, &decoded.negative());
  }
  if (status.ok()) {
    status = Read("positive", sketch.positive_offset(),
                  sketch.positive_counts(), most, &left, &decoded.positive());
  }
  if (!status.ok()) return status;
  decoded.AddZeros(sketch.zero_count());
  return decoded;
}

}  // namespace firekeeper::server
