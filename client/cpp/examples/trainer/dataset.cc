#include "client/cpp/examples/trainer/dataset.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace firekeeper::trainer {
namespace {

std::vector<std::int64_t> Range(std::int64_t size) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(size));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

}  // namespace

template <typename Scalar>
Dataset<Scalar> Rows(const Dataset<Scalar>& data,
                     std::span<const std::int64_t> indices) {
  const auto count = static_cast<Eigen::Index>(indices.size());
  Dataset<Scalar> rows{.inputs = Matrix<Scalar>(count, data.inputs.cols()),
                       .targets = Matrix<Scalar>(count, data.targets.cols())};
  for (Eigen::Index row = 0; row < count; ++row) {
    const std::int64_t index = indices[static_cast<std::size_t>(row)];
    assert(index >= 0 && index < data.size());
    rows.inputs.row(row) = data.inputs.row(index);
    rows.targets.row(row) = data.targets.row(index);
  }
  return rows;
}

BatchOrder::BatchOrder(std::int64_t examples, std::int64_t batch_size,
                       std::uint64_t seed)
    : order_(Range(examples)),
      next_(order_.size()),
      batch_size_(static_cast<std::size_t>(batch_size)),
      random_(seed, RandomStream::kBatches) {
  assert(examples > 0 && batch_size > 0);
}

std::span<const std::int64_t> BatchOrder::Next() {
  if (next_ == order_.size()) {
    random_.Shuffle(order_);
    next_ = 0;
  }
  const std::size_t size = std::min(batch_size_, order_.size() - next_);
  const auto batch = std::span(order_).subspan(next_, size);
  next_ += size;
  return batch;
}

std::int64_t BatchOrder::batches_per_epoch() const {
  return static_cast<std::int64_t>((order_.size() + batch_size_ - 1) /
                                   batch_size_);
}

template <typename Scalar>
std::pair<Dataset<Scalar>, Dataset<Scalar>> Split(const Dataset<Scalar>& data,
                                                  double share,
                                                  std::uint64_t seed) {
  assert(share >= 0.0 && share <= 1.0);
  std::vector<std::int64_t> order = Range(data.size());
  Random(seed, RandomStream::kSplit).Shuffle(order);
  const auto first = static_cast<std::size_t>(
      std::floor(share * static_cast<double>(data.size())));
  return {Rows(data, std::span(order).first(first)),
          Rows(data, std::span(order).subspan(first))};
}

template <typename Scalar>
Standardizer<Scalar>::Standardizer(const Matrix<Scalar>& inputs) {
  assert(inputs.rows() > 0);
  const Eigen::ArrayXXd values = inputs.template cast<double>().array();
  const Eigen::Array<double, 1, Eigen::Dynamic> mean = values.colwise().mean();
  const Eigen::Array<double, 1, Eigen::Dynamic> deviation =
      (values.rowwise() - mean).square().colwise().mean().sqrt();
  mean_ = mean.template cast<Scalar>();
  factor_ =
      (deviation > 0.0).select(1.0 / deviation, 0.0).template cast<Scalar>();
}

template <typename Scalar>
void Standardizer<Scalar>::Apply(Matrix<Scalar>& inputs) const {
  assert(inputs.cols() == mean_.cols());
  inputs.array().rowwise() -= mean_;
  inputs.array().rowwise() *= factor_;
}

template Dataset<float> Rows(const Dataset<float>& data,
                             std::span<const std::int64_t> indices);
template Dataset<double> Rows(const Dataset<double>& data,
                              std::span<const std::int64_t> indices);
template std::pair<Dataset<float>, Dataset<float>> Split(
    const Dataset<float>& data, double share, std::uint64_t seed);
template std::pair<Dataset<double>, Dataset<double>> Split(
    const Dataset<double>& data, double share, std::uint64_t seed);
template class Standardizer<float>;
template class Standardizer<double>;

}  // namespace firekeeper::trainer
