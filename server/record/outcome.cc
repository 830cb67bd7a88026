#include "server/record/outcome.h"

#include <google/protobuf/util/field_comparator.h>
#include <google/protobuf/util/message_differencer.h>
#include <zlib.h>

#include <cstdint>
#include <string>

namespace firekeeper::server {
namespace {

// Tensors are summed in binary32 in an order that depends on the width of the
// processor's vectors.
constexpr double kFloatTolerance = 1e-5;
// Units judged, and events looked through, at a time.
constexpr std::size_t kUnitPage = 65'536;
constexpr std::size_t kMaxEvents = std::size_t{1} << 24U;

void AddToCrc(std::uint64_t value, std::uint32_t* crc) {
  // Byte by byte, so that the order of bytes of the machine does not matter.
  for (int shift = 0; shift < 64; shift += 8) {
    const auto byte = static_cast<Bytef>(value >> static_cast<unsigned>(shift));
    *crc = static_cast<std::uint32_t>(crc32(*crc, &byte, 1));
  }
}

std::uint32_t UnitsCrc(LayerState& layer, const RunFacts& facts) {
  std::uint32_t crc = 0;
  std::uint64_t first = 0;
  while (true) {
    const UnitPage page = layer.Units(facts, {}, first, kUnitPage);
    if (page.units.empty()) return crc;
    for (const UnitView& unit : page.units) {
      AddToCrc(static_cast<std::uint64_t>(unit.health.state), &crc);
      AddToCrc(static_cast<std::uint64_t>(unit.last_firing_step), &crc);
      AddToCrc(unit.horizon_observations, &crc);
      AddToCrc(unit.horizon_firings, &crc);
    }
    first = page.units.back().unit + 1;
  }
}

void FillWindow(const SignalView& view, record::v1::Outcome::Window* window) {
  window->set_signal(static_cast<v1::Signal>(view.signal));
  window->set_phase(static_cast<v1::Phase>(view.phase));
  window->set_first_step(view.digest.steps.first);
  window->set_end_step(view.digest.steps.end);
  window->set_open(view.open);
  window->set_revision(view.revision);
  window->set_observations(view.digest.total_observations);
  window->set_non_finite(view.digest.non_finite);
  window->set_units_never_fired(view.digest.units_never_fired);
  window->set_firing_ratio(view.digest.firing_ratio.value_or(0.0));
  window->set_mean(view.digest.mean);
}

void FillLayer(LayerState& layer, const RunFacts& facts,
               record::v1::Outcome::Layer* to) {
  const LayerView view = layer.View(facts.units);
  to->set_name(view.spec.name);
  for (const std::uint64_t units : view.units_by_state) {
    to->add_units_by_state(units);
  }
  to->set_deaths(view.life.deaths);
  to->set_revivals(view.life.revivals);
  to->set_collapsed(view.collapsed);
  to->set_units_crc(UnitsCrc(layer, facts));
  for (const SignalView& signal : view.signals) {
    for (const SignalView& window :
         layer.History(signal.signal, signal.phase)) {
      FillWindow(window, to->add_windows());
    }
  }
}

void FillCounters(const RunCounters& from,
                  record::v1::Outcome::Counters* counters) {
  counters->set_accepted(from.accepted);
  counters->set_duplicate(from.duplicate);
  counters->set_conflicting(from.conflicting);
  counters->set_copies(from.copies);
  counters->set_rejected(from.rejected);
  counters->set_gap(from.gap);
  counters->set_payload_bytes(from.payload_bytes);
}

}  // namespace

record::v1::Outcome OutcomeOf(Run& run, absl::Time now) {
  run.AssessInTurn(now);
  record::v1::Outcome outcome;
  const RunView view = run.View(now);
  outcome.set_last_step(view.last_step);
  outcome.set_attempts(static_cast<std::uint32_t>(view.attempts.size()));
  outcome.set_ended(view.state == RunState::kEnded);
  FillCounters(view.counters, outcome.mutable_counters());
  const RunFacts facts = run.Facts();
  for (const auto& layer : run.Layers()) {
    FillLayer(*layer, facts, outcome.add_layers());
  }
  for (const core::Finding& from : run.Assessed().diagnosis.findings) {
    record::v1::Outcome::Finding* finding = outcome.add_findings();
    finding->set_cause(static_cast<std::uint32_t>(from.cause));
    for (const std::string& layer : from.layers) finding->add_layers(layer);
    finding->set_score(from.score);
  }
  const auto events = run.events().After(0, kMaxEvents);
  outcome.set_last_event_id(events.empty() ? 0 : events.back().event_id);
  return outcome;
}

std::string DifferenceOf(const record::v1::Outcome& recorded,
                         const record::v1::Outcome& replayed) {
  using google::protobuf::util::DefaultFieldComparator;
  using google::protobuf::util::MessageDifferencer;
  DefaultFieldComparator comparator;
  comparator.set_float_comparison(DefaultFieldComparator::APPROXIMATE);
  comparator.set_treat_nan_as_equal(true);
  comparator.SetDefaultFractionAndMargin(kFloatTolerance, kFloatTolerance);
  MessageDifferencer differencer;
  differencer.set_field_comparator(&comparator);
  std::string difference;
  differencer.ReportDifferencesToString(&difference);
  if (differencer.Compare(recorded, replayed)) return {};
  return difference;
}

}  // namespace firekeeper::server
