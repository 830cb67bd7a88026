#include "client/cpp/examples/digits_trainer/digits.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <memory>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace firekeeper::digits {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{64} << 20U;

struct Digit {
  std::array<float, kPixels> pixels;
  int label;
};

absl::Status LineError(std::size_t line, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", what));
}

absl::StatusOr<int> ParseField(std::string_view field, int max) {
  int value = 0;
  const char* const end = field.data() + field.size();
  const auto [stop, error] = std::from_chars(field.data(), end, value);
  if (error != std::errc() || stop != end || value < 0 || value > max) {
    // The field is cut short: it may be a megabyte of something else.
    return absl::InvalidArgumentError(
        absl::StrCat("'", std::string(field.substr(0, 20)),
                     "' is not a whole number from 0 to ", max));
  }
  return value;
}

// Takes off and returns what stands before the next `separator`.
std::string_view TakeUntil(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return taken;
}

absl::StatusOr<Digit> ParseLine(std::string_view text, std::size_t line) {
  constexpr int kFields = kPixels + 1;
  const auto fields = 1 + std::count(text.begin(), text.end(), ',');
  if (fields != kFields) {
    return LineError(line, absl::StrCat("has ", fields, " fields; ", kFields,
                                        " are wanted"));
  }
  Digit digit{};
  for (int i = 0; i < kFields; ++i) {
    const bool is_label = i == kPixels;
    const auto value = ParseField(TakeUntil(text, ','),
                                  is_label ? kClasses - 1 : kMaxPixelValue);
    if (!value.ok()) {
      return LineError(
          line, absl::StrCat("field ", i + 1, ": ", value.status().message()));
    }
    if (is_label) {
      digit.label = *value;
    } else {
      digit.pixels[static_cast<std::size_t>(i)] = static_cast<float>(*value);
    }
  }
  return digit;
}

trainer::Dataset<float> ToDataset(const std::vector<Digit>& digits) {
  const auto rows = static_cast<Eigen::Index>(digits.size());
  trainer::Dataset<float> data{
      .inputs = trainer::Matrix<float>(rows, kPixels),
      .targets = trainer::Matrix<float>::Zero(rows, kClasses)};
  for (Eigen::Index row = 0; row < rows; ++row) {
    const Digit& digit = digits[static_cast<std::size_t>(row)];
    data.inputs.row(row) =
        Eigen::Map<const Eigen::RowVectorXf>(digit.pixels.data(), kPixels);
    data.targets(row, digit.label) = 1.0F;
  }
  return data;
}

struct GzipCloser {
  void operator()(gzFile file) const { gzclose_r(file); }
};

absl::StatusOr<std::string> ReadGzip(const std::string& path) {
  const std::unique_ptr<gzFile_s, GzipCloser> file(gzopen(path.c_str(), "rb"));
  if (file == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("cannot open '", path,
                     "'; Debian's python3-sklearn ships digits.csv.gz"));
  }
  std::string text;
  std::vector<char> buffer(std::size_t{64} << 10U);
  int read = 0;
  while ((read = gzread(file.get(), buffer.data(),
                        static_cast<unsigned>(buffer.size()))) > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(read));
    if (text.size() > kMaxTextBytes) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "'", path, "' unpacks to more than ", kMaxTextBytes, " bytes"));
    }
  }
  // A file that was cut short reads as if it ended; only the error tells.
  int error = Z_OK;
  const char* const message = gzerror(file.get(), &error);
  if (read < 0 || (error != Z_OK && error != Z_STREAM_END)) {
    return absl::DataLossError(
        absl::StrCat("cannot unpack '", path, "': ", message));
  }
  return text;
}

}  // namespace

absl::StatusOr<trainer::Dataset<float>> ParseDigits(std::string_view csv) {
  std::vector<Digit> digits;
  for (std::size_t line = 1; !csv.empty(); ++line) {
    const auto digit = ParseLine(TakeUntil(csv, '\n'), line);
    if (!digit.ok()) return digit.status();
    digits.push_back(*digit);
  }
  if (digits.empty()) return absl::InvalidArgumentError("there are no lines");
  return ToDataset(digits);
}

absl::StatusOr<trainer::Dataset<float>> LoadDigits(const std::string& path) {
  const auto text = ReadGzip(path);
  if (!text.ok()) return text.status();
  auto data = ParseDigits(*text);
  if (!data.ok()) {
    return absl::Status(data.status().code(),
                        absl::StrCat(path, ", ", data.status().message()));
  }
  return data;
}

}  // namespace firekeeper::digits
