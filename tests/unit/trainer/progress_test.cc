#include "client/cpp/examples/digits_trainer/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <sstream>
#include <string>

namespace firekeeper::digits {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Show(bool is_terminal, std::int64_t total, double loss = 0.5) {
  std::ostringstream out;
  ProgressLine line(out, is_terminal);
  for (std::int64_t done = 1; done <= total; ++done) {
    line.Advance(done, total, loss);
  }
  return out.str();
}

TEST(ProgressLineTest, ALogGetsALineForEveryTenth) {
  const std::string text = Show(/*is_terminal=*/false, 1'000);

  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 10);
  EXPECT_THAT(text, StartsWith("step 100 of 1000 (10 %), loss 0.5\n"));
  EXPECT_THAT(text, EndsWith("step 1000 of 1000 (100 %), loss 0.5\n"));
  EXPECT_EQ(text.find('\r'), std::string::npos);
}

TEST(ProgressLineTest, ATerminalGetsOneLineThatIsRedrawn) {
  const std::string text = Show(/*is_terminal=*/true, 1'000);

  EXPECT_EQ(std::count(text.begin(), text.end(), '\r'), 100);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_THAT(text, EndsWith("(100 %), loss 0.5\n"));
  EXPECT_THAT(text, HasSubstr("[===============               ] step 500 of"));
}

TEST(ProgressLineTest, AShortRunShowsEveryStep) {
  const std::string text = Show(/*is_terminal=*/false, 3);

  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
}

TEST(ProgressLineTest, ADivergedLossIsShownAsSuch) {
  EXPECT_THAT(Show(false, 1, std::numeric_limits<double>::quiet_NaN()),
              HasSubstr("loss nan"));
}

}  // namespace
}  // namespace firekeeper::digits
