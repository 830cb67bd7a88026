#include "server/record/recording_settings.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "server/settings.h"

namespace firekeeper::server {
namespace {

// Groups of the table of options.
constexpr std::array<std::string_view, 4> kGroups{"Limits", "Statistics",
                                                  "Events", "Diagnosis"};

bool IsRecorded(const Setting& setting) {
  return std::ranges::count(kGroups, std::string_view(setting.group)) > 0;
}

}  // namespace

std::map<std::string, std::string> RecordedSettings(Options options) {
  std::map<std::string, std::string> recorded;
  for (const Setting& setting : SettingsOf(options)) {
    if (IsRecorded(setting)) recorded.emplace(setting.name, setting.Text());
  }
  return recorded;
}

absl::StatusOr<Options> OptionsOf(
    const std::map<std::string, std::string>& settings) {
  Options options;
  for (const Setting& setting : SettingsOf(options)) {
    const auto recorded = settings.find(setting.name);
    if (recorded == settings.end() || !IsRecorded(setting)) continue;
    const absl::Status set = setting.Set(recorded->second);
    if (!set.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("setting ", setting.name, ": ", set.message()));
    }
  }
  return options;
}

}  // namespace firekeeper::server
