#include "client/cpp/examples/trainer/run.h"

#include <algorithm>
#include <cstddef>

namespace firekeeper::trainer {
namespace {

// Rows of one part of a frozen pass: a snapshot of 64 units stays at 128 KiB.
constexpr Eigen::Index kPassRows = 512;

void Pass(Network<float>& network, const Matrix<float>& inputs,
          core::Phase phase, std::int64_t step, RunObserver& observer) {
  std::uint32_t part = 0;
  for (Eigen::Index row = 0; row < inputs.rows(); row += kPassRows) {
    const Matrix<float> rows =
        inputs.middleRows(row, std::min(kPassRows, inputs.rows() - row));
    network.Forward(rows, Mode::kEvaluate);
    observer.ObservePass(network, phase, step, part++);
  }
}

}  // namespace

void FixOrderOfSums() {
  constexpr std::ptrdiff_t kKib = 1024;
  Eigen::setCpuCacheSizes(32 * kKib, 512 * kKib, 8 * kKib * kKib);
}

void RunToTheEnd(Trainer<float>& trainer, Network<float>& network,
                 const Dataset<float>& data, std::int64_t steps,
                 RunObserver* observer, ProgressListener* progress) {
  if (observer != nullptr) {
    Pass(network, data.inputs, core::Phase::kBirth, 0, *observer);
  }
  while (trainer.step() < steps) {
    const std::int64_t step = trainer.step();
    const double loss = trainer.Step(observer);
    if (observer != nullptr) observer->StepDone(step);
    if (progress != nullptr) progress->Advance(step + 1, steps, loss);
  }
  if (observer != nullptr) {
    Pass(network, data.inputs, core::Phase::kProbe, steps, *observer);
    observer->StepDone(steps);
  }
}

}  // namespace firekeeper::trainer
