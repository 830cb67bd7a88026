// What a frame recognises.

#include "server/store/row_frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::StatusIs;
using ::testing::HasSubstr;

constexpr RowPlace kPlace = {.table = Table::kWindow, .run = 7, .key = "key"};
constexpr std::string_view kPayload = "a payload of some bytes";

TEST(RowFrameTest, GivesBackWhatWasFramed) {
  const std::string stored = FrameRow(kPlace, kPayload);

  const auto row = UnframeRow(kPlace, stored);

  ASSERT_THAT(row, IsOk());
  EXPECT_EQ(row->payload, kPayload);
  EXPECT_EQ(row->version, kRowVersion);
  EXPECT_EQ(stored.size(), kRowFrameBytes + kPayload.size());
}

TEST(RowFrameTest, AnEmptyPayloadIsARow) {
  const std::string stored = FrameRow({}, {});

  const auto row = UnframeRow({}, stored);

  ASSERT_THAT(row, IsOk());
  EXPECT_EQ(row->payload, "");
}

TEST(RowFrameTest, StaysTheSameBytes) {
  EXPECT_EQ(FrameRow(kPlace, "ab"),
            std::string("\x01\xB2\x95\x9C\x7D", 5) + "ab")
      << "rows on disk would no longer be readable";
}

TEST(RowFrameTest, RecognisesEveryFlippedBit) {
  const std::string stored = FrameRow(kPlace, kPayload);
  for (std::size_t bit = 0; bit < stored.size() * 8; ++bit) {
    std::string flipped = stored;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);

    EXPECT_THAT(UnframeRow(kPlace, flipped),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("checksum")))
        << bit;
  }
}

TEST(RowFrameTest, RecognisesEveryTruncation) {
  const std::string stored = FrameRow(kPlace, kPayload);
  for (std::size_t size = 0; size < stored.size(); ++size) {
    EXPECT_THAT(UnframeRow(kPlace, stored.substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("row")))
        << size;
  }
  EXPECT_THAT(UnframeRow(kPlace, "abc"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("3 bytes")));
}

TEST(RowFrameTest, RecognisesTheRowOfAnotherPlace) {
  const std::string stored = FrameRow(kPlace, kPayload);
  for (const RowPlace& other :
       {RowPlace{.table = Table::kUnits, .run = 7, .key = "key"},
        RowPlace{.table = Table::kWindow, .run = 8, .key = "key"},
        RowPlace{.table = Table::kWindow, .run = 7, .key = "kez"},
        RowPlace{.table = Table::kWindow, .run = 7, .key = ""}}) {
    EXPECT_THAT(UnframeRow(other, stored),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("checksum")));
  }
}

TEST(RowFrameTest, ByteCannotWanderFromKeyToPayload) {
  const RowPlace longer = {.table = Table::kWindow, .run = 7, .key = "key\x01"};
  const std::string stored = FrameRow(longer, "payload");

  EXPECT_THAT(UnframeRow(kPlace, stored),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("checksum")));
}

TEST(RowFrameTest, ReadsThePreviousVersionAndSaysSo) {
  const std::string stored = FrameRow(kPlace, kPayload, 3);

  const auto row = UnframeRow(kPlace, stored, {.oldest = 3, .newest = 4});

  ASSERT_THAT(row, IsOk());
  EXPECT_EQ(row->version, 3);
  EXPECT_EQ(row->payload, kPayload);
}

TEST(RowFrameTest, RefusesAVersionThatIsTooOld) {
  const std::string stored = FrameRow(kPlace, kPayload, 2);

  EXPECT_THAT(UnframeRow(kPlace, stored, {.oldest = 3, .newest = 4}),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("version 2; this release reads 3 to 4")));
}

TEST(RowFrameTest, RefusesTheVersionOfALaterRelease) {
  const std::string stored =
      FrameRow(kPlace, kPayload, std::uint8_t{kRowVersion + 1});

  EXPECT_THAT(UnframeRow(kPlace, stored),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("version 2")));
}

}  // namespace
}  // namespace firekeeper::server
