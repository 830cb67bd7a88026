// What digits_trainer tells Firekeeper of its run.

#pragma once

#include "client/cpp/examples/digits_trainer/options.h"
#include "client/cpp/watcher_options.h"

namespace firekeeper::digits {

// The options of a watcher for this run, without its layers.
[[nodiscard]] client::WatcherOptions WatcherOptionsFor(const Options& options);

}  // namespace firekeeper::digits
