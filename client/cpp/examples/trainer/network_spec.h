// What a network is made of, and what a layer of it looks like from outside.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/cpp/examples/trainer/convolution.h"
#include "client/cpp/examples/trainer/initialization.h"
#include "client/cpp/examples/trainer/layer.h"
#include "client/cpp/examples/trainer/normalization.h"
#include "core/signal.h"

namespace firekeeper::trainer {

// A hidden layer f after the first whose width is that of its input h may hand
// on a sum instead of f(h).
enum class Residual : std::uint8_t {
  kNone,
  kPlain,   // h + f(h)
  kScaled,  // h + f(h) / sqrt(L), L the number of hidden layers
};

struct PerceptronSpec {
  Eigen::Index input_units = 0;
  std::vector<Eigen::Index> hidden_units;
  Eigen::Index output_units = 0;
  core::ActivationSpec
      activation;  // of the hidden layers; the output is linear
  InitializationSpec hidden_init;
  InitializationSpec output_init{.kind = Initialization::kLecun};
  std::uint64_t seed = 0;
  // Of the hidden layers that are not convolutions.
  Normalization normalization = Normalization::kNone;
  Residual residual = Residual::kNone;
  // Before the hidden layers: convolutions of an image of one channel whose
  // entries are the inputs, with the same activation and initialisation.
  std::vector<ConvolutionSpec> convolutions{};
  Eigen::Index image_width = 0;  // a divisor of input_units, with convolutions
};

// A layer in firekeeper's sense, as declared.
struct LayerPlace {
  std::string name;
  core::ActivationSpec activation;
  Eigen::Index units = 0;
  Eigen::Index fan_in = 0;
  bool norm_before = false;  // a normalisation stands before the activation
  bool residual = false;     // the layer's input is added to its output
  // Columns of a batch that belong to one unit: the pixels of a channel.
  Eigen::Index positions = 1;
  // Of the layer's input likewise: input columns / input_units.
  Eigen::Index input_units = 0;
  bool is_convolution = false;
};

// One layer in firekeeper's sense, a = phi(z), as the last pass left it: an
// example a row, `positions` columns a unit; a weight row is a unit. z is
// x W^T + b or a convolution, normalised where the layer is; a residual sum
// comes after a. Borrowed; the next Forward, Backward or optimizer step changes
// what it shows.
template <typename Scalar>
struct LayerView {
  const std::string& name;
  const core::ActivationSpec& activation;
  bool is_output;
  bool is_convolution;
  const Matrix<Scalar>& input;
  const Matrix<Scalar>& pre_activation;
  const Matrix<Scalar>& output;
  const Matrix<Scalar>& output_gradient;  // dL/da, of the last Backward
  const Parameter<Scalar>& weight;
  const Parameter<Scalar>& bias;
};

}  // namespace firekeeper::trainer
