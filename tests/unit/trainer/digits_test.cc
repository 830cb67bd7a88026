#include "client/cpp/examples/digits_trainer/digits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/digits_file.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::digits {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

// A line whose pixels are all `pixel`.
std::string Line(const std::string& pixel, const std::string& label) {
  std::string line;
  for (int i = 0; i < kPixels; ++i) line += pixel + ",";
  return line + label;
}

// A file of its own for each test, gone afterwards.
class DigitsFileTest : public ::testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }

  void WriteGzip(const std::string& text) const {
    auto* const file = gzopen(path_.c_str(), "wb");
    ASSERT_NE(file, nullptr);
    EXPECT_EQ(gzwrite(file, text.data(), static_cast<unsigned>(text.size())),
              static_cast<int>(text.size()));
    EXPECT_EQ(gzclose(file), Z_OK);
  }

  const std::string path_ =
      ::testing::TempDir() +
      ::testing::UnitTest::GetInstance()->current_test_info()->name() +
      ".csv.gz";
};

TEST(ParseDigitsTest, ReadsPixelsAndOneHotTargets) {
  const auto data = ParseDigits(Line("16", "3") + "\n" + Line("0", "9") + "\n");

  ASSERT_THAT(data, IsOk());
  ASSERT_EQ(data->size(), 2);
  EXPECT_TRUE(data->inputs.row(0).isApproxToConstant(16.0F));
  EXPECT_TRUE(data->inputs.row(1).isZero(0.0F));
  EXPECT_EQ(data->targets(0, 3), 1.0F);
  EXPECT_EQ(data->targets(1, 9), 1.0F);
  EXPECT_EQ(data->targets.sum(), 2.0F);
}

TEST(ParseDigitsTest, TheLastLineNeedsNoLineEnd) {
  const auto data = ParseDigits(Line("1", "0") + "\n" + Line("2", "1"));

  ASSERT_THAT(data, IsOk());
  EXPECT_EQ(data->size(), 2);
}

void ExpectRefused(const std::string& second_line, const std::string& reason) {
  EXPECT_THAT(ParseDigits(Line("1", "0") + "\n" + second_line + "\n"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("line 2: "), HasSubstr(reason))));
}

TEST(ParseDigitsTest, MalformedLinesAreNamed) {
  ExpectRefused("1,2,3", "has 3 fields; 65 are wanted");
  ExpectRefused("", "has 1 fields; 65 are wanted");
  ExpectRefused(Line("1", "0") + ",1", "has 66 fields");
}

TEST(ParseDigitsTest, MalformedFieldsAreNamed) {
  ExpectRefused(Line("17", "0"), "field 1: '17' is not a whole number from 0");
  ExpectRefused(Line("-1", "0"), "field 1: '-1' is not");
  ExpectRefused(Line("1", "10"),
                "field 65: '10' is not a whole number from 0 "
                "to 9");
  ExpectRefused(Line("1", "x"), "field 65: 'x' is not");
  ExpectRefused(Line("1", ""), "field 65: '' is not");
  ExpectRefused(Line("1.5", "0"), "field 1: '1.5' is not");
  ExpectRefused(Line("99999999999999999999", "0"), "field 1: '99999");
}

TEST(ParseDigitsTest, ATextWithoutLinesIsRefused) {
  EXPECT_THAT(ParseDigits(""), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("no lines")));
}

TEST_F(DigitsFileTest, GzippedAndPlainFilesReadTheSame) {
  const std::string text = Line("7", "7") + "\n";
  WriteGzip(text);
  const auto gzipped = LoadDigits(path_);
  std::ofstream(path_, std::ios::trunc) << text;
  const auto plain = LoadDigits(path_);

  ASSERT_THAT(gzipped, IsOk());
  ASSERT_THAT(plain, IsOk());
  EXPECT_EQ(gzipped->inputs, plain->inputs);
  EXPECT_EQ(gzipped->targets, plain->targets);
}

TEST_F(DigitsFileTest, AFileThatWasCutShortIsRefused) {
  std::string text;
  for (int i = 0; i < 200; ++i) {
    text += Line(std::to_string(i * 7 % 17), std::to_string(i % 10)) + "\n";
  }
  WriteGzip(text);
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 20);

  EXPECT_THAT(LoadDigits(path_), StatusIs(absl::StatusCode::kDataLoss,
                                          HasSubstr("cannot unpack")));
}

TEST_F(DigitsFileTest, ErrorsNameFileAndLine) {
  WriteGzip(Line("1", "0") + "\n" + Line("1", "a") + "\n");

  EXPECT_THAT(LoadDigits(path_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(path_), HasSubstr("line 2"))));
}

TEST_F(DigitsFileTest, AMissingFileIsNotFound) {
  EXPECT_THAT(
      LoadDigits(path_ + ".missing"),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("python3-sklearn")));
}

TEST_F(DigitsFileTest, AFileThatUnpacksTooLargeIsRefused) {
  WriteGzip(std::string((std::size_t{64} << 20U) + 1, '0'));

  EXPECT_THAT(LoadDigits(path_), StatusIs(absl::StatusCode::kResourceExhausted,
                                          HasSubstr("67108864 bytes")));
}

TEST(RealDigitsTest, AreTheOnesThatScikitLearnDescribes) {
  const std::string path = ::firekeeper::testing::DigitsFile();
  if (path.empty()) GTEST_SKIP() << "no digits: FIREKEEPER_DIGITS is not set";
  const auto data = LoadDigits(path);

  ASSERT_THAT(data, IsOk());
  EXPECT_EQ(data->size(), 1797);
  EXPECT_EQ(data->inputs.minCoeff(), 0.0F);
  EXPECT_EQ(data->inputs.maxCoeff(), 16.0F);
  Eigen::Matrix<float, 1, kClasses> counts;
  counts << 178, 182, 177, 183, 181, 182, 181, 179, 174, 180;
  EXPECT_EQ(data->targets.colwise().sum(), counts);
  EXPECT_NEAR(data->inputs.mean(), 4.884F, 1e-3F);
}

}  // namespace
}  // namespace firekeeper::digits
