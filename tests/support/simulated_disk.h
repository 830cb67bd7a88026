// What is left of files when the power goes: bytes that were synced, and of the
// others whatever a disk may have kept.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace firekeeper::testing {

// Thread-compatible. Files are told apart by the last part of their path.
class SimulatedDisk {
 public:
  // What the power cut takes of the bytes that were not synced.
  enum class Loss {
    kNothing,     // as if only the process had died
    kEverything,  // unsynced
    kTail,        // from some byte on, in order of writing, of each file
    kSectors,     // any sectors of any write
  };

  void Create(const std::string& path);
  void Write(const std::string& path, std::size_t offset,
             std::string_view bytes);
  void Truncate(const std::string& path, std::size_t size);
  void Sync(const std::string& path);
  void Delete(const std::string& path);
  // Deletions so far survive.
  void SyncFolder();

  // Has the files of a folder, synced.
  void Load(const std::string& directory);

  // Makes the files in `directory` that a power cut now may leave.
  void WriteTo(const std::string& directory, Loss loss,
               std::uint32_t seed) const;

 private:
  struct Change {
    bool is_truncate = false;
    std::size_t offset = 0;  // or the size after it
    std::string bytes;
  };
  struct File {
    std::string synced;
    bool survives = false;        // its name was ever synced
    bool is_deleted = false;      // by a deletion that was not synced
    std::vector<Change> changes;  // since the last sync, in order
  };

  static void Apply(const Change& change, std::string& content);
  static void ApplyPrefix(const Change& change, std::size_t bytes,
                          std::string& content);
  static void ApplySectors(const Change& change, std::mt19937& random,
                           std::string& content);
  static std::string ContentAfter(const File& file, Loss loss,
                                  std::mt19937& random);
  static bool IsThereAfter(const File& file, Loss loss, std::mt19937& random);

  std::map<std::string, File> files_;
};

}  // namespace firekeeper::testing
