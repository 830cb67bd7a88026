// Options of what outlives the process.

#pragma once

#include <vector>

#include "server/options.h"
#include "server/settings.h"

namespace firekeeper::server {

// The settings point into `options`.
[[nodiscard]] std::vector<Setting> StorageSettingRows(Options& options);

}  // namespace firekeeper::server
