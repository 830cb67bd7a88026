// How a run is looked at as a whole: what the diagnosis and the events rest on.

#include <algorithm>
#include <array>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "core/diagnosis/diagnose.h"
#include "server/state/run.h"
#include "server/state/run_parts.h"

namespace firekeeper::server {
namespace {

// Of a scalar: every step below this, and so many later ones.
constexpr std::int64_t kDenseScalarSteps = 128;
constexpr std::size_t kMaxLaterScalars = 512;

constexpr std::array<std::string_view, 4> kDiagnosedScalars{
    core::kLossScalar, core::kLearningRateScalar, core::kGradientNormScalar,
    core::kLossScaleScalar};

// Windows in which some layer received something, after the last in which this
// one did. Windows that no layer sampled are no silence.
std::size_t WindowsWithoutData(const std::set<std::int64_t>& all,
                               const std::vector<std::int64_t>& own) {
  if (own.empty()) return 0;
  return static_cast<std::size_t>(
      std::distance(all.upper_bound(own.back()), all.end()));
}

std::uint64_t UnitsIn(std::initializer_list<core::HealthState> states,
                      const LayerView& view) {
  std::uint64_t units = 0;
  for (const core::HealthState state : states) {
    units += view.units_by_state.at(static_cast<std::size_t>(state));
  }
  return units;
}

// `views`: of the same layers.
RunGlance GlanceAt(const std::vector<core::LayerFacts>& layers,
                   const std::vector<LayerView>& views) {
  RunGlance glance;
  for (const core::LayerFacts& layer : layers) {
    std::uint64_t units = 0;
    for (const std::uint64_t count : layer.units_by_state) units += count;
    if (units == 0) continue;
    const std::uint64_t dead = layer.DeadUnits();
    glance.dead.count += dead;
    glance.dead.total += units;
    const double share = static_cast<double>(dead) / static_cast<double>(units);
    if (share > glance.worst_dead_share) {
      glance.worst_dead_share = share;
      glance.worst_layer = layer.name;
    }
  }
  using enum core::HealthState;
  for (const LayerView& view : views) {
    if (view.collapsed) ++glance.collapsed_layers;
    if (view.units_that_hold.at(static_cast<std::size_t>(kNonFinite)) > 0) {
      ++glance.non_finite_layers;
    }
    glance.unsaid_units += UnitsIn({kUnobserved, kUnknown, kNonFinite}, view);
    glance.open_units += UnitsIn({kSilent, kDeadOnSet}, view);
  }
  return glance;
}

}  // namespace

void Run::KeepHistory(const std::string& name, std::int64_t step,
                      double value) {
  if (std::ranges::count(kDiagnosedScalars, std::string_view(name)) == 0) {
    return;
  }
  scalar_history_.try_emplace(name, kDenseScalarSteps, kMaxLaterScalars)
      .first->second.Insert(step, value);
}

std::vector<std::pair<std::int64_t, double>> Run::ScalarHistory(
    const std::string& name) const {
  const absl::MutexLock lock(&mutex_);
  const auto found = scalar_history_.find(name);
  if (found == scalar_history_.end()) return {};
  return found->second.Values();
}

std::uint64_t Run::Version() const {
  std::uint64_t version = closings_.load();
  for (const auto& layer : Layers()) version += layer->version();
  return version;
}

RunLook Run::Look(absl::Time now, std::vector<LayerView>* views) {
  RunLook look;
  look.now = now;
  core::RunFacts facts;
  std::set<std::int64_t> windows;
  std::vector<std::vector<std::int64_t>> windows_of;
  const std::uint64_t units = UnitCount();
  for (const auto& layer : Layers()) {
    LayerLook seen = layer->Look(units);
    // At once, while the verdicts of the look are those of now.
    views->push_back(layer->View(units));
    windows.insert(seen.windows.begin(), seen.windows.end());
    windows_of.push_back(std::move(seen.windows));
    look.layers.push_back(
        {.name = seen.facts.name, .situation = seen.situation});
    facts.layers.push_back(std::move(seen.facts));
  }
  for (std::size_t i = 0; i < look.layers.size(); ++i) {
    look.layers[i].situation.windows_without_data =
        WindowsWithoutData(windows, windows_of[i]);
  }
  {
    const absl::MutexLock lock(&mutex_);
    for (const auto& [name, history] : scalar_history_) {
      facts.scalars[name].points = history.Values();
    }
    facts.last_step = facts_.last_step;
  }
  look.silent = View(now).state == RunState::kSilent;
  look.last_step = facts.last_step;
  look.diagnosis = core::Diagnose(facts, settings_.diagnosis);

  AssessedRun assessed{.diagnosis = look.diagnosis,
                       .last_step = look.last_step,
                       .glance = GlanceAt(facts.layers, *views),
                       .assessed = now};
  const absl::MutexLock lock(&mutex_);
  assessed_ = std::move(assessed);
  return look;
}

void Run::Assess(absl::Time now) {
  const RunTurns::Turn turn(turns_);
  record::v1::Entry entry;
  entry.mutable_look();
  turn.Note(now, std::move(entry));
  AssessInTurn(now);
}

void Run::AssessInTurn(absl::Time now) {
  const absl::MutexLock assessing(&assess_mutex_);
  const std::uint64_t closings = closings_.load();
  const std::uint64_t version = Version();
  if (version == assessed_version_) return;
  std::vector<LayerView> views;
  assessment_.Take(Look(now, &views));
  {
    const absl::MutexLock lock(&mutex_);
    findings_ = assessment_.Findings();
  }
  layer_pages_ = PagesOf(std::move(views));
  PutEvents();
  assessed_version_ = version;
  assessed_closings_ = closings;
}

void Run::AssessClosedWindows(absl::Time now) {
  const RunTurns::Turn turn(turns_);
  record::v1::Entry entry;
  entry.mutable_look()->set_if_windows_closed(true);
  turn.Note(now, std::move(entry));
  const bool silent = View(now).state == RunState::kSilent;
  bool changed = false;
  {
    const absl::MutexLock assessing(&assess_mutex_);
    if (silent != silent_) ++closings_;
    silent_ = silent;
    changed = closings_.load() != assessed_closings_;
  }
  if (changed) AssessInTurn(now);
  // A watch ends with its run; whoever opens it again opens the log.
  if (View(now).state == RunState::kEnded && !events_.closed()) {
    events_.Close(absl::OkStatus());
  }
}

std::shared_ptr<const LayerPages> Run::PagesOf(std::vector<LayerView> views) {
  std::map<std::string, std::optional<double>> expected;
  for (const core::LayerCapacity& layer :
       Assessed().diagnosis.consequences.layers) {
    expected.emplace(layer.layer, layer.expected_born_dead);
  }
  LayerPages pages;
  pages.reserve(views.size());
  for (LayerView& view : views) {
    const std::string name = view.spec.name;
    const auto found = expected.find(name);
    pages.push_back({.view = std::move(view),
                     .alarms = assessment_.AlarmsOf(name),
                     .expected_born_dead = found == expected.end()
                                               ? std::nullopt
                                               : found->second});
  }
  return std::make_shared<const LayerPages>(std::move(pages));
}

std::shared_ptr<const RunPage> Run::Page(absl::Time now) {
  auto page = std::make_shared<RunPage>();
  page->view = View(now);
  const LayerList layers = Layers();
  const absl::MutexLock assessing(&assess_mutex_);
  if (!layer_pages_ || layer_pages_->size() != layers.size()) {
    const std::uint64_t units = UnitCount();
    std::vector<LayerView> views;
    views.reserve(layers.size());
    for (const auto& layer : layers) views.push_back(layer->View(units));
    layer_pages_ = PagesOf(std::move(views));
  }
  page->layers = layer_pages_;
  return page;
}

void Run::ForgetPage() {
  const absl::MutexLock assessing(&assess_mutex_);
  layer_pages_ = nullptr;
}

AssessedRun Run::Assessed() const {
  const absl::MutexLock lock(&mutex_);
  return assessed_;
}

}  // namespace firekeeper::server
