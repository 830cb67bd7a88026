// A multilayer perceptron, perhaps behind convolutions, that keeps what is
// worth observing of its last pass.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/examples/trainer/layer.h"
#include "client/cpp/examples/trainer/network_spec.h"
#include "client/cpp/examples/trainer/weighted_layer.h"

namespace firekeeper::trainer {

// Thread-compatible; moves, but does not copy.
template <typename Scalar>
class Network {
 public:
  // Layers are called "conv.0", …, "hidden.0", "hidden.1", …, "output". Fails
  // with kInvalidArgument if a width is not positive, the inputs are no image
  // of that width, a kernel is even, or the activation is not one that the
  // trainer has.
  [[nodiscard]] static absl::StatusOr<Network> Create(
      const PerceptronSpec& spec);

  // The logits for `inputs` [examples, input_units], valid until the next call.
  // Requires: the width fits; `inputs` outlives the Backward that follows.
  const Matrix<Scalar>& Forward(const Matrix<Scalar>& inputs, Mode mode);

  // Sets the gradient of every parameter from dL/dlogits of the last Forward.
  // Requires: a Forward before it.
  void Backward(const Matrix<Scalar>& output_gradient);

  // Borrowed; layer by layer: weight, bias and, for PReLU, slope.
  [[nodiscard]] const std::vector<Parameter<Scalar>*>& Parameters() const {
    return parameters_;
  }

  [[nodiscard]] std::size_t layer_count() const { return layers_.size(); }

  // Requires: layer < layer_count().
  [[nodiscard]] const LayerPlace& place(std::size_t layer) const;

  // Requires: layer < layer_count(); a Forward before it.
  [[nodiscard]] LayerView<Scalar> layer(std::size_t layer) const;

 private:
  // A stage is one Layer object with what it wrote last.
  struct Stage {
    std::unique_ptr<Layer<Scalar>> layer;
    Matrix<Scalar> output;
    Matrix<Scalar> output_gradient;
    // A later stage adds the input of this one to its output.
    std::optional<std::size_t> added_to = std::nullopt;
    // The earlier stage whose input is added here: the other end of added_to.
    std::optional<std::size_t> adds_input_of = std::nullopt;
  };
  // Which stages make up one layer of firekeeper's.
  struct Stages {
    LayerPlace place;
    std::size_t weighted_stage;
    std::size_t pre_activation_stage;  // the last before the activation
    std::size_t activation_stage;
    const WeightedLayer<Scalar>* weighted;  // owned by its stage
  };
  // What a layer is made of besides its weights.
  struct Parts {
    LayerPlace place;  // but for units and fan_in
    Normalization normalization = Normalization::kNone;
    // What f(h) is multiplied by before h is added. Absent: no sum.
    std::optional<double> branch_scale = std::nullopt;
  };

  Network() = default;

  // Return the number of columns that the new layers hand on.
  absl::StatusOr<Eigen::Index> AppendConvolutions(const PerceptronSpec& spec,
                                                  Random& random);
  absl::StatusOr<Eigen::Index> AppendHidden(const PerceptronSpec& spec,
                                            Eigen::Index fan_in,
                                            Random& random);
  absl::Status Append(std::unique_ptr<WeightedLayer<Scalar>> weighted,
                      const Parts& parts, std::uint64_t seed);
  // Returns the index of the new stage.
  std::size_t AppendStage(std::unique_ptr<Layer<Scalar>> layer);
  void AppendSum(std::size_t first_stage, double branch_scale);
  [[nodiscard]] const Matrix<Scalar>& InputOf(std::size_t stage) const {
    return stage == 0 ? *inputs_ : stages_[stage - 1].output;
  }

  std::vector<Stage> stages_;
  std::vector<Stages> layers_;
  std::vector<Parameter<Scalar>*> parameters_;  // owned by the stages
  const Matrix<Scalar>* inputs_ = nullptr;      // of the last Forward
};

// FNV-1a (64 bit) over the bytes of every parameter in order: equal if and,
// for all practical purposes, only if two networks are equal bit by bit.
template <typename Scalar>
[[nodiscard]] std::uint64_t Fingerprint(const Network<Scalar>& network);

}  // namespace firekeeper::trainer
