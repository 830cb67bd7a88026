#include "client/cpp/names.h"

#include <algorithm>

namespace firekeeper::client {

namespace {

constexpr std::size_t kMaxNameBytes = 255;
constexpr std::string_view kPunctuation = "_.:/@+=-";

// Not std::isalnum(): the locale must not decide.
bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9');
}

// Bytes of the sequence that `lead` begins; 0: none begins so.
std::size_t SequenceBytes(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

// Overlong forms, surrogates and what lies beyond U+10FFFF show in the second
// byte (Unicode 15, table 3-7).
bool IsAllowedSecond(unsigned char lead, unsigned char second) {
  switch (lead) {
    case 0xE0:
      return second >= 0xA0;
    case 0xED:
      return second <= 0x9F;
    case 0xF0:
      return second >= 0x90;
    case 0xF4:
      return second <= 0x8F;
    default:
      return true;
  }
}

}  // namespace

bool IsValidName(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes) return false;
  if (!IsAlphanumeric(name.front()) && name.front() != '_') return false;
  if (name.find("..") != std::string_view::npos) return false;
  if (name.find("//") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return IsAlphanumeric(c) || kPunctuation.find(c) != std::string_view::npos;
  });
}

bool IsValidUtf8(std::string_view text) {
  const auto byte = [text](std::size_t at) {
    return static_cast<unsigned char>(text[at]);
  };
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = SequenceBytes(byte(at));
    if (length == 0 || length > text.size() - at) return false;
    if (length > 1 && !IsAllowedSecond(byte(at), byte(at + 1))) return false;
    for (std::size_t i = 1; i < length; ++i) {
      if ((byte(at + i) & 0xC0) != 0x80) return false;
    }
    at += length;
  }
  return true;
}

}  // namespace firekeeper::client
