// What /metrics says of the runs, built from the board at every scrape: no
// gauge to keep in step, and a run that is forgotten takes its series along.

#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "server/state/memory_budget.h"
#include "server/state/run_board.h"

namespace firekeeper::server {

// What the transport knows.
struct TransportGauges {
  std::uint64_t streams_open = 0;
  std::uint64_t connections_open = 0;
  std::uint64_t connections_refused = 0;
};

// Thread-safe: scrapes may overlap.
class Collector final : public prometheus::Collectable {
 public:
  // At most `series_budget` series of runs and layers: runs come first, then
  // their layers, those with an alarm before the others, then by the share of
  // units that are not known to be alive and well. The rest is counted in
  // firekeeper_series_dropped. Requires: board and memory outlive the
  // collector; `transport` may be called from any thread.
  Collector(const RunBoard& board, const MemoryBudget& memory,
            std::uint64_t series_budget,
            std::function<TransportGauges()> transport);

  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  void AddServer(std::uint64_t dropped,
                 std::vector<prometheus::MetricFamily>* families) const;

  const RunBoard& board_;
  const MemoryBudget& memory_;
  const std::uint64_t series_budget_;
  const std::function<TransportGauges()> transport_;
};

}  // namespace firekeeper::server
