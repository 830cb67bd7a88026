// A layer with one weight row and one bias a unit, whatever it does with them.

#pragma once

#include <vector>

#include "client/cpp/examples/trainer/initialization.h"
#include "client/cpp/examples/trainer/layer.h"

namespace firekeeper::trainer {

template <typename Scalar>
class WeightedLayer : public Layer<Scalar> {
 public:
  // Draws the parameters. Requires: fan_in > 0, units > 0.
  WeightedLayer(Eigen::Index fan_in, Eigen::Index units,
                const InitializationSpec& init, Random& random)
      : weight_{.value = Matrix<Scalar>(units, fan_in),
                .gradient = Matrix<Scalar>::Zero(units, fan_in),
                .decays = true},
        bias_{.value = Matrix<Scalar>(1, units),
              .gradient = Matrix<Scalar>::Zero(1, units),
              .decays = false} {
    Initialize(init, random, weight_.value, bias_.value);
  }

  // Weight, then bias.
  [[nodiscard]] std::vector<Parameter<Scalar>*> Parameters() override {
    return {&weight_, &bias_};
  }

  // value [units, fan_in].
  [[nodiscard]] const Parameter<Scalar>& weight() const { return weight_; }
  // value [1, units].
  [[nodiscard]] const Parameter<Scalar>& bias() const { return bias_; }

 protected:
  Parameter<Scalar>& mutable_weight() { return weight_; }
  Parameter<Scalar>& mutable_bias() { return bias_; }

 private:
  Parameter<Scalar> weight_;
  Parameter<Scalar> bias_;
};

}  // namespace firekeeper::trainer
