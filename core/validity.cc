#include "core/validity.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace firekeeper::core {

absl::Status CheckMaskAndScale(const TensorLayout& layout,
                               std::span<const std::byte> mask, double scale) {
  if (!std::isfinite(scale) || scale <= 0.0) {
    return absl::InvalidArgumentError(
        absl::StrCat("scale must be finite and positive; got ", scale));
  }
  const std::int64_t rows = layout.row_count();
  const auto wanted = static_cast<std::size_t>((rows + 7) / 8);
  if (!mask.empty() && mask.size() != wanted) {
    return absl::InvalidArgumentError(
        absl::StrCat("validity_mask has ", mask.size(),
                     " bytes; the shape asks for ", wanted));
  }
  return absl::OkStatus();
}

}  // namespace firekeeper::core
