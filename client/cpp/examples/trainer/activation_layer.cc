#include "client/cpp/examples/trainer/activation_layer.h"

#include <cassert>
#include <vector>

#include "client/cpp/examples/trainer/activation.h"
#include "client/cpp/examples/trainer/random.h"

namespace firekeeper::trainer {
namespace {

template <typename Scalar>
class FixedActivation final : public Layer<Scalar> {
 public:
  explicit FixedActivation(const ActivationFunction<Scalar>& function)
      : function_(function) {}

  void Forward(const Matrix<Scalar>& input, Mode /*mode*/,
               Matrix<Scalar>& output) override {
    output = input.unaryExpr(
        [this](Scalar z) { return function_.value(z, function_.parameter); });
  }

  void Backward(const Matrix<Scalar>& input,
                const Matrix<Scalar>& output_gradient,
                Matrix<Scalar>* input_gradient) override {
    if (input_gradient == nullptr) return;
    *input_gradient =
        input.binaryExpr(output_gradient, [this](Scalar z, Scalar gradient) {
          return function_.derivative(z, function_.parameter) * gradient;
        });
  }

 private:
  ActivationFunction<Scalar> function_;
};

template <typename Scalar>
class LearntSlope final : public Layer<Scalar> {
 public:
  explicit LearntSlope(Scalar slope)
      : slope_{.value = Matrix<Scalar>::Constant(1, 1, slope),
               .gradient = Matrix<Scalar>::Zero(1, 1),
               .decays = false} {}

  void Forward(const Matrix<Scalar>& input, Mode /*mode*/,
               Matrix<Scalar>& output) override {
    const Scalar slope = slope_.value(0, 0);
    output = input.unaryExpr(
        [slope](Scalar z) { return z <= Scalar{0} ? slope * z : z; });
  }

  void Backward(const Matrix<Scalar>& input,
                const Matrix<Scalar>& output_gradient,
                Matrix<Scalar>* input_gradient) override {
    const Scalar slope = slope_.value(0, 0);
    slope_.gradient(0, 0) =
        input
            .binaryExpr(output_gradient,
                        [](Scalar z, Scalar gradient) {
                          return z <= Scalar{0} ? z * gradient : Scalar{0};
                        })
            .sum();
    if (input_gradient == nullptr) return;
    *input_gradient =
        input.binaryExpr(output_gradient, [slope](Scalar z, Scalar gradient) {
          return z <= Scalar{0} ? slope * gradient : gradient;
        });
  }

  std::vector<Parameter<Scalar>*> Parameters() override { return {&slope_}; }

 private:
  Parameter<Scalar> slope_;
};

template <typename Scalar>
class RandomSlope final : public Layer<Scalar> {
 public:
  explicit RandomSlope(const Random& random) : random_(random) {}

  void Forward(const Matrix<Scalar>& input, Mode mode,
               Matrix<Scalar>& output) override {
    DrawSlopes(mode, input.rows(), input.cols());
    output = input.binaryExpr(slopes_, [](Scalar z, Scalar slope) {
      return z <= Scalar{0} ? slope * z : z;
    });
  }

  void Backward(const Matrix<Scalar>& input,
                const Matrix<Scalar>& output_gradient,
                Matrix<Scalar>* input_gradient) override {
    assert(slopes_.rows() == input.rows() && slopes_.cols() == input.cols());
    if (input_gradient == nullptr) return;
    *input_gradient =
        input
            .binaryExpr(slopes_,
                        [](Scalar z, Scalar slope) {
                          return z <= Scalar{0} ? slope : Scalar{1};
                        })
            .cwiseProduct(output_gradient);
  }

 private:
  // A slope for every entry, also those that turn out positive: how many
  // numbers are drawn must not depend on the values.
  void DrawSlopes(Mode mode, Eigen::Index rows, Eigen::Index cols) {
    constexpr double kSpan = kRreluHighSlope - kRreluLowSlope;
    if (mode == Mode::kEvaluate) {
      slopes_.setConstant(rows, cols,
                          static_cast<Scalar>(kRreluLowSlope + 0.5 * kSpan));
      return;
    }
    slopes_.resize(rows, cols);
    for (Eigen::Index i = 0; i < slopes_.size(); ++i) {
      slopes_.data()[i] =
          static_cast<Scalar>(kRreluLowSlope + kSpan * random_.Uniform());
    }
  }

  Random random_;
  Matrix<Scalar> slopes_;  // of the last Forward
};

}  // namespace

template <typename Scalar>
absl::StatusOr<std::unique_ptr<Layer<Scalar>>> MakeActivationLayer(
    const core::ActivationSpec& spec, std::uint64_t seed, std::uint32_t index) {
  const auto function = ActivationFunctionFor<Scalar>(spec);
  if (!function.ok()) return function.status();
  if (spec.kind == core::Activation::kPrelu) {
    return std::make_unique<LearntSlope<Scalar>>(function->parameter);
  }
  if (spec.kind == core::Activation::kRrelu) {
    return std::make_unique<RandomSlope<Scalar>>(
        Random(seed, RandomStream::kSlopes, index));
  }
  return std::make_unique<FixedActivation<Scalar>>(*function);
}

template absl::StatusOr<std::unique_ptr<Layer<float>>> MakeActivationLayer(
    const core::ActivationSpec& spec, std::uint64_t seed, std::uint32_t index);
template absl::StatusOr<std::unique_ptr<Layer<double>>> MakeActivationLayer(
    const core::ActivationSpec& spec, std::uint64_t seed, std::uint32_t index);

}  // namespace firekeeper::trainer
