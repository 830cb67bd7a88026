#include "server/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace firekeeper::server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

std::string LineOf(LogFormat format, const LogValue& value) {
  std::ostringstream out;
  Logger(format, LogLevel::kInfo, out).Info("event", {{"name", value}});
  return out.str();
}

TEST(LoggerTest, TextLineHoldsTimeLevelEventAndFields) {
  std::ostringstream out;
  Logger logger(LogFormat::kText, LogLevel::kInfo, out);

  logger.Warning("stream_fenced", {{"run", std::string("digits")},
                                   {"source", std::uint64_t{3}}});

  EXPECT_THAT(out.str(),
              ::testing::MatchesRegex(
                  "[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\\.[0-9]+Z warning "
                  "stream_fenced run=digits source=3\n"));
}

TEST(LoggerTest, JsonLineIsAnObjectWithTypedFields) {
  std::ostringstream out;
  Logger logger(LogFormat::kJson, LogLevel::kInfo, out);

  logger.Info("started", {{"port", std::uint64_t{50'061}},
                          {"tls", false},
                          {"share", 0.5},
                          {"host", std::string("127.0.0.1")}});

  const auto line = nlohmann::json::parse(out.str());
  EXPECT_EQ(line.at("event"), "started");
  EXPECT_EQ(line.at("level"), "info");
  EXPECT_EQ(line.at("port"), 50'061);
  EXPECT_EQ(line.at("tls"), false);
  EXPECT_EQ(line.at("share"), 0.5);
  EXPECT_EQ(line.at("host"), "127.0.0.1");
  EXPECT_TRUE(line.contains("time"));
}

TEST(LoggerTest, NoValueBreaksALine) {
  const std::string hostile("a\nb\r\x1b[31m\0\x7f\xe2\x80\xa8\xff", 15);
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string line = LineOf(format, hostile);

    EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
    EXPECT_TRUE(
        std::ranges::all_of(line.substr(0, line.size() - 1),
                            [](char c) { return c >= ' ' && c <= '~'; }))
        << line;
  }
}

TEST(LoggerTest, BytesThatAreNoUtf8StillGiveValidJson) {
  const std::string line = LineOf(LogFormat::kJson, std::string("\xff\xfe"));

  EXPECT_TRUE(nlohmann::json::accept(line)) << line;
}

TEST(LoggerTest, NotANumberStillGivesValidJson) {
  const std::string line = LineOf(LogFormat::kJson, std::stod("nan"));

  EXPECT_TRUE(nlohmann::json::accept(line)) << line;
}

TEST(LoggerTest, TextWithBlanksIsQuoted) {
  EXPECT_THAT(LineOf(LogFormat::kText, std::string("two words")),
              EndsWith(" event name=\"two words\"\n"));
  EXPECT_THAT(LineOf(LogFormat::kText, std::string()),
              EndsWith(" event name=\"\"\n"));
}

TEST(LoggerTest, AValueCannotPretendToBeAnotherField) {
  EXPECT_THAT(LineOf(LogFormat::kText, std::string("x run=other")),
              EndsWith("name=\"x run=other\"\n"));
}

TEST(LoggerTest, LeavesOutWhatIsBelowItsLevel) {
  std::ostringstream out;
  Logger logger(LogFormat::kText, LogLevel::kWarning, out);

  logger.Debug("quiet");
  logger.Info("quiet");
  logger.Error("loud");

  EXPECT_THAT(out.str(), HasSubstr("loud"));
  EXPECT_THAT(out.str(), Not(HasSubstr("quiet")));
}

}  // namespace
}  // namespace firekeeper::server
