#include "client/cpp/cli/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "client/cpp/tensor_encoding.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::client::cli {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A file as numpy.save() writes it, whatever the header says.
std::string NpyFile(const std::string& header, const std::string& data,
                    char major = 1) {
  std::string file = "\x93NUMPY";
  file += major;
  file += '\0';
  file += static_cast<char>(header.size() & 0xFFU);
  file += static_cast<char>(header.size() >> 8U & 0xFFU);
  if (major == 2) file += std::string(2, '\0');
  return file + header + data;
}

std::string FloatBytes(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

constexpr const char* kHeader =
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }     \n";
const std::vector<float> kValues = {1, 2, 3, 4, 5, 6};

// The values in row-major order, whatever the memory's.
std::vector<float> RowMajor(const NpyArray& array) {
  const auto view = ViewOf(array, 1, 0);
  EXPECT_THAT(view, IsOk());
  const std::string data = EncodeTensor(*view, true).data();
  std::vector<float> values(data.size() / sizeof(float));
  std::memcpy(values.data(), data.data(), data.size());
  return values;
}

TEST(NpyTest, ReadsAMatrixInCOrder) {
  const auto array = ParseNpy(NpyFile(kHeader, FloatBytes(kValues)));

  ASSERT_THAT(array, IsOk());
  EXPECT_EQ(array->dtype, core::DataType::kF32);
  EXPECT_THAT(array->shape, ElementsAre(2, 3));
  EXPECT_EQ(RowMajor(*array), kValues);
}

TEST(NpyTest, ReadsAMatrixInFortranOrder) {
  const auto array = ParseNpy(
      NpyFile("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n",
              FloatBytes({1, 4, 2, 5, 3, 6})));

  ASSERT_THAT(array, IsOk());
  EXPECT_EQ(RowMajor(*array), kValues);
}

TEST(NpyTest, ReadsVersionTwo) {
  EXPECT_THAT(ParseNpy(NpyFile(kHeader, FloatBytes(kValues), 2)), IsOk());
}

TEST(NpyTest, ReadsEveryWidthOfFloat) {
  const auto header = [](const std::string& descr) {
    return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (4,)}";
  };

  const auto half = ParseNpy(NpyFile(header("<f2"), std::string(8, '\0')));
  const auto twice = ParseNpy(NpyFile(header("<f8"), std::string(32, '\0')));

  ASSERT_THAT(half, IsOk());
  ASSERT_THAT(twice, IsOk());
  EXPECT_EQ(half->dtype, core::DataType::kF16);
  EXPECT_EQ(twice->dtype, core::DataType::kF64);
  EXPECT_THAT(half->shape, ElementsAre(4));
}

TEST(NpyTest, ReadsKeysInAnyOrderAndAnyQuotes) {
  EXPECT_THAT(ParseNpy(NpyFile(
                  "{\"shape\":(2,3),\"descr\":\"<f4\",\"fortran_order\":False}",
                  FloatBytes(kValues))),
              IsOk());
}

TEST(NpyTest, ReadsAnEmptyArray) {
  const auto array = ParseNpy(
      NpyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3)}", ""));

  ASSERT_THAT(array, IsOk());
  EXPECT_TRUE(array->data.empty());
}

struct BadFile {
  std::string bytes;
  std::string says;
};

class BadNpyTest : public ::testing::TestWithParam<BadFile> {};

TEST_P(BadNpyTest, IsRefusedWithAReason) {
  EXPECT_THAT(
      ParseNpy(GetParam().bytes),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().says)));
}

std::string WithHeader(const std::string& header) {
  return NpyFile(header, FloatBytes(kValues));
}

std::string WithShape(const std::string& shape) {
  return WithHeader(
      "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + "}");
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadNpyTest,
    ::testing::Values(
        BadFile{"", "does not begin"}, BadFile{"\x93NUMPY", "does not begin"},
        BadFile{"PK\x03\x04 a zip of arrays", "does not begin"},
        BadFile{NpyFile(kHeader, FloatBytes(kValues), 3), "version 3.0"},
        BadFile{std::string("\x93NUMPY\x02\0\x10\0", 10), "cut off"},
        BadFile{std::string("\x93NUMPY\x02\0\xFF\xFF\xFF\xFF", 12), "too long"},
        BadFile{std::string("\x93NUMPY\x01\0\x76\0{'descr'", 18), "cut off"},
        BadFile{WithHeader(""), "header"}, BadFile{WithHeader("{}"), "header"},
        BadFile{WithHeader("{'descr': '<f4', 'shape': (2, 3)}"), "header"},
        BadFile{WithHeader("{'descr': '<f4', 'descr': '<f4', "
                           "'fortran_order': False, 'shape': (2, 3)}"),
                "header"},
        BadFile{
            WithHeader("{'descr': '<f4', 'fortran_order': 0, 'shape': (6,)}"),
            "header"},
        BadFile{WithHeader("{'descr': '<f4', 'fortran_order': False, "
                           "'shape': (6,), 'more': 'x'}"),
                "header"},
        BadFile{WithHeader(std::string(kHeader) + "junk"), "header"},
        BadFile{WithHeader("{'descr': '<f4"), "header"},
        BadFile{WithShape("(2, -3)"), "header"},
        BadFile{WithShape("(2, x)"), "header"},
        BadFile{WithShape("(2 3)"), "header"},
        BadFile{WithShape("(99999999999999999999,)"), "header"},
        BadFile{WithShape("(1,1,1,1,1,1,1,1,6)"), "8 axes"},
        BadFile{WithShape("()"), "scalar"},
        BadFile{WithShape("(2, 4)"), "24 bytes"},
        BadFile{WithShape("(2,)"), "24 bytes"},
        BadFile{WithShape("(4611686018427387904, 4)"), ""},
        BadFile{NpyFile("{'descr': '>f4', 'fortran_order': False, 'shape': "
                        "(6,)}",
                        FloatBytes(kValues)),
                "dtype >f4"},
        BadFile{NpyFile("{'descr': '<i4', 'fortran_order': False, 'shape': "
                        "(6,)}",
                        FloatBytes(kValues)),
                "dtype <i4"}));

TEST(NpyTest, EveryTruncationIsRefused) {
  const std::string file = NpyFile(kHeader, FloatBytes(kValues));

  for (std::size_t length = 0; length < file.size(); ++length) {
    EXPECT_FALSE(ParseNpy(file.substr(0, length)).ok()) << length;
  }
  EXPECT_FALSE(ParseNpy(file + "x").ok());
}

TEST(NpyTest, AFileThatIsNotThereIsNotFound) {
  EXPECT_THAT(ReadNpy("/does/not/exist.npy"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("exist.npy")));
}

}  // namespace
}  // namespace firekeeper::client::cli
