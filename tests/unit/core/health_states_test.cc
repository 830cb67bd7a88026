// Every state beside silence and death: where it holds, and where it almost
// does.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "core/health.h"
#include "tests/unit/core/evidence_builder.h"

namespace firekeeper::core {
namespace {

using ::firekeeper::testing::EvidenceBuilder;
using enum HealthState;

constexpr std::uint64_t kMany = 10000;

UnitHealth JudgeFirst(const LayerEvidence& evidence) {
  return EvaluateHealth(evidence, 4, {}).units.at(0);
}

bool Holds(const UnitHealth& unit, HealthState state) {
  return unit.state == state || unit.also.Has(state);
}

// One unit that fires on `per_window` of kMany examples in each of 16 windows.
EvidenceBuilder Firing(std::uint64_t per_window) {
  EvidenceBuilder evidence(1);
  for (std::int64_t window = 0; window < 16; ++window) {
    evidence.Window(kMany, kMany).Fire(0, 10 * window, per_window);
  }
  return evidence;
}

TEST(HealthStatesTest, AUnitThatSurelyFiresOnLessThanTwoPercentIsRare) {
  EXPECT_EQ(JudgeFirst(Firing(100).Build()).state, kRare);
  EXPECT_EQ(JudgeFirst(Firing(195).Build()).state, kAlive)
      << "1.95 % could be 2 %";
  EXPECT_TRUE(Holds(JudgeFirst(Firing(100).Build()), kAlive));
}

// Whatever the sample, one in a hundred is no death.
TEST(HealthStatesTest, AUnitThatFiresOnOnePercentIsNeverDead) {
  std::uint64_t firings = 0;
  for (std::uint64_t n = 50; n < 20'000'000; n *= 3) {
    EvidenceBuilder evidence(1);
    for (std::int64_t window = 0; window < 8; ++window) {
      evidence.Window(n, n);
      firings = n / 100;
      if (firings > 0) evidence.Fire(0, 10 * window, firings);
    }
    const HealthState state = JudgeFirst(evidence.Build()).state;
    EXPECT_TRUE(state == kSilent || state == kRare || state == kAlive)
        << n << ": " << Name(state);
  }
}

// From `before` to `now` firings in 10,000 in the newer half of the horizon.
HealthState StateAfterFall(std::uint64_t before, std::uint64_t now) {
  EvidenceBuilder evidence(1);
  for (std::int64_t window = 0; window < 16; ++window) {
    evidence.Window(kMany, kMany)
        .Fire(0, 10 * window, window < 12 ? before : now);
  }
  return JudgeFirst(evidence.Build()).state;
}

TEST(HealthStatesTest, AUnitWhoseRateFellBelowATenthIsDying) {
  EXPECT_EQ(StateAfterFall(5000, 300), kDying);
  EXPECT_EQ(StateAfterFall(5000, 490), kAlive) << "could be a tenth";
  EXPECT_EQ(StateAfterFall(5000, 5000), kAlive);
}

TEST(HealthStatesTest, AUnitThatFellSilentWithinTheHorizonIsDying) {
  EvidenceBuilder evidence(1);
  for (std::int64_t window = 0; window < 16; ++window) {
    evidence.Window(100, 100);
    if (window < 12) evidence.Fire(0, 10 * window, 90);
  }

  EXPECT_EQ(JudgeFirst(evidence.Build()).state, kDying);
}

TEST(HealthStatesTest, AFallOnAMissingShardIsNoDying) {
  EvidenceBuilder evidence(1);
  for (std::int64_t window = 0; window < 16; ++window) {
    evidence.Window(kMany, kMany)
        .Fire(0, 10 * window, window < 12 ? 5000 : 100);
  }
  evidence.Received(1, 2);

  EXPECT_FALSE(Holds(JudgeFirst(evidence.Build()), kDying));
}

LayerEvidence LinearEvidence(const EvidenceBuilder& builder, Activation kind) {
  LayerEvidence evidence = builder.Build();
  evidence.activation.kind = kind;
  return evidence;
}

TEST(HealthStatesTest, AUnitThatIsAlwaysOnIsLinearisedLikeItWouldBeDead) {
  EvidenceBuilder evidence = Firing(kMany);
  evidence.Linear(0, 0, Trace::kLinearHigh);

  EXPECT_EQ(JudgeFirst(evidence.Build()).state, kLinearised);
}

TEST(HealthStatesTest, AShortTimeOfBeingOnProvesNothing) {
  EvidenceBuilder evidence = Firing(kMany);
  evidence.Linear(0, 150, Trace::kLinearHigh);
  ASSERT_GT(kMany, 0U);
  EXPECT_EQ(JudgeFirst(evidence.Build()).state, kAlive);

  EvidenceBuilder few(1);
  few.Windows(3, 100, 100).Linear(0, 0, Trace::kLinearHigh).Fire(0, 29, 100);
  EXPECT_EQ(JudgeFirst(few.Build()).state, kAlive);
}

TEST(HealthStatesTest, AnotherSideBeginsANewRun) {
  EvidenceBuilder evidence(1);
  evidence.Windows(16, 2000, 2000)
      .Linear(0, 0, Trace::kLinearHigh)
      .Linear(0, 150, Trace::kLinearLow)
      .Fire(0, 159, 2000);

  EXPECT_FALSE(Holds(JudgeFirst(evidence.Build()), kLinearised));
}

TEST(HealthStatesTest, OneOffInAnOpenWindowRefutesLinearised) {
  EvidenceBuilder builder = Firing(kMany);
  builder.Linear(0, 0, Trace::kLinearHigh);
  LayerEvidence evidence = builder.Build();
  evidence.open_trace = {Trace::kObserved | Trace::kFired};
  EXPECT_FALSE(Holds(JudgeFirst(evidence), kLinearised));

  evidence.open_trace = {Trace::kObserved | Trace::kFired | Trace::kLinearHigh};
  EXPECT_TRUE(Holds(JudgeFirst(evidence), kLinearised));
}

LayerEvidence SigmoidEvidence(const EvidenceBuilder& builder,
                              std::uint64_t closed_high) {
  LayerEvidence evidence = LinearEvidence(builder, Activation::kSigmoid);
  evidence.horizon_closed_high = CountArray::Constant(1, closed_high);
  return evidence;
}

TEST(HealthStatesTest, AGateThatIsSurelyClosedOnNearlyAllIsSaturated) {
  // Open on 4 %, 5 % and 50 % of 80,000.
  const UnitHealth closed = JudgeFirst(SigmoidEvidence(Firing(400), 76800));
  EXPECT_EQ(closed.state, kSaturated);
  EXPECT_EQ(closed.saturation, Saturation::kHigh);
  EXPECT_FALSE(
      Holds(JudgeFirst(SigmoidEvidence(Firing(500), 76000)), kSaturated))
      << "95 % could be less";
  EXPECT_FALSE(Holds(JudgeFirst(SigmoidEvidence(Firing(5000), 0)), kSaturated));
}

TEST(HealthStatesTest, TheSideOfASaturatedGateIsNamed) {
  EXPECT_EQ(JudgeFirst(SigmoidEvidence(Firing(400), 0)).saturation,
            Saturation::kLow);
  EXPECT_EQ(JudgeFirst(SigmoidEvidence(Firing(400), 40000)).saturation,
            Saturation::kBoth);
}

TEST(HealthStatesTest, OnlyKindsWithAClosingGateSaturate) {
  const EvidenceBuilder builder = Firing(400);
  for (const Activation kind :
       {Activation::kRelu, Activation::kSquaredRelu, Activation::kLeakyRelu,
        Activation::kLinear, Activation::kSparseLatents}) {
    LayerEvidence evidence = SigmoidEvidence(builder, 76800);
    evidence.activation.kind = kind;
    EXPECT_FALSE(Holds(JudgeFirst(evidence), kSaturated));
  }
}

TEST(HealthStatesTest, Relu6SaturatesAtSixOnly) {
  const EvidenceBuilder builder = Firing(400);
  LayerEvidence evidence = SigmoidEvidence(builder, 76800);
  evidence.activation.kind = Activation::kRelu6;
  EXPECT_TRUE(Holds(JudgeFirst(evidence), kSaturated));

  evidence.horizon_closed_high.setZero();
  EXPECT_FALSE(Holds(JudgeFirst(evidence), kSaturated)) << "closed at 0";
}

LayerEvidence DormantEvidence(const EvidenceBuilder& builder,
                              std::vector<double> mean_absolute) {
  LayerEvidence evidence = builder.Build();
  evidence.sides.mean_absolute = Eigen::Map<Eigen::ArrayXd>(
      mean_absolute.data(), static_cast<Index>(mean_absolute.size()));
  return evidence;
}

EvidenceBuilder HalfOfTheTime(Index units) {
  EvidenceBuilder evidence(units);
  evidence.Windows(8, kMany, kMany);
  for (Index unit = 0; unit < units; ++unit) evidence.Fire(unit, 75, 40000);
  return evidence;
}

TEST(HealthStatesTest, AUnitFarBelowTheMeanOfItsLayerIsDormant) {
  const EvidenceBuilder evidence = HalfOfTheTime(2);

  // The mean of 0.025 and 1.975 is 1.
  const UnitHealth at = JudgeFirst(DormantEvidence(evidence, {0.025, 1.975}));
  EXPECT_EQ(at.state, kDormant);
  EXPECT_DOUBLE_EQ(*at.dormancy_score, 0.025);
  EXPECT_EQ(JudgeFirst(DormantEvidence(evidence, {0.03, 1.97})).state, kAlive);
}

TEST(HealthStatesTest, ALayerWithoutAnyActivationIsWhollyDormant) {
  const UnitHealth unit =
      JudgeFirst(DormantEvidence(HalfOfTheTime(2), {0.0, 0.0}));

  EXPECT_EQ(unit.dormancy_score, 0.0);
  EXPECT_TRUE(Holds(unit, kDormant));
}

TEST(HealthStatesTest, AUnitThatWasNotObservedHasNoScore) {
  const double none = std::numeric_limits<double>::quiet_NaN();

  const UnitHealth unit =
      JudgeFirst(DormantEvidence(HalfOfTheTime(2), {none, 1.0}));

  EXPECT_FALSE(unit.dormancy_score.has_value());
  EXPECT_FALSE(Holds(unit, kDormant));
}

TEST(HealthStatesTest, OneValueIsConstant) {
  const EvidenceBuilder builder = HalfOfTheTime(2);
  LayerEvidence evidence = builder.Build();
  evidence.sides.constant = {1, 0};

  const LayerHealth health = EvaluateHealth(evidence, 4, {});

  EXPECT_EQ(health.units[0].state, kConstant);
  EXPECT_EQ(health.units[1].state, kAlive);
}

TEST(HealthStatesTest, AFiringUnitWithoutAGradientIsStarved) {
  const EvidenceBuilder builder = HalfOfTheTime(1);
  LayerEvidence evidence = builder.Build();
  evidence.sides.no_weight_gradient = {1};
  EXPECT_EQ(JudgeFirst(evidence).state, kGradientStarved);
  EXPECT_EQ(JudgeFirst(evidence).starvation, Starvation::kVanishing);

  evidence.sides.no_output_gradient = {1};
  EXPECT_EQ(JudgeFirst(evidence).starvation, Starvation::kBlocked);

  evidence.sides.no_weight_gradient = {0};
  EXPECT_EQ(JudgeFirst(evidence).state, kAlive);
}

TEST(HealthStatesTest, ASilentUnitWithoutAGradientIsNotStarved) {
  EvidenceBuilder builder(1);
  builder.Windows(2, 10, 10);
  LayerEvidence evidence = builder.Build();
  evidence.sides.no_weight_gradient = {1};

  EXPECT_EQ(JudgeFirst(evidence).state, kSilent);
  EXPECT_FALSE(Holds(JudgeFirst(evidence), kGradientStarved));
}

TEST(HealthStatesTest, SilenceOnAWholeSetIsDeadOnTheSet) {
  EvidenceBuilder builder(1);
  builder.Windows(2, 10, 10).Fire(0, 13);
  LayerEvidence evidence = builder.Build();
  evidence.sides.silent_on_probe = {1};
  evidence.sides.probe_step = 13;
  EXPECT_EQ(JudgeFirst(evidence).state, kDeadOnSet);

  evidence.sides.probe_step = 12;
  EXPECT_EQ(JudgeFirst(evidence).state, kAlive) << "it fired since";
}

TEST(HealthStatesTest, NonFiniteSaysNothingElse) {
  EvidenceBuilder builder(1);
  builder.Windows(9, kMany, kMany).NonFinite(0);
  LayerEvidence evidence = builder.Build();
  evidence.sides.constant = {1};

  const UnitHealth unit = JudgeFirst(evidence);

  EXPECT_EQ(unit.state, kNonFinite);
  EXPECT_TRUE(unit.also.empty());
}

TEST(HealthStatesTest, TheFirstStateIsNamedAndTheOthersAreKept) {
  const EvidenceBuilder builder = Firing(100);
  LayerEvidence evidence = DormantEvidence(builder, {0.0});
  evidence.sides.constant = {1};

  const UnitHealth unit = JudgeFirst(evidence);

  EXPECT_EQ(unit.state, kConstant);
  EXPECT_EQ(unit.also, (StateSet{kDormant, kRare, kAlive}));
}

TEST(HealthStatesTest, EveryStateHasItsPlaceInTheOrder) {
  StateSet all;
  for (std::size_t state = 1; state < kHealthStateCount; ++state) {
    all.Add(static_cast<HealthState>(state));
  }
  std::vector<HealthState> order;
  while (!all.empty()) {
    order.push_back(all.Primary());
    all.Remove(order.back());
  }
  EXPECT_THAT(order,
              ::testing::ElementsAre(
                  kNonFinite, kUnobserved, kBornDead, kDead, kDeadOnSet,
                  kUnknown, kSilent, kGradientStarved, kSaturated, kDying,
                  kLinearised, kConstant, kDormant, kRare, kAlive));
}

}  // namespace
}  // namespace firekeeper::core
