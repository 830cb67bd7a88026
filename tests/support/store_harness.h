// The engines that the conformance suite runs over, one harness each. An engine
// joins by adding one to kStoreEngines.

#pragma once

#include <array>
#include <memory>
#include <ostream>
#include <string>

#include "server/store/store.h"

namespace firekeeper::testing {

class StoreHarness {
 public:
  StoreHarness() = default;
  virtual ~StoreHarness() = default;
  StoreHarness(const StoreHarness&) = delete;
  StoreHarness& operator=(const StoreHarness&) = delete;

  virtual server::Store& store() = 0;
  // Closes the store and opens what it left.
  virtual void Reopen() = 0;
  // Flips a bit of a row that is there.
  virtual void Damage(const server::RowKey& at) = 0;
};

struct StoreEngine {
  const char* name;
  std::unique_ptr<StoreHarness> (*make)();

  friend std::ostream& operator<<(std::ostream& out,
                                  const StoreEngine& engine) {
    return out << engine.name;
  }
};

std::unique_ptr<StoreHarness> MakeMemoryHarness();
std::unique_ptr<StoreHarness> MakeSqliteHarness();

inline constexpr std::array kStoreEngines = {
    StoreEngine{.name = "Memory", .make = MakeMemoryHarness},
    StoreEngine{.name = "Sqlite", .make = MakeSqliteHarness},
};

}  // namespace firekeeper::testing
