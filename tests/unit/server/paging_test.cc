#include "server/query/paging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "server/errors.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::StatusIs;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(PageSizeTest, ZeroMeansOneHundred) {
  EXPECT_EQ(*PageSize(0, 1'000), 100U);
}

TEST(PageSizeTest, IsCutToTheMaximum) {
  EXPECT_EQ(*PageSize(999, 1'000), 999U);
  EXPECT_EQ(*PageSize(1'000, 1'000), 1'000U);
  EXPECT_EQ(*PageSize(1'001, 1'000), 1'000U);
  EXPECT_EQ(*PageSize(0, 10), 10U);
  EXPECT_EQ(*PageSize(std::numeric_limits<std::int32_t>::max(), 7), 7U);
}

TEST(PageSizeTest, RefusesANegativeOneAndNamesTheField) {
  const auto size = PageSize(-1, 1'000);

  EXPECT_THAT(size, StatusIs(kInvalid, HasSubstr("-1")));
  EXPECT_EQ(FieldOf(size.status()), "page_size");
}

TEST(PageTokenTest, CarriesAnyPositionBackToItsQuery) {
  for (const std::string& position :
       {std::string("digits-1"), std::string("a\0b\xff", 4), std::string()}) {
    EXPECT_EQ(*PagePosition(PageToken("query", position), "query"), position);
  }
}

TEST(PageTokenTest, NoTokenIsTheFirstPage) {
  EXPECT_EQ(*PagePosition("", "query"), "");
  EXPECT_EQ(*NumericPosition("", "query"), 0U);
}

TEST(PageTokenTest, IsRefusedByAnotherQuery) {
  const auto position = PagePosition(PageToken("query", "x"), "other");

  EXPECT_THAT(position, StatusIs(kInvalid, HasSubstr("another list")));
  EXPECT_EQ(FieldOf(position.status()), "page_token");
}

TEST(PageTokenTest, MalformedOnesAreRefusedAndNameTheField) {
  const std::string good = PageToken("query", "x");
  for (const std::string& token :
       {std::string("!"), std::string("AA"), good.substr(0, 5),
        std::string(10'000, 'A'), std::string("\0", 1), good + "%",
        "2" + good}) {
    const auto position = PagePosition(token, "query");
    EXPECT_EQ(position.status().code(), kInvalid) << token;
    EXPECT_EQ(FieldOf(position.status()), "page_token") << token;
  }
}

TEST(PageTokenTest, ANumberIsReadBackWhole) {
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();

  EXPECT_EQ(*NumericPosition(PageToken("q", std::to_string(kMost)), "q"),
            kMost);
}

TEST(PageTokenTest, WhatIsNoNumberIsRefused) {
  for (const char* text : {"x", "-1", "18446744073709551616", "1 x"}) {
    EXPECT_THAT(NumericPosition(PageToken("q", text), "q"),
                StatusIs(kInvalid, HasSubstr("page_token")))
        << text;
  }
}

}  // namespace
}  // namespace firekeeper::server
