// Two things timed in turn in one process, and the line that tests/bench/run
// reads: only their ratio means something on a shared machine.

#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

namespace firekeeper::bench {

template <typename Work>
double SecondsOf(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

// Requires: not empty.
inline double Median(std::vector<double> values) {
  const auto middle =
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// Prints the figures of every round under the name of a row of tests/bench/run.
inline void PrintMeasure(const std::string& id,
                         const std::vector<double>& rounds) {
  std::printf(R"(measure {"id": "%s", "rounds": [)", id.c_str());
  const char* separator = "";
  for (const double value : rounds) {
    std::printf("%s%.6g", separator, value);
    separator = ", ";
  }
  std::printf("]}\n");
  std::fflush(stdout);
}

// How many times `base` takes what `ours` takes, round by round; each once
// before, not counted.
template <typename Base, typename Ours>
std::vector<double> TimesFaster(int rounds, const Base& base,
                                const Ours& ours) {
  base();
  ours();
  std::vector<double> ratios;
  for (int round = 0; round < rounds; ++round) {
    const double base_seconds = SecondsOf(base);
    ratios.push_back(base_seconds / SecondsOf(ours));
  }
  return ratios;
}

}  // namespace firekeeper::bench
