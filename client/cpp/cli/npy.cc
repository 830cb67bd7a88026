#include "client/cpp/cli/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"

namespace firekeeper::client::cli {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
// numpy writes some hundred bytes; more is no header.
constexpr std::size_t kMaxHeaderBytes = std::size_t{1} << 16;

absl::Status Malformed(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("no .npy file: ", what));
}

// Reads the header: a Python dictionary with exactly three known keys. Every
// method skips blanks first, and returns false, having taken an unknown part,
// where something else comes.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : text_(text) {}

  bool Take(char wanted) {
    SkipBlanks();
    if (text_.empty() || text_.front() != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }

  bool TakeString(std::string* value) {
    SkipBlanks();
    if (text_.empty()) return false;
    const char quote = text_.front();
    if (quote != '\'' && quote != '"') return false;
    const std::size_t end = text_.find(quote, 1);
    if (end == std::string_view::npos) return false;
    *value = std::string(text_.substr(1, end - 1));
    text_.remove_prefix(end + 1);
    return true;
  }

  bool TakeWord(std::string_view word) {
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }

  bool TakeBool(bool* value) {
    SkipBlanks();
    *value = text_.starts_with("True");
    return TakeWord(*value ? "True" : "False");
  }

  bool TakeLength(std::int64_t* value) {
    SkipBlanks();
    const char* const end = text_.data() + text_.size();
    const auto parsed = std::from_chars(text_.data(), end, *value);
    if (parsed.ec != std::errc() || *value < 0) return false;
    text_.remove_prefix(static_cast<std::size_t>(parsed.ptr - text_.data()));
    return true;
  }

  // "(3, 4)", "(3,)" or "()".
  bool TakeShape(std::vector<std::int64_t>* shape) {
    if (!Take('(')) return false;
    while (!Take(')')) {
      if (!TakeLength(&shape->emplace_back())) return false;
      if (shape->size() > core::kMaxRank) return false;
      if (!Take(',')) return Take(')');
    }
    return true;
  }

  bool AtEnd() {
    SkipBlanks();
    return text_.empty();
  }

 private:
  void SkipBlanks() {
    const std::size_t first = text_.find_first_not_of(" \t\n");
    text_.remove_prefix(std::min(first, text_.size()));
  }

  std::string_view text_;
};

struct Header {
  std::string descr;
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
};

bool TakeEntry(HeaderReader& reader, Header* header, int* seen) {
  std::string key;
  if (!reader.TakeString(&key) || !reader.Take(':')) return false;
  int bit = 0;
  bool ok = false;
  if (key == "descr") {
    bit = 1;
    ok = reader.TakeString(&header->descr);
  } else if (key == "fortran_order") {
    bit = 2;
    ok = reader.TakeBool(&header->fortran_order);
  } else if (key == "shape") {
    bit = 4;
    ok = reader.TakeShape(&header->shape);
  }
  if (!ok || (*seen & bit) != 0) return false;
  *seen |= bit;
  return true;
}

absl::StatusOr<Header> ParseHeader(std::string_view text) {
  HeaderReader reader(text);
  Header header;
  int seen = 0;
  bool ok = reader.Take('{');
  while (ok && !reader.Take('}')) {
    ok = TakeEntry(reader, &header, &seen);
    if (ok && !reader.Take(',')) {
      ok = reader.Take('}');
      break;
    }
  }
  if (!ok || seen != 7 || !reader.AtEnd()) {
    return Malformed("its header is not numpy's, or has more than 8 axes");
  }
  return header;
}

absl::StatusOr<core::DataType> DataTypeOf(const std::string& descr) {
  if (descr == "<f8") return core::DataType::kF64;
  if (descr == "<f4") return core::DataType::kF32;
  if (descr == "<f2") return core::DataType::kF16;
  return absl::InvalidArgumentError(absl::StrCat(
      "dtype ", descr, " is not supported; convert to <f2, <f4 or <f8"));
}

// Where the header is: offset and length.
absl::StatusOr<std::pair<std::size_t, std::size_t>> LocateHeader(
    std::string_view bytes) {
  if (bytes.substr(0, kMagic.size()) != kMagic || bytes.size() < 10) {
    return Malformed("it does not begin with \\x93NUMPY and a version");
  }
  const auto byte = [bytes](std::size_t at) {
    return std::size_t{static_cast<unsigned char>(bytes[at])};
  };
  const std::size_t major = byte(6);
  if ((major != 1 && major != 2) || byte(7) != 0) {
    return Malformed(absl::StrCat("version ", major, ".", byte(7),
                                  "; 1.0 and 2.0 are supported"));
  }
  const std::size_t offset = major == 1 ? 10 : 12;
  if (bytes.size() < offset) return Malformed("it is cut off");
  std::size_t length = byte(8) | byte(9) << 8U;
  if (major == 2) length |= byte(10) << 16U | byte(11) << 24U;
  if (length > kMaxHeaderBytes || length > bytes.size() - offset) {
    return Malformed(absl::StrCat("its header of ", length,
                                  " bytes is too long or cut off"));
  }
  return std::pair{offset, length};
}

}  // namespace

absl::StatusOr<NpyArray> ParseNpy(const std::string& bytes) {
  const std::string_view view(bytes);
  const auto place = LocateHeader(view);
  if (!place.ok()) return place.status();
  const auto header = ParseHeader(view.substr(place->first, place->second));
  if (!header.ok()) return header.status();
  const auto dtype = DataTypeOf(header->descr);
  if (!dtype.ok()) return dtype.status();
  if (header->shape.empty()) {
    return absl::InvalidArgumentError("a scalar has no unit axis");
  }
  // Checks the product for overflow, too.
  const auto layout =
      core::TensorLayout::Create(*dtype, header->shape, 0, std::nullopt);
  if (!layout.ok()) return layout.status();
  const std::string_view data = view.substr(place->first + place->second);
  if (data.size() != static_cast<std::size_t>(layout->byte_size())) {
    return Malformed(absl::StrCat("it has ", data.size(),
                                  " bytes of data; its shape needs ",
                                  layout->byte_size()));
  }
  NpyArray array{.dtype = *dtype,
                 .fortran_order = header->fortran_order,
                 .shape = header->shape,
                 .data = std::vector<std::byte>(data.size())};
  if (!data.empty()) {
    std::memcpy(array.data.data(), data.data(), data.size());
  }
  return array;
}

absl::StatusOr<NpyArray> ReadNpy(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  if (file) bytes << file.rdbuf();
  if (!file.is_open()) {
    return absl::NotFoundError(absl::StrCat("cannot read ", path));
  }
  return ParseNpy(bytes.str());
}

absl::StatusOr<core::TensorView> ViewOf(const NpyArray& array, int unit_axis,
                                        std::optional<int> cluster_axis) {
  const auto layout = core::TensorLayout::Create(array.dtype, array.shape,
                                                 unit_axis, cluster_axis);
  if (!layout.ok()) return layout.status();
  core::TensorView view{.layout = *layout, .data = array.data.data()};
  if (array.fortran_order) {
    view.is_dense = false;
    auto stride = static_cast<std::int64_t>(core::SizeOf(array.dtype));
    for (std::size_t axis = 0; axis < array.shape.size(); ++axis) {
      view.strides.at(axis) = stride;
      stride *= array.shape[axis];
    }
  }
  return view;
}

}  // namespace firekeeper::client::cli
