#include "client/cpp/examples/trainer/network.h"

#include <cassert>
#include <cmath>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/examples/trainer/activation_layer.h"
#include "client/cpp/examples/trainer/dense.h"

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

absl::Status CheckConvolutions(const PerceptronSpec& spec) {
  if (spec.convolutions.empty()) return absl::OkStatus();
  if (spec.image_width <= 0 || spec.input_units % spec.image_width != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(spec.input_units, " inputs are no image that is ",
                     spec.image_width, " wide"));
  }
  for (const ConvolutionSpec& convolution : spec.convolutions) {
    if (convolution.channels <= 0 || convolution.stride <= 0 ||
        convolution.kernel <= 0 || convolution.kernel % 2 == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a convolution needs channels, a stride and an odd kernel; got ",
          convolution.channels, ", ", convolution.stride, " and ",
          convolution.kernel));
    }
  }
  return absl::OkStatus();
}

// The branch of a residual sum.
template <typename Scalar>
class Scale final : public Layer<Scalar> {
 public:
  explicit Scale(double factor) : factor_(static_cast<Scalar>(factor)) {}

  void Forward(const Matrix<Scalar>& input, Mode /*mode*/,
               Matrix<Scalar>& output) override {
    output = factor_ * input;
  }
  void Backward(const Matrix<Scalar>& /*input*/,
                const Matrix<Scalar>& output_gradient,
                Matrix<Scalar>* input_gradient) override {
    if (input_gradient != nullptr) *input_gradient = factor_ * output_gradient;
  }

 private:
  Scalar factor_;
};

std::optional<double> BranchScale(const PerceptronSpec& spec,
                                  std::size_t hidden_layer) {
  const auto& units = spec.hidden_units;
  if (hidden_layer == 0 || units[hidden_layer - 1] != units[hidden_layer]) {
    return std::nullopt;
  }
  switch (spec.residual) {
    case Residual::kNone:
      return std::nullopt;
    case Residual::kPlain:
      return 1.0;
    case Residual::kScaled:
      return 1.0 / std::sqrt(static_cast<double>(units.size()));
  }
  return std::nullopt;
}

}  // namespace

template <typename Scalar>
absl::StatusOr<Network<Scalar>> Network<Scalar>::Create(
    const PerceptronSpec& spec) {
  if (absl::Status status = CheckWidths(spec); !status.ok()) return status;
  if (absl::Status status = CheckConvolutions(spec); !status.ok()) {
    return status;
  }
  Network network;
  Random random(spec.seed, RandomStream::kWeights);
  const auto image = network.AppendConvolutions(spec, random);
  if (!image.ok()) return image.status();
  const auto fan_in = network.AppendHidden(spec, *image, random);
  if (!fan_in.ok()) return fan_in.status();
  absl::Status status = network.Append(
      std::make_unique<Dense<Scalar>>(*fan_in, spec.output_units,
                                      spec.output_init, random),
      {.place = {.name = "output",
                 .activation = {.kind = core::Activation::kLinear},
                 .input_units = *fan_in}},
      spec.seed);
  if (!status.ok()) return status;
  return network;
}

template <typename Scalar>
absl::StatusOr<Eigen::Index> Network<Scalar>::AppendConvolutions(
    const PerceptronSpec& spec, Random& random) {
  if (spec.convolutions.empty()) return spec.input_units;
  ImageShape image{.channels = 1,
                   .height = spec.input_units / spec.image_width,
                   .width = spec.image_width};
  for (std::size_t i = 0; i < spec.convolutions.size(); ++i) {
    const ImageShape output = OutputShape(image, spec.convolutions[i]);
    absl::Status status =
        Append(std::make_unique<Convolution<Scalar>>(
                   image, spec.convolutions[i], spec.hidden_init, random),
               {.place = {.name = absl::StrCat("conv.", i),
                          .activation = spec.activation,
                          .positions = output.positions(),
                          .input_units = image.channels,
                          .is_convolution = true}},
               spec.seed);
    if (!status.ok()) return status;
    image = output;
  }
  return image.entries();
}

template <typename Scalar>
absl::StatusOr<Eigen::Index> Network<Scalar>::AppendHidden(
    const PerceptronSpec& spec, Eigen::Index fan_in, Random& random) {
  for (std::size_t i = 0; i < spec.hidden_units.size(); ++i) {
    const Eigen::Index units = spec.hidden_units[i];
    absl::Status status = Append(std::make_unique<Dense<Scalar>>(
                                     fan_in, units, spec.hidden_init, random),
                                 {.place = {.name = absl::StrCat("hidden.", i),
                                            .activation = spec.activation,
                                            .input_units = fan_in},
                                  .normalization = spec.normalization,
                                  .branch_scale = BranchScale(spec, i)},
                                 spec.seed);
    if (!status.ok()) return status;
    fan_in = units;
  }
  return fan_in;
}

template <typename Scalar>
std::size_t Network<Scalar>::AppendStage(std::unique_ptr<Layer<Scalar>> layer) {
  for (Parameter<Scalar>* parameter : layer->Parameters()) {
    parameters_.push_back(parameter);
  }
  stages_.push_back(
      {.layer = std::move(layer), .output = {}, .output_gradient = {}});
  return stages_.size() - 1;
}

template <typename Scalar>
absl::Status Network<Scalar>::Append(
    std::unique_ptr<WeightedLayer<Scalar>> weighted, const Parts& parts,
    std::uint64_t seed) {
  auto activation_layer = MakeActivationLayer<Scalar>(
      parts.place.activation, seed, static_cast<std::uint32_t>(layers_.size()));
  if (!activation_layer.ok()) return activation_layer.status();
  Stages layer{.place = parts.place,
               .weighted_stage = 0,
               .pre_activation_stage = 0,
               .activation_stage = 0,
               .weighted = weighted.get()};
  layer.place.units = weighted->weight().value.rows();
  layer.place.fan_in = weighted->weight().value.cols();
  layer.place.norm_before = parts.normalization != Normalization::kNone;
  layer.place.residual = parts.branch_scale.has_value();
  layer.weighted_stage = AppendStage(std::move(weighted));
  layer.pre_activation_stage = layer.weighted_stage;
  if (auto norm = MakeNormalization<Scalar>(parts.normalization)) {
    layer.pre_activation_stage = AppendStage(std::move(norm));
  }
  layer.activation_stage = AppendStage(*std::move(activation_layer));
  if (parts.branch_scale) AppendSum(layer.weighted_stage, *parts.branch_scale);
  layers_.push_back(std::move(layer));
  return absl::OkStatus();
}

template <typename Scalar>
void Network<Scalar>::AppendSum(std::size_t first_stage, double branch_scale) {
  const std::size_t sum =
      AppendStage(std::make_unique<Scale<Scalar>>(branch_scale));
  stages_[sum].adds_input_of = first_stage;
  stages_[first_stage].added_to = sum;
}

template <typename Scalar>
const Matrix<Scalar>& Network<Scalar>::Forward(const Matrix<Scalar>& inputs,
                                               Mode mode) {
  inputs_ = &inputs;
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    Stage& stage = stages_[i];
    stage.layer->Forward(InputOf(i), mode, stage.output);
    if (stage.adds_input_of) stage.output += InputOf(*stage.adds_input_of);
  }
  return stages_.back().output;
}

template <typename Scalar>
void Network<Scalar>::Backward(const Matrix<Scalar>& output_gradient) {
  assert(inputs_ != nullptr);
  stages_.back().output_gradient = output_gradient;
  for (std::size_t i = stages_.size(); i-- > 0;) {
    const Stage& stage = stages_[i];
    // Nothing lies before the first stage that could use a gradient.
    Matrix<Scalar>* before = i == 0 ? nullptr : &stages_[i - 1].output_gradient;
    stage.layer->Backward(InputOf(i), stage.output_gradient, before);
    if (before != nullptr && stage.added_to) {
      *before += stages_[*stage.added_to].output_gradient;
    }
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
          .is_convolution = place(layer).is_convolution,
          .input = InputOf(stages.weighted_stage),
          .pre_activation = stages_[stages.pre_activation_stage].output,
          .output = activation.output,
          .output_gradient = activation.output_gradient,
          .weight = stages.weighted->weight(),
          .bias = stages.weighted->bias()};
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
