// Open: who streams, and what.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/ingest/checks.h"
#include "server/ingest/codec.h"

namespace firekeeper::server {
namespace {

constexpr std::size_t kMaxLaunchTokenBytes = 255;
constexpr int kMaxLayerInputs = 64;

// Never quotes the token: whoever knows it can join the attempt.
absl::Status CheckLaunchToken(const std::string& token) {
  if (token.empty() || token.size() > kMaxLaunchTokenBytes) {
    return FieldError("launch_token", absl::StrCat("has ", token.size(),
                                                   " bytes; must have 1 to ",
                                                   kMaxLaunchTokenBytes));
  }
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] < ' ' || token[i] > '~') {
      return FieldError("launch_token",
                        absl::StrCat("byte ", i, " is not printable ASCII"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSource(const v1::Open& open, const Limits& limits) {
  if (open.source_count() == 0) {
    return FieldError("source_count",
                      absl::StrCat("is 0; must be 1 to ", limits.max_sources));
  }
  if (open.source_count() > limits.max_sources) {
    return LimitError("source_count",
                      absl::StrCat("is ", open.source_count(), "; at most ",
                                   limits.max_sources));
  }
  if (open.source() >= open.source_count()) {
    return FieldError(
        "source",
        absl::StrCat("is ", open.source(), "; must be less than source_count, ",
                     open.source_count()));
  }
  return absl::OkStatus();
}

absl::Status CheckLabels(const v1::Open& open, const Limits& limits) {
  if (open.labels().size() > limits.max_labels) {
    return LimitError("labels",
                      absl::StrCat("has ", open.labels().size(),
                                   " entries; at most ", limits.max_labels));
  }
  for (const auto& label : open.labels()) {
    if (absl::Status status = CheckName("labels", label.first, limits);
        !status.ok()) {
      return status;
    }
    if (label.second.size() > limits.max_label_value_bytes) {
      return FieldError(
          absl::StrCat("labels[", Quoted(label.first), "]"),
          absl::StrCat("has ", label.second.size(), " bytes; at most ",
                       limits.max_label_value_bytes));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLayerNames(const v1::Layer& layer, const Limits& limits) {
  if (absl::Status status = CheckName("name", layer.name(), limits);
      !status.ok()) {
    return status;
  }
  if (layer.inputs_size() > kMaxLayerInputs) {
    return LimitError("inputs",
                      absl::StrCat("has ", layer.inputs_size(),
                                   " entries; at most ", kMaxLayerInputs));
  }
  for (int i = 0; i < layer.inputs_size(); ++i) {
    if (absl::Status status =
            CheckName(absl::StrCat("inputs[", i, "]"), layer.inputs(i), limits);
        !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status CheckActivation(const v1::Layer& layer) {
  if (layer.kind() != v1::LAYER_KIND_UNSPECIFIED) {
    if (absl::Status status =
            CheckEnum("kind", layer.kind(), *v1::LayerKind_descriptor());
        !status.ok()) {
      return status;
    }
  }
  if (absl::Status status = CheckEnum("activation", layer.activation(),
                                      *v1::Activation_descriptor());
      !status.ok()) {
    return status;
  }
  if (!std::isfinite(layer.negative_slope())) {
    return FieldError(
        "negative_slope",
        absl::StrCat("is ", layer.negative_slope(), "; must be finite"));
  }
  if (!std::isfinite(layer.alpha()) || layer.alpha() < 0.0) {
    return FieldError("alpha",
                      absl::StrCat("is ", layer.alpha(),
                                   "; must be finite and not negative"));
  }
  return absl::OkStatus();
}

absl::Status CheckUnits(const v1::Layer& layer, const Limits& limits) {
  if (layer.unit_count() == 0) {
    return FieldError("unit_count", absl::StrCat("is 0; must be 1 to ",
                                                 limits.max_units_per_layer));
  }
  if (layer.unit_count() > limits.max_units_per_layer) {
    return LimitError("unit_count",
                      absl::StrCat("is ", layer.unit_count(), "; at most ",
                                   limits.max_units_per_layer));
  }
  if (layer.input_unit_count() > limits.max_units_per_layer) {
    return LimitError("input_unit_count",
                      absl::StrCat("is ", layer.input_unit_count(),
                                   "; at most ", limits.max_units_per_layer));
  }
  if (!layer.has_unit_range()) return absl::OkStatus();
  const v1::UnitRange& range = layer.unit_range();
  // Subtracts instead of adding: first + count may overflow.
  if (range.count() == 0 || range.count() > layer.unit_count() ||
      range.first() > layer.unit_count() - range.count()) {
    return FieldError(
        "unit_range",
        absl::StrCat("has ", range.count(), " units from ", range.first(),
                     "; must have at least 1 and lie in [0, ",
                     layer.unit_count(), ")"));
  }
  return absl::OkStatus();
}

absl::Status CheckDataShard(const v1::Layer& layer, const Limits& limits) {
  if (layer.data_shards() > limits.max_sources) {
    return LimitError("data_shards",
                      absl::StrCat("is ", layer.data_shards(), "; at most ",
                                   limits.max_sources));
  }
  const bool by_source = layer.data_shards() == 0 && layer.data_shard() == 0;
  if (!by_source && layer.data_shard() >= layer.data_shards()) {
    return FieldError("data_shard", absl::StrCat("is ", layer.data_shard(),
                                                 "; must be less than "
                                                 "data_shards, ",
                                                 layer.data_shards()));
  }
  return absl::OkStatus();
}

absl::Status CheckLayer(const v1::Layer& layer, const Limits& limits) {
  if (absl::Status status = CheckLayerNames(layer, limits); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckActivation(layer); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckUnits(layer, limits); !status.ok()) {
    return status;
  }
  return CheckDataShard(layer, limits);
}

absl::Status CheckLayers(const v1::Open& open, const Limits& limits) {
  const auto layer_count = static_cast<std::size_t>(open.layers_size());
  if (layer_count > limits.max_layers_per_run) {
    return LimitError("layers",
                      absl::StrCat("has ", layer_count, " entries; at most ",
                                   limits.max_layers_per_run));
  }
  absl::flat_hash_set<absl::string_view> names;
  std::uint64_t units = 0;
  for (int i = 0; i < open.layers_size(); ++i) {
    const v1::Layer& layer = open.layers(i);
    const std::string prefix = absl::StrCat("layers[", i, "].");
    if (absl::Status status = CheckLayer(layer, limits); !status.ok()) {
      return WithFieldPrefix(status, prefix);
    }
    if (!names.insert(layer.name()).second) {
      return FieldError(
          absl::StrCat(prefix, "name"),
          absl::StrCat(Quoted(layer.name()), " was declared before"));
    }
    if (units > limits.max_units_per_run ||
        layer.unit_count() > limits.max_units_per_run - units) {
      return LimitError(
          "layers", absl::StrCat("have more than ", limits.max_units_per_run,
                                 " units together"));
    }
    units += layer.unit_count();
  }
  return absl::OkStatus();
}

// Requires: CheckLayer() accepted it.
LayerSpec ToSpec(const v1::Layer& layer, const Limits& limits) {
  LayerSpec spec;
  spec.name = layer.name();
  spec.kind = layer.kind();
  spec.activation = {.kind = static_cast<core::Activation>(layer.activation()),
                     .negative_slope = layer.negative_slope(),
                     .alpha = layer.alpha() == 0.0 ? 1.0 : layer.alpha()};
  spec.unit_count = static_cast<core::Index>(layer.unit_count());
  spec.fan_in = layer.fan_in();
  // A fan_in beyond the limit is no error, but INPUT cannot be streamed.
  const std::uint64_t input_units =
      layer.input_unit_count() != 0 ? layer.input_unit_count() : layer.fan_in();
  if (input_units <= limits.max_units_per_layer) {
    spec.input_unit_count = static_cast<core::Index>(input_units);
  }
  spec.order = layer.order();
  spec.inputs.assign(layer.inputs().begin(), layer.inputs().end());
  spec.norm_before = layer.norm_before();
  spec.residual = layer.residual();
  spec.is_output = layer.is_output();
  return spec;
}

// Requires: CheckLayer() accepted it.
LayerShare ToShare(const v1::Layer& layer, const v1::Open& open) {
  const bool by_source = layer.data_shards() == 0;
  return {.first_unit = static_cast<core::Index>(layer.unit_range().first()),
          .unit_count = static_cast<core::Index>(
              layer.has_unit_range() ? layer.unit_range().count()
                                     : layer.unit_count()),
          .data_shard = by_source ? open.source() : layer.data_shard(),
          .data_shards = by_source ? open.source_count() : layer.data_shards(),
          .cluster_split = layer.cluster_split()};
}

absl::Status CheckOpen(const v1::Open& open, const Limits& limits) {
  if (absl::Status status = CheckLaunchToken(open.launch_token());
      !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckStep("resume_step", open.resume_step());
      !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckSource(open, limits); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckLabels(open, limits); !status.ok()) {
    return status;
  }
  if (!open.remedy_of().empty()) {
    if (absl::Status status = CheckName("remedy_of", open.remedy_of(), limits);
        !status.ok()) {
      return status;
    }
  }
  if (open.instance_id() == 0) {
    return FieldError("instance_id", "is 0; must be drawn at random, not 0");
  }
  if (absl::Status status = CheckSeq("first_held_seq", open.first_held_seq());
      !status.ok()) {
    return status;
  }
  return CheckLayers(open, limits);
}

}  // namespace

absl::StatusOr<OpenRequest> DecodeOpen(const v1::Open& open,
                                       const Limits& limits) {
  if (absl::Status status = CheckOpen(open, limits); !status.ok()) {
    return status;
  }
  OpenRequest request;
  request.launch_token = open.launch_token();
  request.resume_step = open.resume_step();
  request.source = open.source();
  request.source_count = open.source_count();
  request.labels.insert(open.labels().begin(), open.labels().end());
  request.remedy_of = open.remedy_of();
  request.layers.reserve(static_cast<std::size_t>(open.layers_size()));
  for (const v1::Layer& layer : open.layers()) {
    request.layers.push_back(
        {.spec = ToSpec(layer, limits), .share = ToShare(layer, open)});
  }
  request.instance_id = open.instance_id();
  request.first_held_seq = open.first_held_seq();
  return request;
}

}  // namespace firekeeper::server
