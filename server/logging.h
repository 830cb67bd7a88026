// Structured log lines on one stream: an event and named fields, as text or as
// JSON, one line each whatever the fields hold.

#pragma once

#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <string>
#include <variant>

namespace spdlog {
class logger;
}

namespace firekeeper::server {

enum class LogFormat : std::uint8_t { kText, kJson };
enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

using LogValue =
    std::variant<std::string, std::int64_t, std::uint64_t, double, bool>;

// A fact beside the event. Never a payload and never a token. The names
// "time", "level" and "event" belong to the line itself.
struct LogField {
  const char* name;
  LogValue value;
};

// Text: `2026-01-31T12:00:00.000Z info stream_opened run=digits source=0`,
// values that are not plain words as JSON strings in ASCII.
// JSON: {"time":…,"level":…,"event":…,"run":"digits",…}, always valid.
// No value can break a line: control characters are escaped, bytes that are no
// UTF-8 replaced.
//
// Thread-safe. Every line is flushed.
class Logger {
 public:
  // Requires: `out` outlives the logger.
  Logger(LogFormat format, LogLevel level, std::ostream& out);

  // `event` is a constant in lower_snake_case.
  void Debug(const char* event, std::initializer_list<LogField> fields = {});
  void Info(const char* event, std::initializer_list<LogField> fields = {});
  void Warning(const char* event, std::initializer_list<LogField> fields = {});
  void Error(const char* event, std::initializer_list<LogField> fields = {});
  void Log(LogLevel level, const char* event,
           std::initializer_list<LogField> fields);

 private:
  LogFormat format_;
  std::shared_ptr<spdlog::logger> sink_;
};

}  // namespace firekeeper::server
