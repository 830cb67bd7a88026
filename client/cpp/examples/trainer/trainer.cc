#include "client/cpp/examples/trainer/trainer.h"

#include <cassert>
#include <cstddef>

namespace firekeeper::trainer {

template <typename Scalar>
Trainer<Scalar>::Trainer(Network<Scalar>& network, Optimizer<Scalar>& optimizer,
                         const Dataset<Scalar>& data, std::int64_t batch_size,
                         std::uint64_t seed, LossKind loss)
    : network_(network),
      optimizer_(optimizer),
      data_(data),
      order_(data.size(), batch_size, seed),
      loss_(loss) {
  assert(data.inputs.rows() == data.targets.rows());
}

template <typename Scalar>
double Trainer<Scalar>::Step(StepObserver<Scalar>* observer) {
  const Dataset<Scalar> batch = Rows(data_, order_.Next());
  const Matrix<Scalar>& outputs = network_.Forward(batch.inputs, Mode::kTrain);
  Matrix<Scalar> gradient;
  const double loss = Loss(loss_, outputs, batch.targets, &gradient);
  network_.Backward(gradient);

  const bool wanted = observer != nullptr && observer->Wants(step_);
  if (wanted) KeepParameters();
  optimizer_.Step(network_.Parameters());
  if (wanted) Report(loss, batch, *observer);
  ++step_;
  return loss;
}

template <typename Scalar>
void Trainer<Scalar>::KeepParameters() {
  kept_.resize(network_.layer_count());
  for (std::size_t i = 0; i < kept_.size(); ++i) {
    const LayerView<Scalar> view = network_.layer(i);
    kept_[i].weight = view.weight.value;
    kept_[i].bias = view.bias.value;
  }
}

template <typename Scalar>
void Trainer<Scalar>::Report(double loss, const Dataset<Scalar>& batch,
                             StepObserver<Scalar>& observer) {
  std::vector<LayerView<Scalar>> views;
  views.reserve(kept_.size());  // LayerStep refers into it
  std::vector<LayerStep<Scalar>> layers;
  layers.reserve(kept_.size());
  for (std::size_t i = 0; i < kept_.size(); ++i) {
    views.push_back(network_.layer(i));
    Snapshot& kept = kept_[i];
    kept.weight_update = views.back().weight.value - kept.weight;
    layers.push_back({.view = views.back(),
                      .weight = kept.weight,
                      .bias = kept.bias,
                      .weight_update = kept.weight_update});
  }
  observer.Observe({.step = step_,
                    .loss = loss,
                    .learning_rate = optimizer_.learning_rate(),
                    .inputs = batch.inputs,
                    .targets = batch.targets,
                    .layers = layers});
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace firekeeper::trainer
