// What a network is made of: a layer turns a batch into a batch and carries
// gradients back. The network owns the batches between layers; a layer keeps
// its parameters and what it drew.

#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "client/cpp/examples/trainer/values.h"

namespace firekeeper::trainer {

enum class Mode : std::uint8_t { kTrain, kEvaluate };

// Something that an optimizer moves.
template <typename Scalar>
struct Parameter {
  Matrix<Scalar> value;
  Matrix<Scalar> gradient;  // dL/dvalue of the last Backward; same shape
  bool decays = false;      // weight decay applies: weights only
};

// Thread-compatible.
template <typename Scalar>
class Layer {
 public:
  Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;
  Layer(Layer&&) = delete;
  Layer& operator=(Layer&&) = delete;
  virtual ~Layer() = default;

  // Writes the result for `input` [examples, inputs] to `output`
  // [examples, outputs], which is resized. kTrain may draw random numbers,
  // kEvaluate never does.
  virtual void Forward(const Matrix<Scalar>& input, Mode mode,
                       Matrix<Scalar>& output) = 0;

  // Sets the gradients of the parameters and, unless it is null,
  // `input_gradient` to dL/dinput.
  // Requires: `input` is that of the last Forward; `output_gradient` is
  // dL/doutput.
  virtual void Backward(const Matrix<Scalar>& input,
                        const Matrix<Scalar>& output_gradient,
                        Matrix<Scalar>* input_gradient) = 0;

  // Borrowed, in an order that never changes; valid as long as the layer.
  [[nodiscard]] virtual std::vector<Parameter<Scalar>*> Parameters() {
    return {};
  }
};

}  // namespace firekeeper::trainer
