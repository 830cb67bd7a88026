#include <chrono>
#include <iostream>
#include <vector>

#include "client/cpp/watcher.h"

int main() {
  using namespace firekeeper;

  client::WatcherOptions options;
  options.run_id = "my-run";
  options.layers = {{.name = "fc1.relu",
                     .activation = {.kind = core::Activation::kRelu},
                     .unit_count = 128}};
  auto watcher = client::Watcher::Start(options);
  if (!watcher.ok()) {
    std::cerr << watcher.status() << '\n';
    return 1;
  }

  std::vector<float> activations(32 * 128, 1.0F);  // 32 examples, 128 units
  const std::vector<std::int64_t> shape = {32, 128};
  const auto layout = core::TensorLayout::Create(
      core::DataType::kF32, shape, /*unit_axis=*/1, /*cluster_axis=*/0);
  for (std::int64_t step = 0; step < 1000; ++step) {
    if ((*watcher)->ShouldSample(step)) {
      (*watcher)->Observe(
          {.layer = "fc1.relu", .step = step},
          {.layout = *layout,
           .data = reinterpret_cast<const std::byte*>(activations.data())});
    }
    (*watcher)->ObserveScalar("loss", step, 0.5);
    (*watcher)->StepDone(step);
  }
  (*watcher)->Close(std::chrono::seconds(1));
  const client::WatcherCounters counters = (*watcher)->counters();
  std::cout << counters.enqueued << " observed, " << counters.acked
            << " delivered\n";
}
