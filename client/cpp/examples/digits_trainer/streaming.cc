#include "client/cpp/examples/digits_trainer/streaming.h"

#include "absl/strings/str_cat.h"

namespace firekeeper::digits {

client::WatcherOptions WatcherOptionsFor(const Options& options) {
  const StreamingOptions& streaming = options.streaming;
  client::WatcherOptions watcher;
  watcher.connection.endpoint = streaming.endpoint;
  watcher.connection.token = streaming.token;
  watcher.connection.tls.ca_cert_file = streaming.ca_cert_file;
  watcher.run_id = streaming.run;
  watcher.remedy_of = streaming.remedy_of;
  watcher.every = streaming.every;
  watcher.send_mode = streaming.send_tensors ? client::SendMode::kTensor
                                             : client::SendMode::kSummary;
  watcher.labels = {
      {"data", "digits"},
      {"activation", options.activation_name},
      {"init", options.initialization_name},
      {"optimizer", options.optimizer_name},
      {"learning_rate", absl::StrCat(options.training.optimizer.learning_rate)},
      {"seed", absl::StrCat(options.training.seed)}};
  return watcher;
}

}  // namespace firekeeper::digits
