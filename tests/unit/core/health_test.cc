#include "core/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/unit/core/evidence_builder.h"

namespace firekeeper::core {
namespace {

using ::firekeeper::testing::EvidenceBuilder;
using ::testing::ElementsAre;

constexpr std::uint64_t kRunUnits = 4;
constexpr std::uint64_t kTracked = 8;  // M: each is tested twice

// Silence from step 0 on that is just enough, when it is all there is.
std::uint64_t JustEnough(double rate) {
  const CertificateSettings settings;
  std::uint64_t n = 1;
  while (SilenceNeeded(rate, settings.alpha, kTracked, n) > n) ++n;
  return n;
}

const std::uint64_t kObservations = JustEnough(CertificateSettings{}.p0);
const std::uint64_t kClusters = JustEnough(CertificateSettings{}.pc0);

// What fires is ALIVE here, however rarely.
HealthSettings NothingIsRare() {
  HealthSettings settings;
  settings.thresholds.rare_rate = 0.0;
  return settings;
}

LayerHealth Evaluate(const EvidenceBuilder& evidence,
                     const HealthSettings& settings = NothingIsRare()) {
  return EvaluateHealth(evidence.Build(settings.horizon_windows), kRunUnits,
                        settings);
}

std::vector<std::string> States(const LayerHealth& health) {
  std::vector<std::string> names;
  for (const UnitHealth& unit : health.units) {
    names.emplace_back(Name(unit.state));
  }
  return names;
}

TEST(HealthTest, NamesEveryState) {
  EXPECT_STREQ(Name(HealthState::kUnobserved), "unobserved");
  EXPECT_STREQ(Name(HealthState::kUnknown), "unknown");
  EXPECT_STREQ(Name(HealthState::kSilent), "silent");
  EXPECT_STREQ(Name(HealthState::kDead), "dead");
  EXPECT_STREQ(Name(HealthState::kAlive), "alive");
  EXPECT_STREQ(Name(HealthState::kNonFinite), "non_finite");
}

TEST(HealthTest, EnoughSilenceAtBothLevelsIsDead) {
  EvidenceBuilder evidence(1);
  evidence.Window(kObservations, kClusters);

  const LayerHealth health = Evaluate(evidence);

  EXPECT_THAT(States(health), ElementsAre("dead"));
  EXPECT_EQ(health.units[0].certified_step, 9);
  EXPECT_EQ(health.units[0].silent_observations, kObservations);
  EXPECT_EQ(health.units[0].silent_clusters, kClusters);
}

TEST(HealthTest, OneObservationTooFewIsSilent) {
  EvidenceBuilder evidence(1);
  evidence.Window(kObservations - 1, 10 * kClusters);

  const LayerHealth health = Evaluate(evidence);

  EXPECT_THAT(States(health), ElementsAre("silent"));
  EXPECT_EQ(health.units[0].certified_step, std::nullopt);
}

TEST(HealthTest, OneClusterTooFewIsSilent) {
  EvidenceBuilder evidence(1);
  evidence.Window(10 * kObservations, kClusters - 1);

  EXPECT_THAT(States(Evaluate(evidence)), ElementsAre("silent"));
}

TEST(HealthTest, CertificateCompletesAtTheEndOfTheDecidingWindow) {
  EvidenceBuilder evidence(1);
  evidence.Window(kObservations - 1, kClusters).Window(0, 0).Windows(4, 1, 1);

  EXPECT_THAT(States(Evaluate(evidence)), ElementsAre("dead"));
  EXPECT_EQ(Evaluate(evidence).units[0].certified_step, 29);
}

// The demand grows with the run, so a silence that sufficed once may not
// suffice by the totals of today.
TEST(HealthTest, DeadStaysDeadWhenTheDemandGrows) {
  EvidenceBuilder evidence(2);
  evidence.Window(kObservations, kClusters);
  for (int i = 0; i < 20; ++i) {
    // Unit 0 is hardly observed while unit 1 makes the totals grow.
    evidence.Window(std::uint64_t{1} << 30, std::uint64_t{1} << 30)
        .Only(0, 1, 1)
        .Fire(1, 10 * i + 15);
  }

  const LayerHealth health = Evaluate(evidence);

  EXPECT_THAT(States(health), ElementsAre("dead", "alive"));
  EXPECT_EQ(health.units[0].certified_step, 9);
  EXPECT_LT(health.units[0].silent_observations,
            health.certificate.observations_needed);
}

TEST(HealthTest, MoreUnitsInTheRunDemandMoreSilence) {
  EvidenceBuilder evidence(1);
  evidence.Window(kObservations, kClusters);

  const LayerHealth health =
      EvaluateHealth(evidence.Build(), kRunUnits + 1, {});

  EXPECT_THAT(States(health), ElementsAre("silent"));
  EXPECT_EQ(health.certificate.tracked_units, 16U);
}

TEST(HealthTest, NothingSeenIsUnobserved) {
  EvidenceBuilder evidence(2);
  evidence.Window(kObservations, kClusters)
      .Only(1, 0, 0)
      .FirstSeen(1, kNeverSeen);

  const LayerHealth health = Evaluate(evidence);

  EXPECT_THAT(States(health), ElementsAre("dead", "unobserved"));
  EXPECT_EQ(health.units[1].silent_observations, 0U);
  EXPECT_EQ(health.units[1].rate_upper_bound, 1.0);
}

TEST(HealthTest, SilenceCountsFromTheWindowOfFirstSight) {
  EvidenceBuilder evidence(1);
  evidence.Window(0, 0).Window(30, 3).Window(500, 50).FirstSeen(0, 17);

  const LayerHealth health = Evaluate(evidence);

  EXPECT_THAT(States(health), ElementsAre("silent"));
  EXPECT_EQ(health.units[0].silent_observations, 530U);
  EXPECT_EQ(health.units[0].silent_clusters, 53U);
}

TEST(HealthTest, FiringInTheOldestWindowOfTheHorizonIsAlive) {
  EvidenceBuilder evidence(2);
  evidence.Windows(10, kObservations, kClusters)
      .Fire(0, 20)
      .Fire(1, 3)
      .Fire(1, 19);

  EXPECT_THAT(States(Evaluate(evidence)), ElementsAre("alive", "dead"));
}

// The certificate may complete while the firing is still within the horizon.
TEST(HealthTest, DeadAfterTheHorizonKeepsItsOwnCertifiedStep) {
  EvidenceBuilder evidence(1);
  evidence.Windows(3, 2 * kObservations, 2 * kClusters).Fire(0, 4);
  EXPECT_THAT(States(Evaluate(evidence)), ElementsAre("alive"));

  evidence.Windows(6, 2 * kObservations, 2 * kClusters);

  EXPECT_THAT(States(Evaluate(evidence)), ElementsAre("dead"));
  EXPECT_EQ(Evaluate(evidence).units[0].certified_step, 19);
}

TEST(HealthTest, WindowOfTheLastFiringIsNoSilence) {
  EvidenceBuilder evidence(1);
  evidence.Window(100000, 10000).Windows(8, 10, 1).Fire(0, 0);

  const LayerHealth health = Evaluate(evidence);

  EXPECT_THAT(States(health), ElementsAre("silent"));
  EXPECT_EQ(health.units[0].silent_observations, 80U);
}

TEST(HealthTest, OneFiringRevivesADeadUnit) {
  EvidenceBuilder evidence(1);
  evidence.Windows(20, kObservations, kClusters);
  ASSERT_THAT(States(Evaluate(evidence)), ElementsAre("dead"));

  evidence.Fire(0, 203);  // in an open window

  EXPECT_THAT(States(Evaluate(evidence)), ElementsAre("alive"));
  EXPECT_EQ(Evaluate(evidence).units[0].silent_observations, 0U);
}

TEST(HealthTest, OnlyOpenWindowsAreSilentOrAlive) {
  EvidenceBuilder evidence(3);
  evidence.Fire(1, 0).FirstSeen(2, kNeverSeen);

  const LayerHealth health = Evaluate(evidence);

  EXPECT_THAT(States(health), ElementsAre("silent", "alive", "unobserved"));
  EXPECT_EQ(health.evaluated_through_step, -1);
  EXPECT_EQ(health.units[0].rate_upper_bound, 1.0);
}

TEST(HealthTest, HorizonOfNoWindowsLooksAtOpenOnesOnly) {
  EvidenceBuilder evidence(2);
  evidence.Windows(2, 10, 1).Fire(0, 19).Fire(1, 20);
  HealthSettings settings = NothingIsRare();
  settings.horizon_windows = 0;

  EXPECT_THAT(States(Evaluate(evidence, settings)),
              ElementsAre("silent", "alive"));
}

TEST(HealthTest, NonFiniteIsNotDead) {
  EvidenceBuilder evidence(4);
  evidence.Windows(9, kObservations, kClusters)
      .NonFinite(0)
      .Fire(1, 85)
      .NonFinite(1)
      .FirstSeen(2, kNeverSeen)
      .NonFinite(2);

  EXPECT_THAT(States(Evaluate(evidence)),
              ElementsAre("non_finite", "non_finite", "non_finite", "dead"));
}

TEST(HealthTest, NonFiniteEntriesAreNoSilence) {
  EvidenceBuilder evidence(2);
  evidence.Window(kObservations, kClusters).Only(1, kObservations - 1, 1);

  EXPECT_THAT(States(Evaluate(evidence)), ElementsAre("dead", "silent"));
}

TEST(HealthTest, MissingShardIsUnknownAndNamed) {
  EvidenceBuilder evidence(1);
  evidence.Window(kObservations, kClusters)
      .Window(kObservations, kClusters)
      .Received(3, 4)
      .Window(10, 1);

  const LayerHealth health = Evaluate(evidence);

  EXPECT_THAT(States(health), ElementsAre("unknown"));
  ASSERT_TRUE(health.units[0].incomplete.has_value());
  EXPECT_EQ(health.units[0].incomplete->steps, (StepRange{10, 20}));
  EXPECT_EQ(health.units[0].incomplete->shards_received, 3U);
  EXPECT_EQ(health.units[0].incomplete->shards_expected, 4U);
  EXPECT_EQ(health.units[0].silent_observations, 10U);
}

TEST(HealthTest, LatestOfSeveralIncompleteWindowsIsNamed) {
  EvidenceBuilder evidence(1);
  evidence.Window(10, 1).Received(0, 2).Window(10, 1).Received(1, 2);

  EXPECT_EQ(Evaluate(evidence).units[0].incomplete->steps, (StepRange{10, 20}));
}

TEST(HealthTest, SilenceAfterAnIncompleteWindowCertifiesAgain) {
  EvidenceBuilder evidence(1);
  evidence.Window(0, 0).Received(0, 2).Window(kObservations, kClusters);

  const LayerHealth health = Evaluate(evidence);

  EXPECT_THAT(States(health), ElementsAre("dead"));
  EXPECT_EQ(health.units[0].certified_step, 19);
  EXPECT_FALSE(health.units[0].incomplete.has_value());
}

TEST(HealthTest, FiringExplainsAnEarlierIncompleteWindow) {
  EvidenceBuilder evidence(1);
  evidence.Window(10, 1).Received(1, 2).Window(10, 1).Fire(0, 12);
  evidence.Windows(8, 10, 1);

  EXPECT_THAT(States(Evaluate(evidence)), ElementsAre("silent"));
}

TEST(HealthTest, IncompleteWindowBeforeFirstSightIsNoMatter) {
  EvidenceBuilder evidence(1);
  evidence.Window(0, 0).Received(0, 2).Window(10, 1).FirstSeen(0, 11);

  EXPECT_THAT(States(Evaluate(evidence)), ElementsAre("silent"));
}

TEST(HealthTest, CoverageOfAnotherRangeIsNoMatter) {
  EvidenceBuilder evidence(4);
  evidence.Window(kObservations, kClusters)
      .Coverage(
          {{.first = 0, .count = 2, .shards_received = 2, .shards_expected = 2},
           {.first = 2,
            .count = 2,
            .shards_received = 1,
            .shards_expected = 2}});

  const LayerHealth health = Evaluate(evidence);

  EXPECT_THAT(States(health),
              ElementsAre("dead", "dead", "unknown", "unknown"));
  EXPECT_EQ(health.coverage.first, 2);
  EXPECT_EQ(health.coverage.shards_received, 1U);
}

TEST(HealthTest, MinimalCoverageIsEnough) {
  for (std::uint32_t received = 0; received <= 100; ++received) {
    EvidenceBuilder evidence(1);
    evidence.Window(kObservations, kClusters).Received(received, 100);
    HealthSettings settings;
    settings.min_coverage = 0.07;

    EXPECT_THAT(States(Evaluate(evidence, settings)),
                ElementsAre(received >= 7 ? "dead" : "unknown"))
        << received;
  }
}

TEST(HealthTest, RangeThatNobodyDeclaredIsComplete) {
  EvidenceBuilder evidence(1);
  evidence.Window(10, 1).Received(0, 0);

  EXPECT_THAT(States(Evaluate(evidence)), ElementsAre("silent"));
}

TEST(HealthTest, SilentUnitIsBoundedByItsSilence) {
  EvidenceBuilder evidence(1);
  evidence.Window(50, 5).Window(50, 5);

  EXPECT_DOUBLE_EQ(Evaluate(evidence).units[0].rate_upper_bound,
                   RateUpperBound(0, 100, 0.01));
}

TEST(HealthTest, AliveUnitIsBoundedByItsHorizon) {
  EvidenceBuilder evidence(1);
  evidence.Windows(10, 50, 5).Fire(0, 35).Fire(0, 41).Fire(0, 2);

  EXPECT_DOUBLE_EQ(Evaluate(evidence).units[0].rate_upper_bound,
                   RateUpperBound(2, 400, 0.01));
}

TEST(HealthTest, ReportsWhatTheCertificateAsksForNow) {
  EvidenceBuilder evidence(2);
  evidence.Windows(3, 1000, 100).Only(1, 400, 40);

  const LayerHealth health = Evaluate(evidence);

  EXPECT_EQ(health.certificate.tracked_units, kTracked);
  EXPECT_EQ(health.certificate.observations, 4096U);
  EXPECT_EQ(health.certificate.clusters, 512U);
  EXPECT_EQ(health.certificate.observations_needed,
            SilenceNeeded(1e-3, 0.01, kTracked, 3000));
  EXPECT_EQ(health.certificate.clusters_needed,
            SilenceNeeded(1e-2, 0.01, kTracked, 300));
  EXPECT_EQ(health.evaluated_through_step, 29);
}

TEST(HealthTest, LayerWithoutUnitsHasNoVerdicts) {
  const EvidenceBuilder evidence(0);

  EXPECT_TRUE(Evaluate(evidence).units.empty());
}

}  // namespace
}  // namespace firekeeper::core
