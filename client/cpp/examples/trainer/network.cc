#include "client/cpp/examples/trainer/network.h"

#include <cassert>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/examples/trainer/activation_layer.h"

namespace firekeeper::trainer {
namespace {

absl::Status CheckWidths(const PerceptronSpec& spec) {
  if (spec.input_units <= 0 || spec.output_units <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("a network needs inputs and outputs; got ",
                     spec.input_units, " and ", spec.output_units));
  }
  for (const Eigen::Index units : spec.hidden_units) {
    if (units <= 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("a hidden layer needs at least one unit; got ", units));
    }
  }
  return absl::OkStatus();
}

}  // namespace

template <typename Scalar>
absl::StatusOr<Network<Scalar>> Network<Scalar>::Create(
    const PerceptronSpec& spec) {
  if (absl::Status status = CheckWidths(spec); !status.ok()) return status;
  Network network;
  Random random(spec.seed, RandomStream::kWeights);
  Eigen::Index fan_in = spec.input_units;
  for (std::size_t i = 0; i < spec.hidden_units.size(); ++i) {
    const Eigen::Index units = spec.hidden_units[i];
    absl::Status status =
        network.Append(absl::StrCat("hidden.", i),
                       std::make_unique<Dense<Scalar>>(
                           fan_in, units, spec.hidden_init, random),
                       spec.activation, spec.seed);
    if (!status.ok()) return status;
    fan_in = units;
  }
  absl::Status status =
      network.Append("output",
                     std::make_unique<Dense<Scalar>>(fan_in, spec.output_units,
                                                     spec.output_init, random),
                     {.kind = core::Activation::kLinear}, spec.seed);
  if (!status.ok()) return status;
  return network;
}

template <typename Scalar>
absl::Status Network<Scalar>::Append(std::string name,
                                     std::unique_ptr<Dense<Scalar>> dense,
                                     const core::ActivationSpec& activation,
                                     std::uint64_t seed) {
  auto activation_layer = MakeActivationLayer<Scalar>(
      activation, seed, static_cast<std::uint32_t>(layers_.size()));
  if (!activation_layer.ok()) return activation_layer.status();
  const Matrix<Scalar>& weight = dense->weight().value;
  layers_.push_back({.place = {.name = std::move(name),
                               .activation = activation,
                               .units = weight.rows(),
                               .fan_in = weight.cols()},
                     .dense_stage = stages_.size(),
                     .activation_stage = stages_.size() + 1,
                     .dense = dense.get()});
  stages_.push_back(
      {.layer = std::move(dense), .output = {}, .output_gradient = {}});
  stages_.push_back({.layer = *std::move(activation_layer),
                     .output = {},
                     .output_gradient = {}});
  for (const std::size_t stage :
       {layers_.back().dense_stage, layers_.back().activation_stage}) {
    for (Parameter<Scalar>* parameter : stages_[stage].layer->Parameters()) {
      parameters_.push_back(parameter);
    }
  }
  return absl::OkStatus();
}

template <typename Scalar>
const Matrix<Scalar>& Network<Scalar>::Forward(const Matrix<Scalar>& inputs,
                                               Mode mode) {
  inputs_ = &inputs;
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    stages_[i].layer->Forward(InputOf(i), mode, stages_[i].output);
  }
  return stages_.back().output;
}

template <typename Scalar>
void Network<Scalar>::Backward(const Matrix<Scalar>& output_gradient) {
  assert(inputs_ != nullptr);
  stages_.back().output_gradient = output_gradient;
  for (std::size_t i = stages_.size(); i-- > 0;) {
    // Nothing lies before the first stage that could use a gradient.
    Matrix<Scalar>* before = i == 0 ? nullptr : &stages_[i - 1].output_gradient;
    stages_[i].layer->Backward(InputOf(i), stages_[i].output_gradient, before);
  }
}

template <typename Scalar>
const LayerPlace& Network<Scalar>::place(std::size_t layer) const {
  assert(layer < layers_.size());
  return layers_[layer].place;
}

template <typename Scalar>
LayerView<Scalar> Network<Scalar>::layer(std::size_t layer) const {
  assert(layer < layers_.size() && inputs_ != nullptr);
  const Stages& stages = layers_[layer];
  const Stage& activation = stages_[stages.activation_stage];
  return {.name = stages.place.name,
          .activation = stages.place.activation,
          .is_output = layer + 1 == layers_.size(),
          .input = InputOf(stages.dense_stage),
          .pre_activation = stages_[stages.dense_stage].output,
          .output = activation.output,
          .output_gradient = activation.output_gradient,
          .weight = stages.dense->weight(),
          .bias = stages.dense->bias()};
}

template <typename Scalar>
std::uint64_t Fingerprint(const Network<Scalar>& network) {
  constexpr std::uint64_t kOffsetBasis = 14695981039346656037ULL;
  constexpr std::uint64_t kPrime = 1099511628211ULL;
  std::uint64_t hash = kOffsetBasis;
  for (const Parameter<Scalar>* parameter : network.Parameters()) {
    const std::span<const Scalar> values(
        parameter->value.data(),
        static_cast<std::size_t>(parameter->value.size()));
    for (const std::byte byte : std::as_bytes(values)) {
      hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * kPrime;
    }
  }
  return hash;
}

template class Network<float>;
template class Network<double>;
template std::uint64_t Fingerprint(const Network<float>& network);
template std::uint64_t Fingerprint(const Network<double>& network);

}  // namespace firekeeper::trainer
