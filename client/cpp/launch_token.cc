#include "client/cpp/launch_token.h"

#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace firekeeper::client {

namespace {

constexpr std::size_t kMaxTokenBytes = 255;  // ingest.proto

// FNV-1a (Fowler, Noll, Vo): the same in every process, unlike absl::Hash.
std::uint64_t StableHash(const std::string& text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1099511628211ULL;
  }
  return hash;
}

// `text` itself where it may travel; otherwise made so, with a hash that keeps
// different texts apart.
std::string Printable(const std::string& text) {
  std::string printable = text;
  std::replace_if(
      printable.begin(), printable.end(),
      [](char c) { return c < ' ' || c > '~'; }, '_');
  if (printable == text && text.size() <= kMaxTokenBytes) return text;
  const std::string hash =
      absl::StrCat("#", absl::Hex(StableHash(text), absl::kZeroPad16));
  printable.resize(std::min(printable.size(), kMaxTokenBytes - hash.size()));
  return printable + hash;
}

std::uint64_t RandomBits() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

std::string LaunchTokenFromEnvironment(const GetEnvironment& get) {
  const auto value = [&get](const char* name) {
    const char* const found = get(name);
    return std::string(found == nullptr ? "" : found);
  };
  constexpr std::array kNames = {"TORCHELASTIC_RUN_ID",
                                 "TORCHELASTIC_RESTART_COUNT", "SLURM_JOB_ID",
                                 "SLURM_RESTART_COUNT"};
  std::vector<std::string> parts;
  for (const char* const name : kNames) {
    if (const std::string found = value(name); !found.empty()) {
      parts.push_back(absl::StrCat(name, "=", found));
    }
  }
  if (const std::string address = value("MASTER_ADDR"); !address.empty()) {
    parts.push_back(
        absl::StrCat("MASTER=", address, ":", value("MASTER_PORT")));
  }
  return Printable(absl::StrJoin(parts, ","));
}

std::string RandomLaunchToken() {
  return absl::StrCat(absl::Hex(RandomBits(), absl::kZeroPad16),
                      absl::Hex(RandomBits(), absl::kZeroPad16));
}

std::uint64_t RandomInstanceId() {
  std::uint64_t id = 0;
  while (id == 0) id = RandomBits();
  return id;
}

}  // namespace firekeeper::client
