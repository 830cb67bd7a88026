// The fully connected layer: z = x W^T + b.

#pragma once

#include "client/cpp/examples/trainer/weighted_layer.h"

namespace firekeeper::trainer {

template <typename Scalar>
class Dense final : public WeightedLayer<Scalar> {
 public:
  using WeightedLayer<Scalar>::WeightedLayer;

  void Forward(const Matrix<Scalar>& input, Mode mode,
               Matrix<Scalar>& output) override;
  void Backward(const Matrix<Scalar>& input,
                const Matrix<Scalar>& output_gradient,
                Matrix<Scalar>* input_gradient) override;
};

}  // namespace firekeeper::trainer
