#include "client/cpp/open_encoding.h"

#include <chrono>
#include <cmath>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cpp/names.h"
#include "core/window_plan.h"

namespace firekeeper::client {

namespace {

constexpr std::size_t kMaxLabels = 32;
constexpr std::size_t kMaxValueBytes = 255;
constexpr std::size_t kLeastRingBytes = std::size_t{64} << 10;
constexpr const char* kNameRule =
    " must be 1 to 255 letters, digits or _.:/@+=-, without .. and //";

absl::Status Wrong(const std::string& option, const std::string& problem) {
  return absl::InvalidArgumentError(absl::StrCat(option, ": ", problem));
}

absl::Status CheckRange(const std::string& field, const LayerSpec& layer) {
  if (!layer.unit_range) return absl::OkStatus();
  const UnitRange& range = *layer.unit_range;
  if (range.count == 0 || range.first >= layer.unit_count ||
      range.count > layer.unit_count - range.first) {
    return Wrong(absl::StrCat(field, ".unit_range"),
                 absl::StrCat("[", range.first, ", +", range.count,
                              ") is not within ", layer.unit_count, " units"));
  }
  return absl::OkStatus();
}

absl::Status CheckLayer(const std::string& field, const LayerSpec& layer) {
  if (!IsValidName(layer.name)) {
    return Wrong(absl::StrCat(field, ".name"),
                 absl::StrCat("got ", layer.name.size(), " bytes;", kNameRule));
  }
  if (layer.unit_count == 0) {
    return Wrong(absl::StrCat(field, ".unit_count"),
                 absl::StrCat("layer ", layer.name, " has no units"));
  }
  if (!std::isfinite(layer.activation.negative_slope)) {
    return Wrong(absl::StrCat(field, ".activation.negative_slope"),
                 "must be finite");
  }
  if (!std::isfinite(layer.activation.alpha) || layer.activation.alpha < 0.0) {
    return Wrong(absl::StrCat(field, ".activation.alpha"),
                 "must be finite and not negative");
  }
  for (const std::string& input : layer.inputs) {
    if (!IsValidName(input)) {
      return Wrong(absl::StrCat(field, ".inputs"),
                   absl::StrCat("every one", kNameRule));
    }
  }
  if (layer.data_shards > 0 && layer.data_shard >= layer.data_shards) {
    return Wrong(
        absl::StrCat(field, ".data_shard"),
        absl::StrCat("got ", layer.data_shard, " of ", layer.data_shards));
  }
  return CheckRange(field, layer);
}

absl::Status CheckLayers(const WatcherOptions& options) {
  if (options.layers.empty()) {
    return Wrong("layers", "at least one must be declared");
  }
  std::set<std::string> names;
  for (std::size_t i = 0; i < options.layers.size(); ++i) {
    const std::string field = absl::StrCat("layers[", i, "]");
    if (absl::Status status = CheckLayer(field, options.layers[i]);
        !status.ok()) {
      return status;
    }
    if (!names.insert(options.layers[i].name).second) {
      return Wrong(
          absl::StrCat(field, ".name"),
          absl::StrCat("layer ", options.layers[i].name, " is declared twice"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLabels(const WatcherOptions& options) {
  if (options.labels.size() > kMaxLabels) {
    return Wrong("labels", absl::StrCat("got ", options.labels.size(),
                                        "; at most ", kMaxLabels));
  }
  for (const auto& [key, value] : options.labels) {
    if (!IsValidName(key)) {
      return Wrong("labels", absl::StrCat("every key", kNameRule));
    }
    if (value.size() > kMaxValueBytes || !IsValidUtf8(value)) {
      return Wrong(absl::StrCat("labels[", key, "]"),
                   "must be at most 255 bytes of UTF-8");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckIdentity(const WatcherOptions& options) {
  if (!IsValidName(options.run_id)) {
    return Wrong("run_id", absl::StrCat("got ", options.run_id.size(),
                                        " bytes;", kNameRule));
  }
  if (!options.remedy_of.empty() && !IsValidName(options.remedy_of)) {
    return Wrong("remedy_of", absl::StrCat("if set,", kNameRule));
  }
  if (options.launch_token.size() > kMaxValueBytes ||
      !IsValidUtf8(options.launch_token)) {
    return Wrong("launch_token", "must be at most 255 bytes of UTF-8");
  }
  if (options.resume_step < 0 || options.resume_step > core::kMaxStep) {
    return Wrong("resume_step", absl::StrCat("got ", options.resume_step,
                                             "; 0 to 2^53 is allowed"));
  }
  if (options.source >= options.source_count) {
    return Wrong("source", absl::StrCat("got ", options.source, " of ",
                                        options.source_count));
  }
  return absl::OkStatus();
}

absl::Status CheckTuning(const WatcherOptions& options) {
  if (options.every < 1 || (options.every & (options.every - 1)) != 0) {
    return Wrong("every", absl::StrCat("got ", options.every,
                                       "; must be a power of two"));
  }
  if (options.ring_bytes < kLeastRingBytes) {
    return Wrong("ring_bytes", absl::StrCat("got ", options.ring_bytes,
                                            "; at least ", kLeastRingBytes));
  }
  if (options.backoff.shortest <= std::chrono::milliseconds(0) ||
      options.backoff.longest < options.backoff.shortest) {
    return Wrong("backoff", "must have 0 < shortest <= longest");
  }
  if (options.connection.endpoint.empty()) {
    return Wrong("connection.endpoint", "must not be empty");
  }
  return absl::OkStatus();
}

v1::Layer EncodeLayer(const LayerSpec& layer) {
  v1::Layer proto;
  proto.set_name(layer.name);
  // Equal by definition (layer_spec.h, core/signal.h).
  proto.set_kind(static_cast<v1::LayerKind>(layer.kind));
  proto.set_activation(static_cast<v1::Activation>(layer.activation.kind));
  proto.set_negative_slope(layer.activation.negative_slope);
  proto.set_alpha(layer.activation.alpha);
  proto.set_unit_count(layer.unit_count);
  proto.set_fan_in(layer.fan_in);
  proto.set_input_unit_count(layer.input_unit_count);
  proto.set_order(layer.order);
  for (const std::string& input : layer.inputs) proto.add_inputs(input);
  proto.set_norm_before(layer.norm_before);
  proto.set_residual(layer.residual);
  proto.set_is_output(layer.is_output);
  if (layer.unit_range) {
    proto.mutable_unit_range()->set_first(layer.unit_range->first);
    proto.mutable_unit_range()->set_count(layer.unit_range->count);
  }
  proto.set_data_shard(layer.data_shard);
  proto.set_data_shards(layer.data_shards);
  proto.set_cluster_split(layer.cluster_split);
  return proto;
}

}  // namespace

absl::Status CheckOptions(const WatcherOptions& options) {
  for (const auto check :
       {CheckIdentity, CheckLabels, CheckLayers, CheckTuning}) {
    if (absl::Status status = check(options); !status.ok()) return status;
  }
  return absl::OkStatus();
}

v1::Open EncodeOpen(const WatcherOptions& options) {
  v1::Open open;
  open.set_run_id(options.run_id);
  open.set_launch_token(options.launch_token);
  open.set_resume_step(options.resume_step);
  open.set_source(options.source);
  open.set_source_count(options.source_count);
  for (const auto& [key, value] : options.labels) {
    (*open.mutable_labels())[key] = value;
  }
  open.set_remedy_of(options.remedy_of);
  for (const LayerSpec& layer : options.layers) {
    *open.add_layers() = EncodeLayer(layer);
  }
  return open;
}

}  // namespace firekeeper::client
