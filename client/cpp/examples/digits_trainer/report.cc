#include "client/cpp/examples/digits_trainer/report.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"

namespace firekeeper::digits {
namespace {

std::string HexHash(std::uint64_t hash) {
  return absl::StrFormat("%016x", hash);
}

std::string StreamingText(const StreamingOptions& options,
                          const streaming::StreamingOutcome& outcome) {
  const client::WatcherCounters& counters = outcome.counters;
  std::string text = absl::StrFormat(
      "streamed to %s as '%s': %d snapshots, %d acked, %d rejected, %d "
      "dropped\n",
      options.endpoint, options.run, counters.enqueued, counters.acked,
      counters.rejected, counters.dropped);
  if (!outcome.delivered && !outcome.connection.last_error.empty()) {
    absl::StrAppendFormat(&text, "the server did not get all of it: %s\n",
                          outcome.connection.last_error);
  }
  return text;
}

}  // namespace

std::string TextReport(
    const Options& options, const RunResult& result,
    const std::optional<streaming::StreamingOutcome>& outcome) {
  std::string text = absl::StrFormat(
      "%d steps of %s at learning rate %g\n"
      "training digits: accuracy %.4f, loss %.4g\n"
      "test digits:     accuracy %.4f, loss %.4g\n"
      "weights %s\n"
      "units that fire on no training digit:\n",
      result.steps, options.optimizer_name,
      options.training.optimizer.learning_rate, result.train.accuracy,
      result.train.loss, result.test.accuracy, result.test.loss,
      HexHash(result.weights_hash));
  for (const trainer::SilentUnits& layer : result.silent_units) {
    absl::StrAppendFormat(&text, "  %-10s %4d of %d", layer.layer,
                          layer.never_fired, layer.units);
    if (layer.non_finite > 0) {
      absl::StrAppendFormat(&text, ", %d not finite", layer.non_finite);
    }
    text += '\n';
  }
  if (outcome) text += StreamingText(options.streaming, *outcome);
  return text;
}

std::string JsonReport(
    const Options& options, const RunResult& result,
    const std::optional<streaming::StreamingOutcome>& outcome) {
  nlohmann::ordered_json json{{"run", options.streaming.run},
                              {"steps", result.steps},
                              {"train_loss", result.train.loss},
                              {"train_accuracy", result.train.accuracy},
                              {"test_loss", result.test.loss},
                              {"test_accuracy", result.test.accuracy},
                              {"weights_hash", HexHash(result.weights_hash)},
                              {"layers", nlohmann::ordered_json::array()}};
  for (const trainer::SilentUnits& layer : result.silent_units) {
    json["layers"].push_back({{"name", layer.layer},
                              {"units", layer.units},
                              {"never_fired", layer.never_fired},
                              {"non_finite", layer.non_finite}});
  }
  if (outcome) {
    const client::WatcherCounters& counters = outcome->counters;
    json["firekeeper"] = {{"enqueued", counters.enqueued},
                          {"acked", counters.acked},
                          {"rejected", counters.rejected},
                          {"dropped", counters.dropped},
                          {"invalid", counters.invalid},
                          {"delivered", outcome->delivered},
                          {"state", client::Name(outcome->connection.state)},
                          {"last_error", outcome->connection.last_error}};
  }
  // What a server says may hold any bytes; a report must not fail over them.
  return json.dump(-1, ' ', false,
                   nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace firekeeper::digits
