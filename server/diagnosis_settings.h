// The options of the diagnosis and of the alarms of layers: part of the one
// table of settings.h.

#pragma once

#include <vector>

#include "server/settings.h"

namespace firekeeper::server {

// Requires: `options` outlives the rows.
[[nodiscard]] std::vector<Setting> AlarmSettingRows(Options& options);
[[nodiscard]] std::vector<Setting> DiagnosisSettingRows(Options& options);

}  // namespace firekeeper::server
