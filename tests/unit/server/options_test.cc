#include "server/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/settings.h"
#include "tests/support/status_matchers.h"

namespace firekeeper::server {
namespace {

using ::firekeeper::testing::IsOk;
using ::firekeeper::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

class OptionsTest : public ::testing::Test {
 protected:
  OptionsTest()
      : path_(std::filesystem::path(::testing::TempDir()) /
              (std::string("options_") +
               ::testing::UnitTest::GetInstance()->current_test_info()->name() +
               ".toml")) {}
  void TearDown() override { std::filesystem::remove(path_); }

  std::string WriteConfig(const std::string& text) {
    std::ofstream(path_) << text;
    return path_.string();
  }

  absl::StatusOr<CommandLine> Parse(const std::vector<std::string>& arguments) {
    return ParseCommandLine(
        arguments,
        [this](const std::string& name) -> std::optional<std::string> {
          const auto found = environment_.find(name);
          if (found == environment_.end()) return std::nullopt;
          return found->second;
        });
  }

  const std::filesystem::path path_;
  std::map<std::string, std::string> environment_;
};

TEST_F(OptionsTest, DefaultsListenOnLoopbackAndAreValid) {
  const auto line = Parse({});

  ASSERT_THAT(line, IsOk());
  EXPECT_EQ(line->options.host, "127.0.0.1");
  EXPECT_EQ(line->options.port, 50'061U);
  EXPECT_EQ(line->options.http_port, 9'464U);
  EXPECT_FALSE(line->print.has_value());
}

TEST_F(OptionsTest, FlagBeatsEnvironmentBeatsFileBeatsDefault) {
  const std::string config =
      WriteConfig("max-runs = 1\nmax-labels = 2\nmax-sources = 3\n");
  environment_ = {{"FIREKEEPER_MAX_RUNS", "11"},
                  {"FIREKEEPER_MAX_LABELS", "12"}};

  const auto line = Parse({"--config", config, "--max-runs", "21"});

  ASSERT_THAT(line, IsOk());
  EXPECT_EQ(line->options.limits.max_runs, 21U);
  EXPECT_EQ(line->options.limits.max_labels, 12U);
  EXPECT_EQ(line->options.limits.max_sources, 3U);
  EXPECT_EQ(line->options.limits.max_page_size, Limits().max_page_size);
}

TEST_F(OptionsTest, EnvironmentNamesTheFileToo) {
  environment_["FIREKEEPER_CONFIG"] = WriteConfig("max-runs = 7\n");

  const auto line = Parse({});

  ASSERT_THAT(line, IsOk());
  EXPECT_EQ(line->options.limits.max_runs, 7U);
}

TEST_F(OptionsTest, AFlagCanSwitchOffWhatTheEnvironmentSwitchedOn) {
  environment_["FIREKEEPER_BDP_PROBE"] = "true";

  const auto line = Parse({"--bdp-probe=false"});

  ASSERT_THAT(line, IsOk());
  EXPECT_FALSE(line->options.bdp_probe);
}

TEST_F(OptionsTest, EveryOptionIsReadFromFlagEnvironmentAndFile) {
  Options options;
  for (const Setting& setting : SettingsOf(options)) {
    if (setting.name == "client-ca" || setting.name == "tls-cert" ||
        setting.name == "tls-key") {
      continue;  // these need each other
    }
    SCOPED_TRACE(setting.name);
    const std::string text = setting.Text();
    const std::string flag = "--" + setting.name;
    EXPECT_THAT(setting.is_boolean() ? Parse({absl::StrCat(flag, "=", text)})
                                     : Parse({flag, text}),
                IsOk());
    environment_ = {{setting.EnvironmentName(), text}};
    EXPECT_THAT(Parse({}), IsOk());
    environment_.clear();
    EXPECT_THAT(Parse({"--config", WriteConfig(setting.name + " = " +
                                               setting.TomlText() + "\n")}),
                IsOk());
  }
}

TEST_F(OptionsTest, RefusesAnUnknownKeyAndNamesIt) {
  EXPECT_THAT(Parse({"--config", WriteConfig("\nmax-rums = 1\n")}),
              StatusIs(kInvalid, AllOf(HasSubstr(":2:"),
                                       HasSubstr("unknown key \"max-rums\""))));
}

TEST_F(OptionsTest, RefusesAnUnknownFlagAndNamesIt) {
  EXPECT_THAT(Parse({"--max-rums", "1"}),
              StatusIs(kInvalid, HasSubstr("--max-rums")));
}

TEST_F(OptionsTest, RefusesWrongTypesInTheFileAndNamesTheKey) {
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"max-runs", "max-runs = \"1\""},
      {"max-runs", "max-runs = 1.5"},
      {"max-runs", "max-runs = true"},
      {"host", "host = 127"},
      {"insecure", "insecure = \"true\""},
      {"insecure", "insecure = 1"},
      {"p0", "p0 = \"0.1\""},
      {"log-format", "log-format = 1"},
      {"host", "[host]\nname = 1"},
      {"host", "host = [\"a\"]"}};
  for (const auto& [key, text] : wrong) {
    SCOPED_TRACE(text);
    EXPECT_THAT(Parse({"--config", WriteConfig(text)}),
                StatusIs(kInvalid, HasSubstr(key)));
  }
}

TEST_F(OptionsTest, AWholeNumberIsANumberToo) {
  const auto line =
      Parse({"--config", WriteConfig("min-coverage = 1\np0 = 1e-7\n")});

  ASSERT_THAT(line, IsOk());
  EXPECT_EQ(line->options.state.health.min_coverage, 1.0);
  EXPECT_EQ(line->options.state.health.certificate.p0, 1e-7);
}

TEST_F(OptionsTest, RefusesWhatIsNoTomlWithItsLine) {
  EXPECT_THAT(Parse({"--config", WriteConfig("host = \"a\"\nport = = 1\n")}),
              StatusIs(kInvalid, HasSubstr(":2:")));
}

TEST_F(OptionsTest, LettersBeyondAsciiStandInTextsAndComments) {
  const auto line = Parse(
      {"--config",
       WriteConfig("max-runs = 7 # été\nport-file = \"\"\"\\\n  clé\"\"\"\n")});

  ASSERT_THAT(line, IsOk());
  EXPECT_EQ(line->options.port_file, "clé");
}

TEST_F(OptionsTest, RefusesAKeyBeyondAsciiWithItsLine) {
  EXPECT_THAT(Parse({"--config", WriteConfig("max-runs = 7\nclé = 1\n")}),
              StatusIs(kInvalid, HasSubstr(":2:")));
}

TEST_F(OptionsTest, RefusesATableWithoutAKeyWithItsLine) {
  EXPECT_THAT(Parse({"--config", WriteConfig("[$%\n")}),
              StatusIs(kInvalid, HasSubstr(":1:")));
}

TEST_F(OptionsTest, RefusesTextThatIsNoUtf8OrHoldsNul) {
  EXPECT_THAT(Parse({"--host", "a\x8a"}),
              StatusIs(kInvalid, HasSubstr("is not UTF-8 without NUL")));
  EXPECT_THAT(Parse({"--config", WriteConfig("host = \"a\\u0000\"\n")}),
              StatusIs(kInvalid, HasSubstr("is not UTF-8 without NUL")));
}

TEST_F(OptionsTest, AMissingFileIsAnError) {
  EXPECT_THAT(
      Parse({"--config", "no/such/file.toml"}),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("no/such/file.toml")));
}

TEST_F(OptionsTest, NumbersEndAtTheirBounds) {
  EXPECT_THAT(Parse({"--port", "65535"}), IsOk());
  EXPECT_THAT(Parse({"--port", "65536"}),
              StatusIs(kInvalid, HasSubstr("--port: 65536 is not between 0 and "
                                           "65535")));
  EXPECT_THAT(Parse({"--port=-1"}), StatusIs(kInvalid, HasSubstr("-1")));
  EXPECT_THAT(Parse({"--max-runs", "0"}), StatusIs(kInvalid, HasSubstr("0")));
  EXPECT_THAT(Parse({"--max-runs", "1e3"}),
              StatusIs(kInvalid, HasSubstr("a whole number")));
  EXPECT_THAT(Parse({"--alpha", "nan"}),
              StatusIs(kInvalid, HasSubstr("alpha")));
  EXPECT_THAT(Parse({"--alpha", "1"}), StatusIs(kInvalid, HasSubstr("alpha")));
}

TEST_F(OptionsTest, AVariableIsNamedInItsError) {
  environment_["FIREKEEPER_LOG_LEVEL"] = "loud";

  EXPECT_THAT(Parse({}),
              StatusIs(kInvalid, AllOf(HasSubstr("FIREKEEPER_LOG_LEVEL"),
                                       HasSubstr("debug|info|warning|error"))));
}

TEST_F(OptionsTest, BeyondLoopbackNeedsTlsTokensOrConsent) {
  EXPECT_THAT(Parse({"--host", "0.0.0.0"}),
              StatusIs(kInvalid, AllOf(HasSubstr("--host 0.0.0.0"),
                                       HasSubstr("--insecure"))));
  EXPECT_THAT(Parse({"--http-host", "::"}),
              StatusIs(kInvalid, HasSubstr("--http-host")));
  EXPECT_THAT(Parse({"--host", "0.0.0.0", "--insecure"}), IsOk());
  EXPECT_THAT(Parse({"--host", "0.0.0.0", "--token-file", "tokens"}), IsOk());
  EXPECT_THAT(Parse({"--host", "0.0.0.0", "--tls-cert", "c", "--tls-key", "k"}),
              IsOk());
}

TEST_F(OptionsTest, TlsFilesComeTogether) {
  EXPECT_THAT(Parse({"--tls-cert", "c"}),
              StatusIs(kInvalid, HasSubstr("--tls-key")));
  EXPECT_THAT(Parse({"--client-ca", "ca"}),
              StatusIs(kInvalid, HasSubstr("--tls-cert")));
}

TEST_F(OptionsTest, WindowStepsMustBeAPowerOfTwo) {
  EXPECT_THAT(Parse({"--window-steps", "96"}),
              StatusIs(kInvalid, HasSubstr("96 is not a power of two")));
  EXPECT_THAT(Parse({"--window-steps", "64"}), IsOk());
}

TEST_F(OptionsTest, PrintConfigSaysWhereEachValueCameFrom) {
  environment_["FIREKEEPER_MAX_LABELS"] = "12";
  const std::string config = WriteConfig("max-sources = 3\n");

  const auto line =
      Parse({"--config", config, "--max-runs", "21", "--print-config"});

  ASSERT_THAT(line, IsOk());
  ASSERT_TRUE(line->print.has_value());
  EXPECT_THAT(*line->print,
              AllOf(HasSubstr("max-runs = 21  # flag --max-runs\n"),
                    HasSubstr("max-labels = 12  # environment "
                              "FIREKEEPER_MAX_LABELS\n"),
                    HasSubstr("max-sources = 3  # file " + config + "\n"),
                    HasSubstr("host = \"127.0.0.1\"  # default\n")));
}

TEST_F(OptionsTest, PrintedConfigurationIsAConfigurationFile) {
  const auto printed = Parse({"--print-config", "--p0", "0.00012345678"});
  ASSERT_THAT(printed, IsOk());

  const auto line = Parse({"--config", WriteConfig(*printed->print)});

  ASSERT_THAT(line, IsOk());
  EXPECT_EQ(line->options.state.health.certificate.p0, 0.00012345678);
}

TEST_F(OptionsTest, PrintConfigNeverReadsTheTokens) {
  const std::string tokens = WriteConfig("SECRET tenant\n");

  const auto line = Parse({"--token-file", tokens, "--print-config"});

  ASSERT_THAT(line, IsOk());
  EXPECT_THAT(*line->print, AllOf(HasSubstr(tokens), Not(HasSubstr("SECRET"))));
}

TEST_F(OptionsTest, HelpNamesEveryOptionPrecedenceAndExitCodes) {
  const auto line = Parse({"--help"});

  ASSERT_THAT(line, IsOk());
  ASSERT_TRUE(line->print.has_value());
  Options options;
  for (const Setting& setting : SettingsOf(options)) {
    EXPECT_THAT(*line->print, HasSubstr("--" + setting.name));
  }
  EXPECT_THAT(*line->print, AllOf(HasSubstr("FIREKEEPER_MAX_RUNS"),
                                  HasSubstr("Exit codes:")));
}

TEST(IsLoopbackTest, KnowsAddressesAndTakesNamesForPublic) {
  for (const char* host : {"127.0.0.1", "127.255.0.9", "::1", "localhost"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "128.0.0.1",
                           "example.org", "", "localhost.example.org"}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

}  // namespace
}  // namespace firekeeper::server
