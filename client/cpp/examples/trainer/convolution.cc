#include "client/cpp/examples/trainer/convolution.h"

#include <cassert>

namespace firekeeper::trainer {

using Eigen::Index;

ImageShape OutputShape(const ImageShape& input, const ConvolutionSpec& spec) {
  assert(spec.stride > 0);
  return {.channels = spec.channels,
          .height = (input.height - 1) / spec.stride + 1,
          .width = (input.width - 1) / spec.stride + 1};
}

template <typename Scalar>
Convolution<Scalar>::Convolution(const ImageShape& input,
                                 const ConvolutionSpec& spec,
                                 const InitializationSpec& init, Random& random)
    : WeightedLayer<Scalar>(input.channels * spec.kernel * spec.kernel,
                            spec.channels, init, random),
      input_(input),
      output_(OutputShape(input, spec)),
      spec_(spec),
      patches_(this->weight().value.cols(), output_.positions()) {
  assert(spec.kernel % 2 == 1 && input.entries() > 0);
}

template <typename Scalar>
template <typename Visit>
void Convolution<Scalar>::ForEachCovered(const Visit& visit) const {
  const Index kernel = spec_.kernel;
  for (Index entry = 0; entry < patches_.rows(); ++entry) {
    const Index channel = entry / (kernel * kernel);
    const Index row_offset = entry / kernel % kernel - kernel / 2;
    const Index col_offset = entry % kernel - kernel / 2;
    for (Index position = 0; position < output_.positions(); ++position) {
      const Index row = position / output_.width * spec_.stride + row_offset;
      const Index col = position % output_.width * spec_.stride + col_offset;
      const bool inside =
          row >= 0 && row < input_.height && col >= 0 && col < input_.width;
      if (!inside) continue;
      visit(entry, position,
            channel * input_.positions() + row * input_.width + col);
    }
  }
}

template <typename Scalar>
void Convolution<Scalar>::TakePatches(const Matrix<Scalar>& input,
                                      Index example) {
  patches_.setZero();
  ForEachCovered([&](Index entry, Index position, Index pixel) {
    patches_(entry, position) = input(example, pixel);
  });
}

template <typename Scalar>
void Convolution<Scalar>::Forward(const Matrix<Scalar>& input, Mode /*mode*/,
                                  Matrix<Scalar>& output) {
  assert(input.cols() == input_.entries());
  output.resize(input.rows(), output_.entries());
  for (Index example = 0; example < input.rows(); ++example) {
    TakePatches(input, example);
    Eigen::Map<Matrix<Scalar>> image(output.row(example).data(),
                                     output_.channels, output_.positions());
    image.noalias() = this->weight().value * patches_;
    image.colwise() += this->bias().value.row(0).transpose();
  }
}

template <typename Scalar>
void Convolution<Scalar>::Backward(const Matrix<Scalar>& input,
                                   const Matrix<Scalar>& output_gradient,
                                   Matrix<Scalar>* input_gradient) {
  assert(output_gradient.cols() == output_.entries());
  Parameter<Scalar>& weight = this->mutable_weight();
  Parameter<Scalar>& bias = this->mutable_bias();
  weight.gradient.setZero();
  bias.gradient.setZero();
  if (input_gradient != nullptr) {
    input_gradient->setZero(input.rows(), input.cols());
  }
  for (Index example = 0; example < input.rows(); ++example) {
    const Eigen::Map<const Matrix<Scalar>> gradient(
        output_gradient.row(example).data(), output_.channels,
        output_.positions());
    TakePatches(input, example);
    weight.gradient.noalias() += gradient * patches_.transpose();
    bias.gradient += gradient.rowwise().sum().transpose();
    if (input_gradient == nullptr) continue;
    const Matrix<Scalar> of_patches = weight.value.transpose() * gradient;
    ForEachCovered([&](Index entry, Index position, Index pixel) {
      (*input_gradient)(example, pixel) += of_patches(entry, position);
    });
  }
}

template class Convolution<float>;
template class Convolution<double>;

}  // namespace firekeeper::trainer
