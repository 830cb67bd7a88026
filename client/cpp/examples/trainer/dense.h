// The fully connected layer: z = x W^T + b.

#pragma once

#include <vector>

#include "client/cpp/examples/trainer/initialization.h"
#include "client/cpp/examples/trainer/layer.h"

namespace firekeeper::trainer {

template <typename Scalar>
class Dense final : public Layer<Scalar> {
 public:
  // Draws the parameters. Requires: fan_in > 0, units > 0.
  Dense(Eigen::Index fan_in, Eigen::Index units, const InitializationSpec& init,
        Random& random);

  void Forward(const Matrix<Scalar>& input, Mode mode,
               Matrix<Scalar>& output) override;
  void Backward(const Matrix<Scalar>& input,
                const Matrix<Scalar>& output_gradient,
                Matrix<Scalar>* input_gradient) override;
  // Weight, then bias.
  [[nodiscard]] std::vector<Parameter<Scalar>*> Parameters() override;

  // value [units, fan_in].
  [[nodiscard]] const Parameter<Scalar>& weight() const { return weight_; }
  // value [1, units].
  [[nodiscard]] const Parameter<Scalar>& bias() const { return bias_; }

 private:
  Parameter<Scalar> weight_;
  Parameter<Scalar> bias_;
};

}  // namespace firekeeper::trainer
