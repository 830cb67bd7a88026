// Whole command lines against a server that answers from a table.

#include "client/cpp/cli/cli.h"

#include <gmock/gmock.h>
#include <grpcpp/health_check_service_interface.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/fake_diagnostics_service.h"
#include "tests/support/fake_ingest_service.h"

namespace firekeeper::client::cli {
namespace {

using ::firekeeper::testing::FakeDiagnosticsService;
using ::firekeeper::testing::FakeIngestService;
using ::firekeeper::testing::FakeServer;
using ::testing::HasSubstr;
using ::testing::Not;

class CliTest : public ::testing::Test {
 protected:
  CliTest()
      : server_(
            std::string("cli-") +
            ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    // Its answers decide, not the shell that runs the tests.
    ChangeEnvironment("FIREKEEPER_ENDPOINT", nullptr);
    ChangeEnvironment("FIREKEEPER_TOKEN", nullptr);
  }

  // Null: the variable is not set. No other thread reads the environment.
  static void ChangeEnvironment(const char* name, const char* value) {
    // NOLINTBEGIN(concurrency-mt-unsafe)
    if (value == nullptr) {
      unsetenv(name);
    } else {
      setenv(name, value, 1);
    }
    // NOLINTEND(concurrency-mt-unsafe)
  }

  // Runs `firekeeper WORDS…` against the server and returns the exit code.
  int Run(std::vector<std::string> words) {
    words.insert(words.end(), {"--endpoint", server_.endpoint()});
    return RunWords(std::move(words));
  }

  int RunWords(std::vector<std::string> words) {
    words.insert(words.begin(), "firekeeper");
    std::vector<const char*> argv;
    argv.reserve(words.size());
    for (const std::string& word : words) argv.push_back(word.c_str());
    out_.str("");
    err_.str("");
    return RunCommandLine(static_cast<int>(argv.size()), argv.data(),
                          {.out = out_, .err = err_});
  }

  void AddRun(const std::string& run_id) {
    v1::Run& run = service_.runs.emplace_back();
    run.set_run_id(run_id);
    run.set_state(v1::RUN_STATE_ENDED);
    run.set_last_step(1234);
  }

  void AddLayer(const std::string& name, std::uint64_t dead,
                std::uint64_t alive) {
    v1::LayerReport& report = service_.layers["run"].emplace_back();
    report.mutable_layer()->set_name(name);
    report.mutable_layer()->set_unit_count(100);
    report.set_observability(v1::OBSERVABILITY_OBSERVABLE);
    v1::StateCount& deaths = *report.add_units_by_state();
    deaths.set_state(v1::HEALTH_STATE_DEAD);
    deaths.set_units(dead);
    v1::StateCount& lives = *report.add_units_by_state();
    lives.set_state(v1::HEALTH_STATE_ALIVE);
    lives.set_units(alive);
  }

  void Start() { server_.Start({&service_, &ingest_}); }

  FakeDiagnosticsService service_;
  FakeIngestService ingest_;
  FakeServer server_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(CliTest, ListsTheRunsOfAllPages) {
  for (const char* name : {"a", "b", "c", "d", "e"}) AddRun(name);
  Start();

  EXPECT_EQ(Run({"runs"}), 0);

  for (const char* name : {"\na ", "\nb ", "\nc ", "\nd ", "\ne "}) {
    EXPECT_THAT(out_.str(), HasSubstr(name));
  }
  EXPECT_THAT(out_.str(), HasSubstr("1,234"));
}

TEST_F(CliTest, AnswersInJsonWithTheNamesOfTheProtocol) {
  AddRun("a");
  AddRun("b");
  AddRun("c");
  Start();

  EXPECT_EQ(Run({"runs", "--json"}), 0);

  const auto json = nlohmann::json::parse(out_.str());
  ASSERT_EQ(json["runs"].size(), 3U);
  EXPECT_EQ(json["runs"][2]["run_id"], "c");
  EXPECT_EQ(json["runs"][2]["last_step"], "1234");
}

TEST_F(CliTest, AServerThatIsNotThereHasItsOwnExitCode) {
  EXPECT_EQ(Run({"runs", "--timeout", "5"}), 3);
  EXPECT_THAT(err_.str(), HasSubstr("is firekeeperd running at"));
  EXPECT_EQ(Run({"check", "run", "--max-dead", "5%"}), 3);
}

TEST_F(CliTest, ARunThatIsNotThereIsNotFound) {
  Start();

  EXPECT_EQ(Run({"run", "nowhere"}), 4);
  EXPECT_THAT(err_.str(), HasSubstr("no such run"));
}

TEST_F(CliTest, ErrorsNameTheFieldThatWasRefused) {
  Start();

  EXPECT_EQ(Run({"run", "bad name"}), 6);
  EXPECT_THAT(err_.str(), HasSubstr("field run_id: has a blank"));
}

TEST_F(CliTest, ACommandLineThatIsWrongIsAUsageError) {
  EXPECT_EQ(Run({}), 2);
  EXPECT_EQ(Run({"dance"}), 2);
  EXPECT_EQ(Run({"run"}), 2);
  EXPECT_EQ(Run({"check", "run"}), 2);
  EXPECT_EQ(Run({"check", "run", "--max-dead", "5"}), 2);
  EXPECT_EQ(Run({"units", "run", "fc", "--state", "gone"}), 2);
  EXPECT_EQ(Run({"runs", "--client-cert", "/does/not/exist"}), 2);
}

TEST_F(CliTest, HelpDocumentsTheExitCodesAndNoSecret) {
  ChangeEnvironment("FIREKEEPER_TOKEN", "hush");

  EXPECT_EQ(Run({"check", "--help"}), 0);

  EXPECT_THAT(out_.str(), HasSubstr("5  check: the evidence does not decide"));
  EXPECT_EQ(Run({"--help"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("FIREKEEPER_TOKEN"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("hush")));
  ChangeEnvironment("FIREKEEPER_TOKEN", nullptr);
}

TEST_F(CliTest, ChecksEveryLayerOfAllPages) {
  for (const char* name : {"a", "b", "c", "d"}) AddLayer(name, 0, 100);
  AddLayer("e", 6, 94);
  Start();

  EXPECT_EQ(Run({"check", "run", "--max-dead", "5%"}), 1);
  EXPECT_THAT(out_.str(), HasSubstr("exceeded"));
  EXPECT_EQ(Run({"check", "run", "--max-dead", "6%"}), 0);
  EXPECT_EQ(Run({"check", "run", "--max-dead", "5%", "--layer", "a"}), 0);
  EXPECT_EQ(Run({"check", "run", "--max-dead", "5%", "--layer", "z"}), 4);
}

TEST_F(CliTest, ACheckWithoutEvidenceDoesNotPassByItself) {
  AddLayer("a", 0, 50);
  service_.layers["empty"];
  Start();

  EXPECT_EQ(Run({"check", "run", "--max-dead", "5%"}), 5);
  EXPECT_EQ(Run({"check", "empty", "--max-dead", "5%"}), 5);
  EXPECT_EQ(Run({"check", "run", "--max-dead", "5%", "--allow-unknown"}), 0);
}

TEST_F(CliTest, ListsTheUnitsInAState) {
  for (std::uint64_t unit = 0; unit < 7; ++unit) {
    v1::UnitVerdict& verdict = service_.units.emplace_back();
    verdict.set_unit(unit);
    verdict.set_state(unit % 2 == 0 ? v1::HEALTH_STATE_DEAD
                                    : v1::HEALTH_STATE_ALIVE);
    verdict.set_last_firing_step(120);
    verdict.set_certified_step(256);
  }
  Start();

  EXPECT_EQ(Run({"units", "run", "fc", "--state", "dead"}), 0);

  EXPECT_THAT(out_.str(), HasSubstr("(120, 256]"));
  EXPECT_THAT(out_.str(), HasSubstr("\n4 units."));
  EXPECT_THAT(out_.str(), Not(HasSubstr("alive")));
  EXPECT_EQ(Run({"units", "run", "fc", "--state", "dead,alive"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("\n7 units."));
}

TEST_F(CliTest, BornDeadIsDead) {
  service_.units.emplace_back().set_state(v1::HEALTH_STATE_BORN_DEAD);
  service_.units.emplace_back().set_state(v1::HEALTH_STATE_DEAD);
  Start();

  EXPECT_EQ(Run({"units", "run", "fc", "--state", "dead"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("\n2 units."));
  EXPECT_EQ(Run({"units", "run", "fc", "--state", "born_dead"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("\n1 units."));
}

TEST_F(CliTest, ACheckShowsWhatAProbeAloneDecided) {
  AddLayer("a", 4, 90);
  v1::StateCount* on_set = service_.layers["run"].back().add_units_by_state();
  on_set->set_state(v1::HEALTH_STATE_DEAD_ON_SET);
  on_set->set_units(6);
  Start();

  EXPECT_EQ(Run({"check", "run", "--max-dead", "9%", "--json"}), 1);

  const auto json = nlohmann::json::parse(out_.str());
  EXPECT_EQ(json["layers"][0]["dead"], 10);
  EXPECT_EQ(json["layers"][0]["dead_on_set"], 6);
}

TEST_F(CliTest, AnEndpointIsHostAndPort) {
  for (const char* endpoint : {"", "127.0.0.1", "127.0.0.1:", "http://a:1"}) {
    EXPECT_EQ(RunWords({"--endpoint", endpoint, "runs"}), 2) << endpoint;
    EXPECT_THAT(err_.str(), HasSubstr("is not host:port")) << endpoint;
  }
}

TEST_F(CliTest, AUnitShowsWhatElseHoldsAndWhy) {
  v1::UnitVerdict& dead = service_.units.emplace_back();
  dead.set_state(v1::HEALTH_STATE_BORN_DEAD);
  dead.add_also(v1::HEALTH_STATE_DEAD);
  dead.add_also(v1::HEALTH_STATE_DORMANT);
  dead.set_permanence(v1::PERMANENCE_PERMANENT);
  dead.set_deaths(2);
  dead.set_revivals(1);
  dead.set_proven_step(127);
  v1::UnitVerdict& starved = service_.units.emplace_back();
  starved.set_state(v1::HEALTH_STATE_GRADIENT_STARVED);
  starved.add_also(v1::HEALTH_STATE_ALIVE);
  starved.set_starvation(v1::STARVATION_BLOCKED);
  Start();

  EXPECT_EQ(Run({"units", "run", "fc", "--state", "born-dead"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("dead,dormant"));
  EXPECT_THAT(out_.str(), HasSubstr("permanent; died 2x, revived 1x; proven "
                                    "unable to fire in the window to step "
                                    "127"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("starved")));

  EXPECT_EQ(Run({"units", "run", "fc", "--state", "gradient_starved"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("gradient blocked"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("alive")));
}

TEST_F(CliTest, LayersShowDeathsRevivalsAndStatesWithoutAColumn) {
  AddLayer("fc1", 12, 80);
  v1::LayerReport& report = service_.layers["run"].back();
  report.mutable_life()->set_deaths(15);
  report.mutable_life()->set_revivals(3);
  v1::StateCount& rare = *report.add_units_by_state();
  rare.set_state(v1::HEALTH_STATE_RARE);
  rare.set_units(8);
  v1::StateCount& dormant = *report.add_units_by_state();
  dormant.set_state(v1::HEALTH_STATE_DORMANT);
  dormant.set_holds(12);
  Start();

  EXPECT_EQ(Run({"layers", "run"}), 0);

  EXPECT_THAT(out_.str(), HasSubstr("15/3"));
  EXPECT_THAT(out_.str(), HasSubstr("8 rare"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("dormant"))) << "first states only";
}

TEST_F(CliTest, WatchShowsTheTableOnceAndALineForALog) {
  AddRun("run");
  AddLayer("fc1", 12, 88);
  Start();

  EXPECT_EQ(Run({"watch", "run", "--once"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("fc1"));
  EXPECT_THAT(out_.str(), HasSubstr("12.0%"));

  EXPECT_EQ(Run({"watch", "run", "--steps", "2470"}), 0) << "the run has ended";
  EXPECT_EQ(out_.str(),
            "[###############...............] 50.0%  step 1,234 of 2,470  dead "
            "12 of 100: fc1 12\n");
}

TEST_F(CliTest, HealthAsksTheHealthService) {
  EXPECT_EQ(Run({"health", "--timeout", "5"}), 1) << "not there";
  grpc::EnableDefaultHealthCheckService(true);
  Start();
  EXPECT_EQ(Run({"health"}), 0);
  EXPECT_EQ(out_.str(), "serving\n");
  server_.SetServing(false);
  EXPECT_EQ(Run({"health"}), 1);
  grpc::EnableDefaultHealthCheckService(false);
}

// Writes float32 zeros of this shape as numpy does.
std::string WriteNpy(const std::string& name, std::size_t rows,
                     std::size_t columns) {
  std::string path = ::testing::TempDir() + name;
  const std::string header =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (" +
      std::to_string(rows) + ", " + std::to_string(columns) + "), }\n";
  std::ofstream file(path, std::ios::binary);
  file << "\x93NUMPY" << '\x01' << '\0' << static_cast<char>(header.size())
       << '\0' << header << std::string(rows * columns * 4, '\0');
  return path;
}

TEST_F(CliTest, PushSendsEveryFileAsAStep) {
  Start();
  const std::string first = WriteNpy("first.npy", 400, 1000);
  const std::string second = WriteNpy("second.npy", 8, 1000);

  EXPECT_EQ(Run({"push", first, second, "--run", "run", "--layer", "fc",
                 "--step", "5", "--json"}),
            0)
      << err_.str();

  EXPECT_EQ(nlohmann::json::parse(out_.str())["acked"], 2);
  const auto record = ingest_.record();
  EXPECT_THAT(record.violations, ::testing::IsEmpty());
  EXPECT_EQ(record.opens.at(0).layers(0).unit_count(), 1000U);
  EXPECT_EQ(record.chunks, 2U) << "1.6 MB in pieces of 1 MiB";
  EXPECT_EQ(record.snapshots.at(2).step(), 6);
  EXPECT_EQ(record.progresses.back().complete_through_step(), 6);
}

TEST_F(CliTest, PushNamesTheFileThatIsWrong) {
  Start();
  const std::string first = WriteNpy("wide.npy", 8, 10);
  const std::string second = WriteNpy("narrow.npy", 8, 9);

  EXPECT_EQ(Run({"push", first, second, "--run", "run", "--layer", "fc"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("narrow.npy: it has 9 units"));
  EXPECT_EQ(Run({"push", "/does/not/exist.npy", "--run", "r", "--layer", "l"}),
            2);
}

TEST_F(CliTest, PushTellsWhyTheServerRefused) {
  testing::IngestScript script;
  script.reject_seq = 1;
  ingest_.SetScript(script);
  Start();

  EXPECT_EQ(
      Run({"push", WriteNpy("a.npy", 2, 2), "--run", "run", "--layer", "fc"}),
      6);
  EXPECT_THAT(err_.str(), HasSubstr("rejected as told"));
}

}  // namespace
}  // namespace firekeeper::client::cli
