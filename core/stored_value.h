// How one value of a tensor is read from memory, whatever its alignment.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/tensor_view.h"

namespace firekeeper::core {

static_assert(std::endian::native == std::endian::little,
              "tensor data is little-endian and read as it is");

// Exact: every binary16 is a binary32.
[[nodiscard]] inline float FloatFromF16(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000U) << 16U;
  const std::uint32_t exponent = (bits >> 10U) & 0x1FU;
  const std::uint32_t mantissa = bits & 0x3FFU;
  if (exponent == 0) {  // zero or subnormal: a multiple of 2^-24
    const float size = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -size : size;
  }
  // 112 moves the exponent from a bias of 15 to one of 127.
  const std::uint32_t wide = exponent == 0x1FU ? 0xFFU : exponent + 112U;
  return std::bit_cast<float>(sign | (wide << 23U) | (mantissa << 13U));
}

[[nodiscard]] inline float FloatFromBf16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

template <typename Bits>
[[nodiscard]] inline Bits LoadBits(const std::byte* data) {
  Bits bits{};
  std::memcpy(&bits, data, sizeof(bits));
  return bits;
}

// The stored value at `data`, before scale.
[[nodiscard]] inline double LoadStored(DataType dtype, const std::byte* data) {
  switch (dtype) {
    case DataType::kF64:
      return LoadBits<double>(data);
    case DataType::kF32:
      return static_cast<double>(LoadBits<float>(data));
    case DataType::kF16:
      return static_cast<double>(FloatFromF16(LoadBits<std::uint16_t>(data)));
    case DataType::kBf16:
      return static_cast<double>(FloatFromBf16(LoadBits<std::uint16_t>(data)));
  }
  return 0.0;
}

}  // namespace firekeeper::core
