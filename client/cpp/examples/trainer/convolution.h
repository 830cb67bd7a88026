// Two-dimensional convolution. An example is a row of a batch: its channels one
// after another, each row by row, so that a batch lies in memory as a tensor
// [N, C, H, W] does.

#pragma once

#include "client/cpp/examples/trainer/weighted_layer.h"

namespace firekeeper::trainer {

struct ImageShape {
  Eigen::Index channels = 1;
  Eigen::Index height = 0;
  Eigen::Index width = 0;

  // Entries of one channel.
  [[nodiscard]] Eigen::Index positions() const { return height * width; }
  [[nodiscard]] Eigen::Index entries() const { return channels * positions(); }
};

// Square kernels of odd size, zeros around the image so that a stride of 1
// keeps its size.
struct ConvolutionSpec {
  Eigen::Index channels = 0;
  Eigen::Index kernel = 3;
  Eigen::Index stride = 1;
};

// The image that `spec` makes of `input`. Requires: a stride > 0.
[[nodiscard]] ImageShape OutputShape(const ImageShape& input,
                                     const ConvolutionSpec& spec);

// A unit is an output channel; its weight row holds kernels, channel by
// channel, each row by row.
template <typename Scalar>
class Convolution final : public WeightedLayer<Scalar> {
 public:
  // Draws the parameters. Requires: everything positive, an odd kernel.
  Convolution(const ImageShape& input, const ConvolutionSpec& spec,
              const InitializationSpec& init, Random& random);

  void Forward(const Matrix<Scalar>& input, Mode mode,
               Matrix<Scalar>& output) override;
  void Backward(const Matrix<Scalar>& input,
                const Matrix<Scalar>& output_gradient,
                Matrix<Scalar>* input_gradient) override;

 private:
  // Calls visit(patch entry, output position, input entry) wherever a kernel
  // covers the image; what it covers outside is zero.
  template <typename Visit>
  void ForEachCovered(const Visit& visit) const;
  // [fan_in, output positions] of one example: what each kernel sees.
  void TakePatches(const Matrix<Scalar>& input, Eigen::Index example);

  ImageShape input_;
  ImageShape output_;
  ConvolutionSpec spec_;
  Matrix<Scalar> patches_;  // of the example in work
};

}  // namespace firekeeper::trainer
