#include "client/cpp/examples/trainer/dense.h"

#include <cassert>

namespace firekeeper::trainer {

template <typename Scalar>
Dense<Scalar>::Dense(Eigen::Index fan_in, Eigen::Index units,
                     const InitializationSpec& init, Random& random)
    : weight_{.value = Matrix<Scalar>(units, fan_in),
              .gradient = Matrix<Scalar>::Zero(units, fan_in),
              .decays = true},
      bias_{.value = Matrix<Scalar>(1, units),
            .gradient = Matrix<Scalar>::Zero(1, units),
            .decays = false} {
  Initialize(init, random, weight_.value, bias_.value);
}

template <typename Scalar>
void Dense<Scalar>::Forward(const Matrix<Scalar>& input, Mode /*mode*/,
                            Matrix<Scalar>& output) {
  assert(input.cols() == weight_.value.cols());
  output.noalias() = input * weight_.value.transpose();
  output.rowwise() += bias_.value.row(0);
}

template <typename Scalar>
void Dense<Scalar>::Backward(const Matrix<Scalar>& input,
                             const Matrix<Scalar>& output_gradient,
                             Matrix<Scalar>* input_gradient) {
  assert(output_gradient.rows() == input.rows());
  assert(output_gradient.cols() == weight_.value.rows());
  weight_.gradient.noalias() = output_gradient.transpose() * input;
  bias_.gradient = output_gradient.colwise().sum();
  if (input_gradient != nullptr) {
    input_gradient->noalias() = output_gradient * weight_.value;
  }
}

template <typename Scalar>
std::vector<Parameter<Scalar>*> Dense<Scalar>::Parameters() {
  return {&weight_, &bias_};
}

template class Dense<float>;
template class Dense<double>;

}  // namespace firekeeper::trainer
