// The reduction of a tensor for callers that speak C and load it at run time.
//
// Failures are NULL and a text in the caller's buffer; no exception leaves.
// Thread-safe: a call keeps nothing but the summary it returns.

#pragma once

#include <cstddef>
#include <cstdint>

#define FIREKEEPER_REDUCE_ABI __attribute__((visibility("default")))

// Changes with every change of what is declared here.
inline constexpr std::int32_t kFirekeeperReduceAbiVersion = 2;

// The names of a C ABI.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" {

// A borrowed tensor.
struct fk_tensor {
  const void* data;             // first entry; any alignment
  const std::int64_t* shape;    // `rank` lengths
  const std::int64_t* strides;  // `rank` strides in bytes; NULL: row-major
  // NULL: all valid. Else over the axes but the unit axis, row-major.
  const std::uint8_t* mask;
  std::int64_t mask_size;        // bytes
  std::int32_t mask_entry_bits;  // 1: least significant bit first; 8: non-zero
  std::int32_t dtype;            // 1 F64, 2 F32, 3 F16, 4 BF16
  std::int32_t rank;             // 1 to 8
  std::int32_t unit_axis;
  std::int32_t cluster_axis;  // -1: none
  double scale;               // value = stored * scale
};

// When an observation fires; see core/firing_rule.h.
struct fk_firing_rule_limits {
  std::int32_t kind;  // 0 none, 1 non-zero, 2 band, 3 always
  double low;
  double high;
  double hole_low;
  double hole_high;
};

// What is kept of a tensor.
struct fk_rule {
  std::int32_t signal;         // a number of firekeeper.v1.Signal
  std::int32_t cluster_split;  // non-zero: no cluster columns
  fk_firing_rule_limits firing_rule;
};

// One column of a summary, encoded as firekeeper.v1.SummaryColumnData asks.
struct fk_column {
  std::int32_t id;      // a number of firekeeper.v1.SummaryColumn
  std::uint32_t width;  // bytes of one entry; 0: derived, without data
  const void* data;     // lives as long as the summary
  std::uint64_t size;   // bytes of `data`
};

// Counts of consecutive buckets of a firekeeper.v1.QuantileSketch.
struct fk_buckets {
  std::int32_t offset;          // of the first bucket
  const std::uint64_t* counts;  // live as long as the summary
  std::uint64_t size;           // buckets
};

// The sketch of a summary, as firekeeper.v1.QuantileSketch asks. Empty where
// no value was chosen.
struct fk_sketch {
  std::uint64_t zero_count;
  fk_buckets positive;
  fk_buckets negative;
};

struct fk_summary;

FIREKEEPER_REDUCE_ABI std::int32_t fk_abi_version();

// The instruction set that the reduction runs on here, for example "AVX2".
FIREKEEPER_REDUCE_ABI const char* fk_kernel_target();

// The rule of a signal of a layer with `activation` (a number of
// firekeeper.v1.ActivationKind). Returns 0, or -1 if a number is unknown.
FIREKEEPER_REDUCE_ABI std::int32_t fk_firing_rule(std::int32_t signal,
                                                  std::int32_t activation,
                                                  double negative_slope,
                                                  double alpha,
                                                  fk_firing_rule_limits* out);

// The summary of a tensor, to be given to fk_summary_free(). NULL on a bad
// argument; `error` then holds a text that names it, cut to `error_size` bytes
// with the final zero.
FIREKEEPER_REDUCE_ABI fk_summary* fk_reduce(const fk_tensor* tensor,
                                            const fk_rule* rule, char* error,
                                            std::size_t error_size);

// The same of a weight, with PROVEN for the units that cannot fire on `input`
// (core/interval_proof.h). `bias` may be NULL. Requires of the caller what
// makes a proof hold: units are silent where z <= 0, z is W x + b with nothing
// behind it, and the weight has all features of a unit.
FIREKEEPER_REDUCE_ABI fk_summary* fk_reduce_weight(
    const fk_tensor* weight, const fk_tensor* bias, const fk_tensor* input,
    const fk_rule* rule, char* error, std::size_t error_size);

FIREKEEPER_REDUCE_ABI std::int64_t fk_summary_unit_count(const fk_summary*);
// 1 where no cluster is known, the step is then the cluster; else 0.
FIREKEEPER_REDUCE_ABI std::int32_t fk_summary_cluster_is_step(
    const fk_summary*);
FIREKEEPER_REDUCE_ABI std::int32_t fk_summary_column_count(const fk_summary*);
// Columns are in the order of their numbers.
// Requires: 0 <= index < fk_summary_column_count().
FIREKEEPER_REDUCE_ABI void fk_summary_column(const fk_summary*,
                                             std::int32_t index,
                                             fk_column* out);
FIREKEEPER_REDUCE_ABI void fk_summary_sketch(const fk_summary*, fk_sketch* out);
// NULL is fine.
FIREKEEPER_REDUCE_ABI void fk_summary_free(fk_summary*);

}  // extern "C"
// NOLINTEND(readability-identifier-naming)
