#include "server/ingest/ack_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::StatusIs;
using ::testing::HasSubstr;

constexpr std::uint64_t kWindow = 1'000;

class AckLedgerTest : public ::testing::Test {
 protected:
  AckLedgerTest() { ledger_.Begin(0, 0); }

  AckLedger ledger_{kWindow};
};

TEST_F(AckLedgerTest, WhatIsAcceptedIsDurableOnceItsTicketIsCommitted) {
  ledger_.Accept(1, 10, 0);
  ledger_.Accept(2, 11, 0);

  EXPECT_EQ(ledger_.Marks(9).durable_seq, 0U);
  EXPECT_EQ(ledger_.Marks(10).durable_seq, 1U);
  EXPECT_EQ(ledger_.Marks(11).durable_seq, 2U);
  EXPECT_EQ(ledger_.Marks(11).accepted_seq, 2U);
}

TEST_F(AckLedgerTest, WhatIsKeptNowhereIsDurableAtOnce) {
  ledger_.Accept(1, 0, 500);

  EXPECT_TRUE(ledger_.IsDurable(0));
  EXPECT_EQ(ledger_.Marks(0).durable_seq, 1U);
}

TEST_F(AckLedgerTest, CreditGrowsWithWhatIsReceivedAndNoLongerHeld) {
  ASSERT_THAT(ledger_.Receive(600), IsOk());
  ledger_.Accept(1, 5, 400);

  EXPECT_EQ(ledger_.Marks(4).credit_bytes, 600U + kWindow - 400U);
  EXPECT_EQ(ledger_.Marks(5).credit_bytes, 600U + kWindow);
}

TEST_F(AckLedgerTest, CreditNeverShrinks) {
  ASSERT_THAT(ledger_.Receive(10), IsOk());
  ledger_.Accept(1, 5, 5'000);

  EXPECT_EQ(ledger_.Marks(4).credit_bytes, kWindow);
}

TEST_F(AckLedgerTest, RefusesWhatPassesTheCredit) {
  ASSERT_THAT(ledger_.Receive(kWindow), IsOk());

  EXPECT_THAT(ledger_.Receive(1),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("1001 bytes were sent; the credit is 1000")));
}

TEST_F(AckLedgerTest, TellsNewsOnce) {
  ledger_.Accept(1, 5, 0);

  ASSERT_TRUE(ledger_.News(5).has_value());
  EXPECT_FALSE(ledger_.News(5).has_value());
}

TEST_F(AckLedgerTest, WhatWasGivenIsNoNews) {
  ledger_.Accept(1, 5, 0);
  ledger_.Marks(5);

  EXPECT_FALSE(ledger_.News(6).has_value());
}

TEST_F(AckLedgerTest, AStreamThatComesBackWaitsForWhatItsPredecessorSent) {
  AckLedger again(kWindow);
  again.Begin(7, 3);
  again.Accept(7, 20, 0);

  EXPECT_FALSE(again.IsDurable(19));
  EXPECT_EQ(again.Marks(19).durable_seq, 3U);
  EXPECT_EQ(again.Marks(20).durable_seq, 7U);
}

}  // namespace
}  // namespace firekeeper::server
