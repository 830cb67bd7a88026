// The running statistics of every unit while one tensor is reduced, in the
// order in which its memory lies.

#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/comparisons.h"
#include "core/kernels/column_kernel.h"
#include "core/kernels/piece.h"
#include "core/kernels/unit_columns.h"
#include "core/reduce.h"
#include "core/unit_summary.h"

namespace firekeeper::core {

// How entries belong to clusters.
enum class Clusters : std::uint8_t {
  kNone,    // no cluster is known
  kEntry,   // every entry of a unit is a cluster of its own
  kMarked,  // what is added between two EndCluster() is one cluster
};

// Works on stored values; scale enters in Finish(). Zeros that may be
// underflow are kept out of the moments until a value shows that they are
// not, because a zero can be put in exactly and cannot be taken out.
//
// Thread-compatible. Allocates in Begin() only.
class UnitAccumulator {
 public:
  // Most rows that one call of AddRows() takes.
  static constexpr std::size_t kMaxRows = kernels::kMaxRows;

  // Drops what was there. Requires: units >= 0, scale is finite and positive.
  void Begin(DataType dtype, Index units, const ReduceOptions& options,
             double scale, Clusters clusters);
  // Adds rows of one entry for each of the units first_unit …
  // first_unit + unit_count - 1; each pointer is that of its first entry.
  // Requires: rows are of one cluster or clusters are kEntry or kNone.
  void AddRows(Index first_unit, Index unit_count,
               std::span<const std::byte* const> rows);
  // Adds `count` entries of one unit that lie side by side. Requires: as
  // AddRows().
  void AddRun(Index unit, const std::byte* values, std::size_t count);
  // Ends a cluster of Clusters::kMarked; nothing otherwise.
  void EndCluster();
  // Reads the statistics off. Begin() comes next.
  [[nodiscard]] UnitSummary Finish();
  // Whether zeros were observations. Requires: Finish() came last.
  [[nodiscard]] bool zeros_counted() const { return !zeros_wait_; }

  [[nodiscard]] std::size_t MemoryUsed() const;

 private:
  // The units first_unit + begin … of rows that point at first_unit.
  void AddTile(Index first_unit, Index begin, Index width,
               std::span<const std::byte* const> rows);
  void AddExactly(Index first_unit, Index unit_count,
                  std::span<const std::byte* const> rows,
                  std::size_t byte_offset);
  void Fold(Index unit, const kernels::Piece& piece);
  // Learns from the values of a piece whether zeros are true.
  void Watch(double min, double max);
  // The same from the first entries of a piece that is about to be added.
  void LookAhead(const std::byte* values, Index count);
  void AdmitZeros();
  void FillCounts(UnitSummary& summary, bool zeros_count) const;
  void FillClusters(UnitSummary& summary, bool zeros_count) const;
  void FillMoments(UnitSummary& summary) const;
  // [units]: entries at or above a limit in use.
  [[nodiscard]] Eigen::Map<const CountArray> AtLeastLimit(
      std::size_t limit) const;
  [[nodiscard]] CountArray Firings(const CountArray& entries) const;

  DataType dtype_ = DataType::kF32;
  Index units_ = 0;
  ColumnSet columns_;
  double scale_ = 1.0;
  Clusters clusters_ = Clusters::kNone;
  Comparisons comparisons_;
  // Zeros are out of the moments; false for good once a value is large enough.
  bool zeros_wait_ = false;
  double largest_ = 0.0;  // |stored value|, while zeros_wait_
  kernels::UnitColumns state_;
  kernels::TileBuffer tile_buffer_;
  std::vector<double> exact_;  // columns of a block on the exact way
};

}  // namespace firekeeper::core
