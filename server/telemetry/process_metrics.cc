#include "server/telemetry/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>

#include "server/telemetry/families.h"

namespace firekeeper::server {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

// Virtual and resident size in bytes.
struct Memory {
  double virtual_bytes = 0.0;
  double resident_bytes = 0.0;
};

std::optional<Memory> ReadMemory() {
  std::ifstream file("/proc/self/statm");
  double total_pages = 0.0;
  double resident_pages = 0.0;
  if (!(file >> total_pages >> resident_pages)) return std::nullopt;
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  return Memory{.virtual_bytes = total_pages * page,
                .resident_bytes = resident_pages * page};
}

std::optional<double> CountDescriptors() {
  std::error_code error;
  const std::filesystem::directory_iterator entries("/proc/self/fd", error);
  if (error) return std::nullopt;
  return static_cast<double>(std::distance(begin(entries), end(entries)));
}

std::optional<double> DescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::nullopt;
  return static_cast<double>(limit.rlim_cur);
}

std::optional<double> CpuSeconds() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return std::nullopt;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) +
           static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

ProcessMetrics::ProcessMetrics()
    : start_time_seconds_(
          std::chrono::duration<double>(
              std::chrono::system_clock::now().time_since_epoch())
              .count()) {}

std::vector<MetricFamily> ProcessMetrics::Collect() const {
  std::vector<MetricFamily> families;
  const auto add = [&families](const char* name, const char* help,
                               std::optional<double> value,
                               MetricType type = MetricType::Gauge) {
    if (!value.has_value()) return;
    families.push_back(Family(name, help, type));
    AddSample(&families.back(), {}, *value);
  };
  if (const std::optional<Memory> memory = ReadMemory(); memory.has_value()) {
    add("process_virtual_memory_bytes", "Virtual memory size.",
        memory->virtual_bytes);
    add("process_resident_memory_bytes", "Resident memory size.",
        memory->resident_bytes);
  }
  add("process_cpu_seconds_total", "User and system CPU time spent.",
      CpuSeconds(), MetricType::Counter);
  add("process_open_fds", "Open file descriptors.", CountDescriptors());
  add("process_max_fds", "Most file descriptors that may be open.",
      DescriptorLimit());
  add("process_start_time_seconds", "Start of the process in Unix time.",
      start_time_seconds_);
  return families;
}

}  // namespace firekeeper::server
