// A multilayer perceptron that keeps everything of its last pass that is worth
// observing.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/examples/trainer/dense.h"
#include "client/cpp/examples/trainer/initialization.h"
#include "client/cpp/examples/trainer/layer.h"
#include "core/signal.h"

namespace firekeeper::trainer {

struct PerceptronSpec {
  Eigen::Index input_units = 0;
  std::vector<Eigen::Index> hidden_units;
  Eigen::Index output_units = 0;
  core::ActivationSpec
      activation;  // of the hidden layers; the output is linear
  InitializationSpec hidden_init;
  InitializationSpec output_init{.kind = Initialization::kLecun};
  std::uint64_t seed = 0;
};

// A layer in firekeeper's sense, as declared.
struct LayerPlace {
  std::string name;
  core::ActivationSpec activation;
  Eigen::Index units = 0;
  Eigen::Index fan_in = 0;
};

// One layer in firekeeper's sense, a = phi(x W^T + b), as the last pass left
// it: an example a row, a unit a column; a weight row is a unit. Borrowed; the
// next Forward, Backward or optimizer step changes what it shows.
template <typename Scalar>
struct LayerView {
  const std::string& name;
  const core::ActivationSpec& activation;
  bool is_output;
  const Matrix<Scalar>& input;
  const Matrix<Scalar>& pre_activation;
  const Matrix<Scalar>& output;
  const Matrix<Scalar>& output_gradient;  // dL/da, of the last Backward
  const Parameter<Scalar>& weight;
  const Parameter<Scalar>& bias;
};

// Thread-compatible; moves, but does not copy.
template <typename Scalar>
class Network {
 public:
  // Layers are called "hidden.0", "hidden.1", …, "output". Fails with
  // kInvalidArgument if a width is not positive or the activation is not one
  // that the trainer has.
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
  };
  // Which stages make up one layer of firekeeper's.
  struct Stages {
    LayerPlace place;
    std::size_t dense_stage;
    std::size_t activation_stage;
    const Dense<Scalar>* dense;  // owned by its stage
  };

  Network() = default;

  absl::Status Append(std::string name, std::unique_ptr<Dense<Scalar>> dense,
                      const core::ActivationSpec& activation,
                      std::uint64_t seed);
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
