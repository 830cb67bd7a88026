#include "tests/experiments/trainer/examples.h"

#include <cassert>
#include <cmath>

#include "client/cpp/examples/digits_trainer/digits.h"
#include "client/cpp/examples/trainer/random.h"

namespace firekeeper::experiments {
namespace {

using Matrix = trainer::Matrix<float>;

Matrix Normal(Eigen::Index rows, Eigen::Index cols, trainer::Random& random) {
  Matrix values(rows, cols);
  for (Eigen::Index i = 0; i < values.size(); ++i) {
    values.data()[i] = static_cast<float>(random.Normal());
  }
  return values;
}

// Variance 1, as Normal's.
Matrix Uniform(Eigen::Index rows, Eigen::Index cols, trainer::Random& random) {
  Matrix values(rows, cols);
  for (Eigen::Index i = 0; i < values.size(); ++i) {
    values.data()[i] =
        static_cast<float>(std::sqrt(3.0) * (2.0 * random.Uniform() - 1.0));
  }
  return values;
}

// One-hot labels: the largest of the teacher's outputs.
Matrix Labels(const Matrix& features, trainer::Random& random) {
  const Matrix first = Normal(kSyntheticFeatures, kTeacherUnits, random);
  const Matrix second = Normal(kTeacherUnits, kSyntheticClasses, random);
  Matrix outputs = (features * first).cwiseMax(0.0F) * second;
  outputs.rowwise() -= outputs.colwise().mean().eval();
  outputs.array().rowwise() /=
      outputs.array().square().colwise().mean().sqrt().eval();
  Matrix labels = Matrix::Zero(features.rows(), kSyntheticClasses);
  for (Eigen::Index row = 0; row < outputs.rows(); ++row) {
    Eigen::Index label = 0;
    outputs.row(row).maxCoeff(&label);
    labels(row, label) = 1.0F;
  }
  return labels;
}

void Show(const DataSpec& data, Matrix& inputs) {
  inputs.array() = inputs.array() * static_cast<float>(data.scale) +
                   static_cast<float>(data.mean);
}

}  // namespace

Examples MakeSynthetic(const DataSpec& data, std::uint64_t seed) {
  trainer::Random random(seed, trainer::RandomStream::kExamples);
  constexpr Eigen::Index kRows = kTrainingRows + kTestRows;
  const bool is_uniform = data.source == DataSpec::Source::kUniform;
  assert(is_uniform || data.source == DataSpec::Source::kSynthetic);
  Matrix inputs = is_uniform ? Uniform(kRows, kSyntheticFeatures, random)
                             : Normal(kRows, kSyntheticFeatures, random);
  const Matrix labels = Labels(inputs, random);
  Show(data, inputs);
  return {.train = {.inputs = inputs.topRows(kTrainingRows),
                    .targets = labels.topRows(kTrainingRows)},
          .test = {.inputs = inputs.bottomRows(kTestRows),
                   .targets = labels.bottomRows(kTestRows)}};
}

Examples ShowDigits(const trainer::Dataset<float>& digits,
                    const DataSpec& data) {
  const bool is_unit = data.source == DataSpec::Source::kUnitDigits;
  assert(is_unit || data.source == DataSpec::Source::kDigits);
  Examples examples = digits::Prepare(digits, /*raw_inputs=*/is_unit);
  for (trainer::Dataset<float>* part : {&examples.train, &examples.test}) {
    if (is_unit) part->inputs /= static_cast<float>(digits::kMaxPixelValue);
    Show(data, part->inputs);
  }
  return examples;
}

}  // namespace firekeeper::experiments
