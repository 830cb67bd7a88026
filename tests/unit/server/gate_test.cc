#include "server/security/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/errors.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kUnauthenticated = absl::StatusCode::kUnauthenticated;

Gate GateOf(const std::string& content) {
  auto gate = Gate::Parse(content);
  EXPECT_THAT(gate, IsOk());
  return *std::move(gate);
}

std::string TenantOf(const Gate& gate, const std::string& authorization) {
  const auto tenant = gate.TenantOf(authorization);
  EXPECT_THAT(tenant, IsOk());
  return tenant.value_or("");
}

TEST(GateTest, WithoutTokensEveryoneIsTheDefaultTenant) {
  const Gate gate;

  EXPECT_FALSE(gate.requires_token());
  EXPECT_EQ(TenantOf(gate, ""), kDefaultTenant);
  EXPECT_EQ(TenantOf(gate, "Bearer anything"), kDefaultTenant);
}

TEST(GateTest, ATokenBelongsToItsTenant) {
  const Gate gate = GateOf("alpha-token red\nbeta-token blue\n");

  EXPECT_EQ(TenantOf(gate, "Bearer alpha-token"), "red");
  EXPECT_EQ(TenantOf(gate, "Bearer beta-token"), "blue");
  EXPECT_EQ(TenantOf(gate, "bearer beta-token"), "blue") << "RFC 9110, 11.1";
}

TEST(GateTest, SeveralTokensMayShareATenant) {
  const Gate gate = GateOf("old red\nnew red\n");

  EXPECT_EQ(TenantOf(gate, "Bearer old"), "red");
  EXPECT_EQ(TenantOf(gate, "Bearer new"), "red");
}

TEST(GateTest, ReadsPastCommentsBlanksAndCarriageReturns) {
  const Gate gate = GateOf("# tokens\r\n\r\n   # more\n\t alpha   red \r\n\n");

  EXPECT_EQ(TenantOf(gate, "Bearer alpha"), "red");
}

TEST(GateTest, RefusesAMissingToken) {
  const Gate gate = GateOf("alpha red\n");

  const auto tenant = gate.TenantOf(std::string());

  EXPECT_THAT(tenant, StatusIs(kUnauthenticated, HasSubstr("Bearer TOKEN")));
  EXPECT_EQ(ReasonOf(tenant.status()), "TOKEN_MISSING");
}

TEST(GateTest, RefusesEverythingButTheExactToken) {
  const Gate gate = GateOf("alpha red\n");

  for (const char* token : {"alph", "alphaa", "ALPHA", "alpha ", " alpha", "",
                            "red", "alpha red"}) {
    const auto tenant = gate.TenantOf(std::string("Bearer ") + token);
    EXPECT_THAT(tenant, StatusIs(kUnauthenticated, HasSubstr("not known")))
        << token;
    EXPECT_EQ(ReasonOf(tenant.status()), "TOKEN_UNKNOWN");
  }
  EXPECT_THAT(gate.TenantOf(std::string("Bearer alpha\0", 13)),
              StatusIs(kUnauthenticated, HasSubstr("not known")));
}

TEST(GateTest, RefusesAnotherScheme) {
  const Gate gate = GateOf("alpha red\n");

  for (const char* value : {"alpha", "Basic alpha", "Bearer", "Bearer:alpha"}) {
    EXPECT_THAT(gate.TenantOf(std::string(value)),
                StatusIs(kUnauthenticated, HasSubstr("Bearer TOKEN")))
        << value;
  }
}

TEST(GateTest, NoMessageHoldsTheToken) {
  const Gate gate = GateOf("alpha red\n");

  EXPECT_THAT(gate.TenantOf("Bearer SECRET"),
              StatusIs(kUnauthenticated, Not(HasSubstr("SECRET"))));
  EXPECT_THAT(Gate::Parse("SECRET\n"),
              StatusIs(kInvalid, Not(HasSubstr("SECRET"))));
  EXPECT_THAT(Gate::Parse("SECRET a\nSECRET b\n"),
              StatusIs(kInvalid, Not(HasSubstr("SECRET"))));
}

TEST(GateTest, RefusesMalformedFilesAndNamesTheLine) {
  EXPECT_THAT(Gate::Parse("a red\n\nb\n"),
              StatusIs(kInvalid, HasSubstr("line 3")));
  EXPECT_THAT(Gate::Parse("a red extra\n"),
              StatusIs(kInvalid, HasSubstr("line 1")));
  EXPECT_THAT(Gate::Parse("a ../etc\n"),
              StatusIs(kInvalid,
                       AllOf(HasSubstr("line 1"), HasSubstr("name pattern"))));
  EXPECT_THAT(Gate::Parse("a red\na blue\n"),
              StatusIs(kInvalid, HasSubstr("line 2")));
}

TEST(GateTest, AFileWithoutATokenIsNoOpenDoor) {
  EXPECT_THAT(Gate::Parse(""), StatusIs(kInvalid, HasSubstr("no token")));
  EXPECT_THAT(Gate::Parse("# nothing\n"),
              StatusIs(kInvalid, HasSubstr("no token")));
}

TEST(GateTest, AnUnreadableFileIsAnError) {
  EXPECT_THAT(
      Gate::FromFile("no/such/file"),
      StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("no/such/file")));
}

}  // namespace
}  // namespace firekeeper::server
