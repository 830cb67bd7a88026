#include "client/cpp/examples/trainer/dense.h"

#include <cassert>

namespace firekeeper::trainer {

template <typename Scalar>
void Dense<Scalar>::Forward(const Matrix<Scalar>& input, Mode /*mode*/,
                            Matrix<Scalar>& output) {
  const Matrix<Scalar>& weight = this->weight().value;
  assert(input.cols() == weight.cols());
  output.noalias() = input * weight.transpose();
  output.rowwise() += this->bias().value.row(0);
}

template <typename Scalar>
void Dense<Scalar>::Backward(const Matrix<Scalar>& input,
                             const Matrix<Scalar>& output_gradient,
                             Matrix<Scalar>* input_gradient) {
  Parameter<Scalar>& weight = this->mutable_weight();
  assert(output_gradient.rows() == input.rows());
  assert(output_gradient.cols() == weight.value.rows());
  weight.gradient.noalias() = output_gradient.transpose() * input;
  this->mutable_bias().gradient = output_gradient.colwise().sum();
  if (input_gradient != nullptr) {
    input_gradient->noalias() = output_gradient * weight.value;
  }
}

template class Dense<float>;
template class Dense<double>;

}  // namespace firekeeper::trainer
