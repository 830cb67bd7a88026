#include "server/ingest/flight_table.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace firekeeper::server {
namespace {

// Messages under way at a time: gRPC runs callbacks on about as many threads as
// there are cores.
constexpr std::size_t kSlots = 256;
constexpr std::size_t kNameBytes = 256;
constexpr std::uint64_t kMagic = 0x31544C4659454546;  // changes with the layout

void CopyName(const std::string& from, std::array<char, kNameBytes>* to) {
  to->fill('\0');
  std::copy_n(from.begin(), std::min(from.size(), kNameBytes - 1), to->begin());
}

std::string NameOf(const std::array<char, kNameBytes>& bytes) {
  return {bytes.data(), strnlen(bytes.data(), bytes.size())};
}

}  // namespace

struct FlightTable::Slot {
  std::uint32_t crashes;  // of a suspect
  std::uint32_t is_used;
  std::uint64_t seq;
  std::uint64_t instance_id;
  std::uint32_t source;
  std::uint32_t padding;
  std::array<char, kNameBytes> tenant;
  std::array<char, kNameBytes> run_id;

  void Set(const FlightName& name) {
    seq = name.seq;
    instance_id = name.instance_id;
    source = name.source;
    CopyName(name.tenant, &tenant);
    CopyName(name.run_id, &run_id);
    is_used = 1;
  }
  [[nodiscard]] FlightName Name() const {
    return {.tenant = NameOf(tenant),
            .run_id = NameOf(run_id),
            .source = source,
            .instance_id = instance_id,
            .seq = seq};
  }
};

struct FlightTable::Layout {
  std::uint64_t magic;
  std::array<Slot, kSlots> flying;
  std::array<Slot, kSlots> suspects;
};

absl::StatusOr<std::unique_ptr<FlightTable>> FlightTable::Open(
    const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const auto fail = [&path](int error) {
    return absl::UnavailableError(absl::StrCat(
        "cannot use ", path, ": ", std::generic_category().message(error)));
  };
  if (file < 0) return fail(errno);
  if (::ftruncate(file, sizeof(Layout)) != 0) {
    const int error = errno;
    ::close(file);
    return fail(error);
  }
  void* const memory = ::mmap(nullptr, sizeof(Layout), PROT_READ | PROT_WRITE,
                              MAP_SHARED, file, 0);
  const int error = errno;
  ::close(file);
  if (memory == MAP_FAILED) return fail(error);
  std::unique_ptr<FlightTable> table(
      new FlightTable(static_cast<Layout*>(memory)));
  table->CountCrashes();
  return table;
}

FlightTable::~FlightTable() { ::munmap(layout_, sizeof(Layout)); }

void FlightTable::CountCrashes() {
  const absl::MutexLock lock(&mutex_);
  if (layout_->magic != kMagic) {
    std::memset(static_cast<void*>(layout_), 0, sizeof(Layout));
    layout_->magic = kMagic;
  }
  for (Slot& slot : layout_->flying) {
    if (slot.is_used == 0) continue;
    slot.is_used = 0;
    // Some may be known from earlier ends.
    suspect_count_ = kSlots;
    const std::size_t known = FindSuspect(slot.Name());
    if (known < kSlots) {
      ++layout_->suspects.at(known).crashes;
      continue;
    }
    auto* const free = std::ranges::find_if(
        layout_->suspects, [](const Slot& s) { return s.is_used == 0; });
    if (free == layout_->suspects.end()) continue;
    *free = slot;
    free->is_used = 1;
    free->crashes = 1;
  }
  suspect_count_ = static_cast<std::size_t>(std::ranges::count_if(
      layout_->suspects, [](const Slot& s) { return s.is_used != 0; }));
}

std::size_t FlightTable::FindSuspect(const FlightName& name) const {
  if (suspect_count_ == 0) return kSlots;
  for (std::size_t i = 0; i < kSlots; ++i) {
    const Slot& slot = layout_->suspects.at(i);
    if (slot.is_used != 0 && slot.seq == name.seq && slot.Name() == name) {
      return i;
    }
  }
  return kSlots;
}

FlightTable::Flight::Flight(FlightTable& table, const FlightName& name)
    : table_(table), slot_(kSlots) {
  const absl::MutexLock lock(&table.mutex_);
  Layout& layout = *table.layout_;
  was_suspect_ = table.FindSuspect(name) < kSlots;
  auto* const free = std::ranges::find_if(
      layout.flying, [](const Slot& s) { return s.is_used == 0; });
  if (free == layout.flying.end()) return;
  free->Set(name);
  slot_ = static_cast<std::size_t>(free - layout.flying.begin());
}

FlightTable::Flight::~Flight() {
  if (slot_ == kSlots) return;
  const absl::MutexLock lock(&table_.mutex_);
  Layout& layout = *table_.layout_;
  Slot& slot = layout.flying.at(slot_);
  slot.is_used = 0;
  if (!was_suspect_) return;
  // It was folded in and nothing happened.
  const std::size_t known = table_.FindSuspect(slot.Name());
  if (known == kSlots) return;
  layout.suspects.at(known).is_used = 0;
  --table_.suspect_count_;
}

bool FlightTable::IsFatal(const FlightName& name) const {
  const absl::MutexLock lock(&mutex_);
  const std::size_t known = FindSuspect(name);
  return known < kSlots && layout_->suspects.at(known).crashes >= kFatalCrashes;
}

std::vector<FlightName> FlightTable::Fatal() const {
  const absl::MutexLock lock(&mutex_);
  std::vector<FlightName> names;
  for (const Slot& slot : layout_->suspects) {
    if (slot.is_used != 0 && slot.crashes >= kFatalCrashes) {
      names.push_back(slot.Name());
    }
  }
  return names;
}

}  // namespace firekeeper::server
