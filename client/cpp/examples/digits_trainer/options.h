// What digits_trainer can be told on its command line.

#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "client/cpp/examples/digits_trainer/digits.h"
#include "client/cpp/examples/trainer/initialization.h"
#include "client/cpp/examples/trainer/network.h"
#include "client/cpp/examples/trainer/optimizer.h"
#include "core/signal.h"

namespace firekeeper::digits {

// The network and how it is trained.
struct TrainingOptions {
  // Channels of 3 x 3 convolutions before the hidden layers; the second and
  // later halve the image.
  std::vector<std::int64_t> convolution_channels{};
  std::vector<std::int64_t> hidden_units{64, 64, 64};
  core::ActivationSpec activation;
  trainer::InitializationSpec initialization;
  trainer::Normalization normalization = trainer::Normalization::kNone;
  trainer::Residual residual = trainer::Residual::kNone;
  trainer::OptimizerSpec optimizer{.rule = trainer::UpdateRule::kAdam,
                                   .learning_rate = 1e-3};
  std::int64_t batch_size = 64;
  std::int64_t epochs = 60;
  std::uint64_t seed = 0;
};

// Where the run is streamed to.
struct StreamingOptions {
  std::string run = "digits";
  std::string remedy_of;
  std::string endpoint = "127.0.0.1:50061";  // empty: nowhere
  std::string token;
  std::string ca_cert_file;
  // Sampling distance in steps, a power of two. Small, because the run is: a
  // certificate of death takes some 20,000 silent observations (STATISTICS.md
  // 4.0), and the default run of 86,220 would show 6,000 of them at 16.
  std::int64_t every = 2;
  bool send_tensors = false;  // raw tensors instead of summaries
};

struct Options {
  std::string data = std::string(kDefaultPath);
  bool raw_inputs = false;  // do not standardise
  bool quiet = false;
  bool json = false;
  // The names as given, for labels and reports.
  std::string activation_name = "relu";
  std::string initialization_name = "he";
  std::string normalization_name = "none";
  std::string residual_name = "none";
  std::string optimizer_name = "adam";
  TrainingOptions training;
  StreamingOptions streaming;
};

// The options, or the exit code of a program that is done: 0 after --help,
// not 0 after an argument that was refused. The reason was printed then.
[[nodiscard]] std::variant<Options, int> ParseOptions(int argc,
                                                      const char* const* argv);

}  // namespace firekeeper::digits
