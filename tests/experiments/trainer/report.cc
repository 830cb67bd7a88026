#include "tests/experiments/trainer/report.h"

#include <cstddef>
#include <nlohmann/json.hpp>

namespace firekeeper::experiments {
namespace {

using Json = nlohmann::ordered_json;

void AddShares(Json& json, const Outcome& outcome) {
  const auto share = [](const std::vector<UnitCounts>& layers,
                        std::int64_t UnitCounts::*count) {
    return HiddenShare(layers, count);
  };
  json["dead_start"] = share(outcome.before, &UnitCounts::dead);
  json["dead_end"] = share(outcome.after, &UnitCounts::dead);
  json["gated_start"] = share(outcome.before, &UnitCounts::gated);
  json["gated_end"] = share(outcome.after, &UnitCounts::gated);
  json["linear_start"] = share(outcome.before, &UnitCounts::linear);
  json["linear_end"] = share(outcome.after, &UnitCounts::linear);
}

Json LayerJson(const Outcome& outcome, std::size_t layer) {
  const UnitCounts& before = outcome.before[layer];
  const UnitCounts& after = outcome.after[layer];
  const LayerSignals& signals = outcome.signals[layer];
  return {{"name", signals.name},
          {"units", before.units},
          {"dead_start", before.dead},
          {"dead_end", after.dead},
          {"gated_start", before.gated},
          {"gated_end", after.gated},
          {"linear_start", before.linear},
          {"linear_end", after.linear},
          {"weight_gain", signals.weight_gain},
          {"first_gradient", signals.first_gradient},
          {"last_gradient", signals.last_gradient}};
}

Json StreamJson(const streaming::StreamingOutcome& stream) {
  return {{"enqueued", stream.counters.enqueued},
          {"acked", stream.counters.acked},
          {"rejected", stream.counters.rejected},
          {"dropped", stream.counters.dropped},
          {"invalid", stream.counters.invalid},
          {"delivered", stream.delivered},
          {"state", client::Name(stream.connection.state)},
          {"last_error", stream.connection.last_error}};
}

// What a server says may hold any bytes; a report must not fail over them.
std::string OneLine(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string RunReport(
    const Scenario& scenario, std::uint64_t seed, const Outcome& outcome,
    const std::optional<streaming::StreamingOutcome>& stream) {
  Json json{
      {"scenario", scenario.name}, {"seed", seed}, {"steps", scenario.steps}};
  AddShares(json, outcome);
  json["train_accuracy"] = outcome.train.accuracy;
  json["test_accuracy"] = outcome.test.accuracy;
  json["loss_start"] = outcome.first.loss;
  json["loss_end"] = outcome.train.loss;
  json["diverged"] = outcome.diverged;
  json["update_ratio"] = outcome.update_ratio;
  json["layers"] = Json::array();
  for (std::size_t i = 0; i < outcome.signals.size(); ++i) {
    json["layers"].push_back(LayerJson(outcome, i));
  }
  if (stream) json["firekeeper"] = StreamJson(*stream);
  return OneLine(json);
}

std::string ScenarioReport(const Scenario& scenario) {
  Json causes = Json::array();
  for (const Cause cause : scenario.causes) causes.push_back(Name(cause));
  return OneLine({{"name", scenario.name},
                  {"causes", causes},
                  {"remedy_of", scenario.remedy_of},
                  {"effect", Name(scenario.effect)},
                  {"in_matrix", scenario.in_matrix},
                  {"held_out", scenario.held_out},
                  {"data", IsDigits(scenario) ? "digits" : "synthetic"}});
}

}  // namespace firekeeper::experiments
