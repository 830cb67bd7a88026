#include "client/cpp/summary_encoding.h"

#include <cstdint>
#include <utility>

#include "client/cpp/summary_columns.h"

namespace firekeeper::client {

namespace {

constexpr bool Agree(SummaryColumnId id, v1::SummaryColumn column) {
  return static_cast<int>(id) == static_cast<int>(column);
}

static_assert(Agree(SummaryColumnId::kObservations,
                    v1::SUMMARY_COLUMN_OBSERVATIONS) &&
                  Agree(SummaryColumnId::kNonFinite,
                        v1::SUMMARY_COLUMN_NON_FINITE) &&
                  Agree(SummaryColumnId::kMax, v1::SUMMARY_COLUMN_MAX) &&
                  Agree(SummaryColumnId::kProven, v1::SUMMARY_COLUMN_PROVEN),
              "the identifiers are those of the protocol");

}  // namespace

v1::UnitSummary EncodeSummary(const core::UnitSummary& summary) {
  v1::UnitSummary proto;
  proto.set_unit_count(static_cast<std::uint64_t>(summary.unit_count()));
  proto.set_cluster_is_step(!summary.columns.clusters);
  for (SummaryColumn& column : EncodeColumns(summary)) {
    v1::SummaryColumnData& data = *proto.add_columns();
    data.set_column(static_cast<v1::SummaryColumn>(column.id));
    data.set_width(column.width);
    data.set_data(std::move(column.data));
  }
  return proto;
}

}  // namespace firekeeper::client
