#include "tests/support/simulated_disk.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace firekeeper::testing {
namespace {

constexpr std::size_t kSectorBytes = 512;

std::string NameOf(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

bool FlipCoin(std::mt19937& random) { return random() % 2 == 0; }

}  // namespace

void SimulatedDisk::Create(const std::string& path) {
  File& file = files_[NameOf(path)];
  if (!file.is_deleted) return;
  // The old content may come back, but not under what is written from now on.
  file.is_deleted = false;
  file.changes.push_back({.is_truncate = true, .offset = 0, .bytes = {}});
}

void SimulatedDisk::Write(const std::string& path, std::size_t offset,
                          std::string_view bytes) {
  files_[NameOf(path)].changes.push_back(
      {.is_truncate = false, .offset = offset, .bytes = std::string(bytes)});
}

void SimulatedDisk::Truncate(const std::string& path, std::size_t size) {
  files_[NameOf(path)].changes.push_back(
      {.is_truncate = true, .offset = size, .bytes = {}});
}

void SimulatedDisk::Sync(const std::string& path) {
  File& file = files_[NameOf(path)];
  for (const Change& change : file.changes) Apply(change, file.synced);
  file.changes.clear();
  file.survives = true;
}

void SimulatedDisk::Delete(const std::string& path) {
  const auto file = files_.find(NameOf(path));
  if (file == files_.end()) return;
  file->second.is_deleted = true;
  file->second.changes.clear();
}

void SimulatedDisk::SyncFolder() {
  std::erase_if(files_,
                [](const auto& file) { return file.second.is_deleted; });
}

void SimulatedDisk::Load(const std::string& directory) {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::ifstream in(entry.path(), std::ios::binary);
    File& file = files_[entry.path().filename().string()];
    file.synced = {std::istreambuf_iterator<char>(in),
                   std::istreambuf_iterator<char>()};
    file.survives = true;
  }
}

void SimulatedDisk::Apply(const Change& change, std::string& content) {
  if (change.is_truncate) {
    content.resize(change.offset);
  } else {
    ApplyPrefix(change, change.bytes.size(), content);
  }
}

void SimulatedDisk::ApplyPrefix(const Change& change, std::size_t bytes,
                                std::string& content) {
  content.resize(std::max(content.size(), change.offset + bytes));
  content.replace(change.offset, bytes, change.bytes, 0, bytes);
}

void SimulatedDisk::ApplySectors(const Change& change, std::mt19937& random,
                                 std::string& content) {
  std::size_t begin = 0;
  while (begin < change.bytes.size()) {
    const std::size_t to_edge =
        kSectorBytes - (change.offset + begin) % kSectorBytes;
    const std::size_t size = std::min(to_edge, change.bytes.size() - begin);
    if (FlipCoin(random)) {
      Apply({.is_truncate = false,
             .offset = change.offset + begin,
             .bytes = change.bytes.substr(begin, size)},
            content);
    }
    begin += size;
  }
}

std::string SimulatedDisk::ContentAfter(const File& file, Loss loss,
                                        std::mt19937& random) {
  std::string content = file.synced;
  if (loss == Loss::kEverything) return content;
  const std::size_t kept = loss == Loss::kTail
                               ? random() % (file.changes.size() + 1)
                               : file.changes.size();
  for (std::size_t i = 0; i < kept; ++i) {
    const Change& change = file.changes[i];
    if (loss == Loss::kSectors && !change.is_truncate) {
      ApplySectors(change, random, content);
    } else if (loss != Loss::kSectors || FlipCoin(random)) {
      Apply(change, content);
    }
  }
  if (kept < file.changes.size() && !file.changes[kept].is_truncate) {
    const Change& torn = file.changes[kept];
    ApplyPrefix(torn, random() % (torn.bytes.size() + 1), content);
  }
  return content;
}

bool SimulatedDisk::IsThereAfter(const File& file, Loss loss,
                                 std::mt19937& random) {
  switch (loss) {
    case Loss::kNothing:
      return !file.is_deleted;
    case Loss::kEverything:
      return file.survives;
    case Loss::kTail:
    case Loss::kSectors:
      break;
  }
  const bool is_settled = file.survives && !file.is_deleted;
  return is_settled || FlipCoin(random);
}

void SimulatedDisk::WriteTo(const std::string& directory, Loss loss,
                            std::uint32_t seed) const {
  std::mt19937 random(seed);
  std::filesystem::create_directory(directory);
  for (const auto& [name, file] : files_) {
    const std::string content = ContentAfter(file, loss, random);
    if (!IsThereAfter(file, loss, random)) continue;
    const auto path = std::filesystem::path(directory) / name;
    std::ofstream(path, std::ios::binary) << content;
  }
}

}  // namespace firekeeper::testing
