// Builds the facts of a run for the diagnosis: healthy unless a test says
// otherwise. The reference run of STATISTICS.md 7: layers "h0" to "hN" of 64
// ReLU units and an output of 4, He weights, zero biases, 20 standardised
// inputs, batches of 64, 640 steps.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/diagnosis/facts.h"

namespace firekeeper::testing {

//   FactsBuilder run;
//   run.Bias(-3.0, -2.1).SilentAtStart(1, 1.0).Dead(1, 1.0);
//   Diagnose(run.facts());
//
// `layer` counts hidden layers from 0. Every call returns the builder.
class FactsBuilder {
 public:
  explicit FactsBuilder(std::size_t hidden = 4, std::uint64_t width = 64,
                        core::Activation kind = core::Activation::kRelu);

  [[nodiscard]] const core::RunFacts& facts() const { return facts_; }
  [[nodiscard]] core::RunFacts& facts() { return facts_; }
  [[nodiscard]] core::LayerFacts& layer(std::size_t i) {
    return facts_.layers[i];
  }
  [[nodiscard]] core::LayerFacts& output() { return facts_.layers.back(); }
  // The window [0, 1) of a signal that is streamed.
  [[nodiscard]] core::SignalDigest& Start(std::size_t i, core::Signal signal) {
    return facts_.layers[i].train.at(signal).front();
  }

  // S2: inputs with this mean and deviation in every feature.
  FactsBuilder& Inputs(double mean, double deviation);
  // S3: every hidden bias, throughout, and its size beside what the weights
  // give.
  FactsBuilder& Bias(double bias, double offset);
  // S4: mean of the hidden weights in deviations.
  FactsBuilder& WeightMean(double deviations);
  // S5 and S6: gain of every hidden layer, and the gradient that it passes
  // back; `first_gradient` is the norm of the weight gradient of h0.
  FactsBuilder& Gain(double gain, double backward, double first_gradient);
  // Mean firing rate at step 0, and the rms of a layer's output there.
  FactsBuilder& FiringAtStart(std::size_t i, double rate, double rms);
  // Share of units with k = 0 in the window [0, 1); on as many examples.
  FactsBuilder& SilentAtStart(std::size_t i, double share,
                              std::uint64_t examples = 64);
  // S7: within the first steps, and after.
  FactsBuilder& UpdateRatio(double early, double later);
  // S8: adds dead units that last fired at `after`.
  FactsBuilder& Dead(std::size_t i, double share,
                     std::int64_t after = core::kNeverFired,
                     std::int64_t by = 400);
  // From `start` to `end` within `steps`, flat from there on.
  FactsBuilder& Loss(double start, double end, std::int64_t steps = 640);
  // A scalar of one value a step.
  FactsBuilder& Scalar(const std::string& name, std::vector<double> values);
  // As if the signal had never been streamed.
  FactsBuilder& Without(core::Signal signal);
  // As if the stream had begun at step 128.
  FactsBuilder& WithoutStart();

 private:
  void AddLayer(std::size_t i, std::uint64_t width, core::Activation kind,
                bool is_output);

  core::RunFacts facts_;
};

}  // namespace firekeeper::testing
