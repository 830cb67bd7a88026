// Sound rows of every kind, as fuzz_rows reads them.

#pragma once

#include <map>
#include <string>

namespace firekeeper::testing {

// By name of the file.
std::map<std::string, std::string> RowSeeds();

}  // namespace firekeeper::testing
