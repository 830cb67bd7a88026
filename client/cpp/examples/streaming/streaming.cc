#include "client/cpp/examples/streaming/streaming.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/tensor_view.h"

namespace firekeeper::streaming {
namespace {

using core::Signal;

constexpr std::chrono::milliseconds kFlushConnected{10'000};
// Nobody waits for a server that was never there.
constexpr std::chrono::milliseconds kFlushAlone{500};

client::LayerSpec SpecOf(const trainer::Network<float>& network,
                         std::size_t index) {
  const trainer::LayerPlace& place = network.place(index);
  client::LayerSpec spec{
      .name = place.name,
      .kind = place.is_convolution ? client::LayerKind::kConvolution
                                   : client::LayerKind::kDense,
      .activation = place.activation,
      .unit_count = static_cast<std::uint64_t>(place.units),
      .fan_in = static_cast<std::uint64_t>(place.fan_in),
      .input_unit_count = static_cast<std::uint64_t>(place.input_units),
      .order = static_cast<std::uint32_t>(index),
      .norm_before = place.norm_before,
      .residual = place.residual,
      .is_output = index + 1 == network.layer_count()};
  if (index > 0) spec.inputs.push_back(network.place(index - 1).name);
  return spec;
}

core::TensorView ViewOf(const trainer::Matrix<float>& values,
                        std::span<const std::int64_t> shape, int unit_axis,
                        std::optional<int> cluster_axis) {
  // Cannot fail: the axes are ours and the matrix exists.
  return {
      .layout = *core::TensorLayout::Create(core::DataType::kF32, shape,
                                            unit_axis, cluster_axis),
      .data = std::as_bytes(std::span(values.data(),
                                      static_cast<std::size_t>(values.size())))
                  .data()};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Streaming>> Streaming::Start(
    client::WatcherOptions options, const trainer::Network<float>& network) {
  options.layers.clear();
  for (std::size_t i = 0; i < network.layer_count(); ++i) {
    options.layers.push_back(SpecOf(network, i));
  }
  auto watcher = client::Watcher::Start(std::move(options));
  if (!watcher.ok()) return watcher.status();
  return std::unique_ptr<Streaming>(
      new Streaming(*std::move(watcher), network.place(0).input_units));
}

bool Streaming::Wants(std::int64_t step) {
  return watcher_->ShouldSample(step);
}

void Streaming::ObserveBatch(const client::SnapshotKey& key,
                             const trainer::Matrix<float>& values,
                             std::int64_t units) {
  // Pixels are one axis here, of the [N, C, H, W] that lies in memory.
  const std::array<std::int64_t, 3> shape{values.rows(), units,
                                          values.cols() / units};
  const bool has_positions = shape[2] != 1;
  watcher_->Observe(
      key, ViewOf(values, std::span(shape).first(has_positions ? 3 : 2),
                  /*unit_axis=*/1, /*cluster_axis=*/0));
}

void Streaming::ObserveWeights(const client::SnapshotKey& key,
                               const trainer::Matrix<float>& values) {
  const std::array<std::int64_t, 2> shape{values.rows(), values.cols()};
  watcher_->Observe(key, ViewOf(values, shape, /*unit_axis=*/0, std::nullopt));
}

// A convolution sees patches of its input and zeros around it: its inputs'
// ranges are not those of its weight columns.
void Streaming::ObserveWeightAndInput(const client::SnapshotKey& key,
                                      const trainer::LayerStep<float>& layer) {
  const trainer::Matrix<float>& input = layer.view.input;
  if (layer.view.is_convolution) {
    ObserveWeights(key, layer.weight);
    return;
  }
  const std::array<std::int64_t, 2> weight{layer.weight.rows(),
                                           layer.weight.cols()};
  const std::array<std::int64_t, 1> bias{layer.bias.cols()};
  const std::array<std::int64_t, 2> batch{input.rows(), input.cols()};
  watcher_->ObserveWeight(
      key,
      {.weight = ViewOf(layer.weight, weight, /*unit_axis=*/0, std::nullopt),
       .bias = ViewOf(layer.bias, bias, /*unit_axis=*/0, std::nullopt),
       .input = ViewOf(input, batch, /*unit_axis=*/1, /*cluster_axis=*/0)});
}

void Streaming::ObserveLayer(const trainer::LayerStep<float>& layer,
                             std::int64_t step) {
  const auto key = [&](Signal signal) {
    return client::SnapshotKey{.layer = layer.view.name,
                               .signal = signal,
                               .phase = core::Phase::kTrain,
                               .step = step};
  };
  const std::int64_t unit_count = layer.weight.rows();
  ObserveBatch(key(Signal::kPreActivation), layer.view.pre_activation,
               unit_count);
  ObserveBatch(key(Signal::kActivation), layer.view.output, unit_count);
  ObserveBatch(key(Signal::kOutputGradient), layer.view.output_gradient,
               unit_count);
  ObserveWeightAndInput(key(Signal::kWeight), layer);
  ObserveWeights(key(Signal::kWeightGradient), layer.view.weight.gradient);
  ObserveWeights(key(Signal::kWeightUpdate), layer.weight_update);
  const std::array<std::int64_t, 1> units{layer.bias.cols()};
  watcher_->Observe(key(Signal::kBias), ViewOf(layer.bias, units,
                                               /*unit_axis=*/0, std::nullopt));
}

void Streaming::Observe(const trainer::StepRecord<float>& record) {
  for (const auto& layer : record.layers) ObserveLayer(layer, record.step);
  ObserveBatch({.layer = record.layers.front().view.name,
                .signal = Signal::kInput,
                .phase = core::Phase::kTrain,
                .step = record.step},
               record.inputs, input_units_);
  ObserveBatch({.layer = record.layers.back().view.name,
                .signal = Signal::kTarget,
                .phase = core::Phase::kTrain,
                .step = record.step},
               record.targets, record.targets.cols());
  watcher_->ObserveScalar("loss", record.step, record.loss);
  watcher_->ObserveScalar("learning_rate", record.step, record.learning_rate);
}

void Streaming::ObservePass(const trainer::Network<float>& network,
                            core::Phase phase, std::int64_t step,
                            std::uint32_t part) {
  for (std::size_t i = 0; i < network.layer_count(); ++i) {
    const trainer::LayerView<float> layer = network.layer(i);
    client::SnapshotKey key{.layer = layer.name,
                            .signal = Signal::kPreActivation,
                            .phase = phase,
                            .step = step,
                            .part = part};
    const std::int64_t units = network.place(i).units;
    ObserveBatch(key, layer.pre_activation, units);
    key.signal = Signal::kActivation;
    ObserveBatch(key, layer.output, units);
  }
}

void Streaming::StepDone(std::int64_t step) { watcher_->StepDone(step); }

StreamingOutcome Streaming::Close() {
  const bool connected =
      watcher_->connection().state == client::ConnectionState::kStreaming;
  const bool delivered =
      watcher_->Close(connected ? kFlushConnected : kFlushAlone);
  return {.counters = watcher_->counters(),
          .connection = watcher_->connection(),
          .delivered = delivered};
}

}  // namespace firekeeper::streaming
