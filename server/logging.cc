#include "server/logging.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ostream_sink.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace firekeeper::server {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%eZ %l %v";
// The message brings the rest of the object.
constexpr const char* kJsonPattern =
    R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v)";

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

Json ToJson(const LogValue& value) {
  return std::visit([](const auto& held) { return Json(held); }, value);
}

// ASCII, control characters escaped, bytes that are no UTF-8 replaced.
std::string Dump(const Json& json) {
  return json.dump(/*indent=*/-1, /*indent_char=*/' ', /*ensure_ascii=*/true,
                   Json::error_handler_t::replace);
}

bool IsPlainWord(const std::string& text) {
  constexpr const char* kPlain =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
      "_.:/@+-[],%";
  return !text.empty() && text.find_first_not_of(kPlain) == std::string::npos;
}

std::string TextOf(const LogValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr && IsPlainWord(*text) ? *text : Dump(ToJson(value));
}

std::string TextLine(const char* event,
                     std::initializer_list<LogField> fields) {
  std::string line = event;
  for (const LogField& field : fields) {
    line.append(" ").append(field.name).append("=").append(TextOf(field.value));
  }
  return line;
}

std::string JsonLine(const char* event,
                     std::initializer_list<LogField> fields) {
  Json object{{"event", event}};
  for (const LogField& field : fields) {
    object[field.name] = ToJson(field.value);
  }
  return Dump(object).substr(1);
}

}  // namespace

Logger::Logger(LogFormat format, LogLevel level, std::ostream& out)
    : format_(format) {
  auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(
      out, /*force_flush=*/true);
  sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      format == LogFormat::kJson ? kJsonPattern : kTextPattern,
      spdlog::pattern_time_type::utc));
  sink_ = std::make_shared<spdlog::logger>("firekeeperd", std::move(sink));
  sink_->set_level(ToSpdlog(level));
}

void Logger::Debug(const char* event, std::initializer_list<LogField> fields) {
  Log(LogLevel::kDebug, event, fields);
}

void Logger::Info(const char* event, std::initializer_list<LogField> fields) {
  Log(LogLevel::kInfo, event, fields);
}

void Logger::Warning(const char* event,
                     std::initializer_list<LogField> fields) {
  Log(LogLevel::kWarning, event, fields);
}

void Logger::Error(const char* event, std::initializer_list<LogField> fields) {
  Log(LogLevel::kError, event, fields);
}

void Logger::Log(LogLevel level, const char* event,
                 std::initializer_list<LogField> fields) {
  const spdlog::level::level_enum spdlog_level = ToSpdlog(level);
  if (!sink_->should_log(spdlog_level)) return;
  sink_->log(spdlog_level, format_ == LogFormat::kJson
                               ? JsonLine(event, fields)
                               : TextLine(event, fields));
}

}  // namespace firekeeper::server
