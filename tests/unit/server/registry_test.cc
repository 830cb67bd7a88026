#include "server/state/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/errors.h"
#include "tests/support/run_builders.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::AtSeconds;
using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::OpenOf;
using ::firekeeper::testing::SmallSettings;
using ::firekeeper::testing::StatusIs;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RegistryTest : public ::testing::Test {
 protected:
  std::shared_ptr<server::Run> Make(const std::string& tenant,
                                    const std::string& run_id) {
    auto run = registry_.FindOrCreate({.tenant = tenant, .run_id = run_id});
    EXPECT_THAT(run, IsOk());
    return run.ok() ? *run : nullptr;
  }

  // Opens its only source; returns where to count fences.
  std::shared_ptr<int> OpenOn(server::Run& run) {
    auto fenced = std::make_shared<int>(0);
    EXPECT_THAT(
        run.Open(
            OpenOf("a"), [fenced](const std::string& /*reason*/) { ++*fenced; },
            now_),
        IsOk());
    return fenced;
  }

  static std::vector<std::string> IdsOf(
      const std::vector<std::shared_ptr<server::Run>>& runs) {
    std::vector<std::string> ids;
    ids.reserve(runs.size());
    for (const auto& run : runs) ids.push_back(run->run_id());
    return ids;
  }

  bool Has(const std::string& run_id) {
    return registry_.Find({.tenant = "t", .run_id = run_id}).ok();
  }

  absl::Time now_ = AtSeconds(0);
  Registry registry_{Limits{.max_runs = 4}, SmallSettings(),
                     [this] { return now_; }};
};

TEST_F(RegistryTest, FindsWhatItCreated) {
  const auto run = Make("t", "a");

  EXPECT_EQ(Make("t", "a"), run);
  EXPECT_EQ(*registry_.Find({.tenant = "t", .run_id = "a"}), run);
}

TEST_F(RegistryTest, ARunThatIsNotThereIsNotFound) {
  EXPECT_THAT(registry_.Find({.tenant = "t", .run_id = "a"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"a\"")));
  EXPECT_THAT(registry_.Delete({.tenant = "t", .run_id = "a"}),
              StatusIs(absl::StatusCode::kNotFound, _));
}

TEST_F(RegistryTest, HoldsSoManyRunsAndNoMore) {
  for (const char* id : {"a", "b", "c", "d"}) Make("t", id);

  const auto refused = registry_.FindOrCreate({.tenant = "t", .run_id = "e"});

  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted,
                                HasSubstr("holds 4 runs")));
  EXPECT_EQ(FieldOf(refused.status()), "run_id");
  EXPECT_THAT(registry_.FindOrCreate({.tenant = "t", .run_id = "a"}), IsOk());
}

TEST_F(RegistryTest, TenantsDoNotSeeEachOther) {
  const auto mine = Make("t", "a");
  const auto theirs = Make("u", "a");

  EXPECT_NE(mine, theirs);
  EXPECT_THAT(registry_.List("t", "", 10), ElementsAre(mine));
  ASSERT_THAT(registry_.Delete({.tenant = "u", .run_id = "a"}), IsOk());
  EXPECT_TRUE(Has("a"));
}

TEST_F(RegistryTest, ListsRunsOfATenantInOrderPageByPage) {
  for (const char* id : {"c", "a", "b"}) Make("t", id);
  Make("u", "0");

  EXPECT_THAT(IdsOf(registry_.List("t", "", 2)), ElementsAre("a", "b"));
  EXPECT_THAT(IdsOf(registry_.List("t", "b", 2)), ElementsAre("c"));
  EXPECT_THAT(IdsOf(registry_.List("t", "c", 2)), IsEmpty());
  EXPECT_THAT(IdsOf(registry_.List("s", "", 2)), IsEmpty());
  EXPECT_THAT(registry_.All(), SizeIs(4));
}

TEST_F(RegistryTest, DropsARunThatNobodyOpened) {
  const auto run = Make("t", "a");

  registry_.DropIfUnused({.tenant = "t", .run_id = "a"});

  EXPECT_FALSE(Has("a"));
  EXPECT_EQ(ReasonOf(run->Open(OpenOf("a"), {}, now_).status()), "RUN_DELETED")
      << "whoever found it at the same time must look again";
}

TEST_F(RegistryTest, KeepsARunThatSomebodyOpened) {
  OpenOn(*Make("t", "a"));

  registry_.DropIfUnused({.tenant = "t", .run_id = "a"});
  registry_.DropIfUnused({.tenant = "t", .run_id = "b"});

  EXPECT_TRUE(Has("a"));
}

TEST_F(RegistryTest, DeleteFencesAndForgets) {
  const auto fenced = OpenOn(*Make("t", "a"));

  ASSERT_THAT(registry_.Delete({.tenant = "t", .run_id = "a"}), IsOk());

  EXPECT_EQ(*fenced, 1);
  EXPECT_FALSE(Has("a"));
}

TEST_F(RegistryTest, SweepForgetsEndedRunsAfterTheirTtl) {
  const auto run = Make("t", "a");
  const auto fenced = OpenOn(*run);
  run->End(now_);

  now_ = AtSeconds(3'600);
  registry_.Sweep();
  EXPECT_TRUE(Has("a"));
  now_ = AtSeconds(3'601);
  registry_.Sweep();

  EXPECT_FALSE(Has("a"));
  EXPECT_EQ(*fenced, 1);
}

TEST_F(RegistryTest, SweepForgetsSilentRunsAfterTheirTtl) {
  const auto run = Make("t", "a");
  const auto opened = run->Open(
      OpenOf("a"), [](const std::string& /*reason*/) {}, now_);
  ASSERT_THAT(opened, IsOk());
  run->Disconnect(opened->handle, now_);

  now_ = AtSeconds(86'400);
  registry_.Sweep();
  EXPECT_TRUE(Has("a"));
  now_ = AtSeconds(86'401);
  registry_.Sweep();

  EXPECT_FALSE(Has("a"));
}

// The machine slept, or its clock was set: the stream has lost nothing.
TEST_F(RegistryTest, SweepKeepsARunWithAnOpenStream) {
  const auto fenced = OpenOn(*Make("t", "a"));
  now_ += absl::Hours(72);

  registry_.Sweep();

  EXPECT_TRUE(Has("a"));
  EXPECT_EQ(*fenced, 0);
}

TEST_F(RegistryTest, SweepMakesRoomForOtherRuns) {
  for (const char* id : {"a", "b", "c", "d"}) Make("t", id)->End(now_);
  now_ = AtSeconds(4'000);

  registry_.Sweep();

  EXPECT_THAT(registry_.FindOrCreate({.tenant = "t", .run_id = "e"}), IsOk());
}

}  // namespace
}  // namespace firekeeper::server
