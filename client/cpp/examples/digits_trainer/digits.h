// The 1,797 handwritten digits of the UCI test set that scikit-learn ships
// ("Optical Recognition of Handwritten Digits", Alpaydin and Kaynak 1998): 8 x
// 8 grey images with values from 0 to 16, and the digit they show.

#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "client/cpp/examples/trainer/dataset.h"

namespace firekeeper::digits {

inline constexpr int kImageWidth = 8;
inline constexpr int kPixels = kImageWidth * kImageWidth;
inline constexpr int kClasses = 10;
inline constexpr int kMaxPixelValue = 16;

// Where Debian's python3-sklearn puts them.
inline constexpr std::string_view kDefaultPath =
    "/usr/lib/python3/dist-packages/sklearn/datasets/data/digits.csv.gz";

// Reads comma-separated lines of 64 pixels and the digit, all whole numbers.
// Pixels are kept as they are, digits become one-hot targets. Fails with
// kInvalidArgument, naming the line and the field, on anything else, and on a
// text without lines.
[[nodiscard]] absl::StatusOr<trainer::Dataset<float>> ParseDigits(
    std::string_view csv);

// ParseDigits of a file, gzipped or plain. Fails with kNotFound if it cannot
// be opened, kDataLoss if it cannot be unpacked whole, and kResourceExhausted
// if more than 64 MiB come out of it.
[[nodiscard]] absl::StatusOr<trainer::Dataset<float>> LoadDigits(
    const std::string& path);

}  // namespace firekeeper::digits
