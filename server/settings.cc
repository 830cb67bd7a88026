#include "server/settings.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/diagnosis_settings.h"
#include "server/storage_settings.h"

namespace firekeeper::server {
namespace {

// Integers above 2^53 do not survive a double, and no limit needs them.
constexpr double kMaxCount = 9'007'199'254'740'992.0;
constexpr double kMaxSeconds = 31'536'000.0;  // a year
constexpr double kMaxPort = 65'535.0;
constexpr double kMiB = 1'048'576.0;

template <typename Enum>
struct Choice {
  const char* name;
  Enum value;
};
constexpr std::array<Choice<LogFormat>, 2> kLogFormats{
    {{"text", LogFormat::kText}, {"json", LogFormat::kJson}}};
constexpr std::array<Choice<LogLevel>, 4> kLogLevels{
    {{"debug", LogLevel::kDebug},
     {"info", LogLevel::kInfo},
     {"warning", LogLevel::kWarning},
     {"error", LogLevel::kError}}};

constexpr const auto& ChoicesOf(LogFormat) { return kLogFormats; }
constexpr const auto& ChoicesOf(LogLevel) { return kLogLevels; }

template <typename Enum>
std::string ChoiceNames() {
  std::string names;
  for (const auto& choice : ChoicesOf(Enum{})) {
    absl::StrAppend(&names, names.empty() ? "" : "|", choice.name);
  }
  return names;
}

absl::Status Unfit(const std::string& text, const std::string& wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is not ", wanted));
}

std::string TargetText(const std::string& value) { return value; }
std::string TargetText(bool value) { return value ? "true" : "false"; }
std::string TargetText(std::chrono::seconds value) {
  return absl::StrCat(value.count());
}
template <typename Enum>
requires std::is_enum_v<Enum> std::string TargetText(Enum value) {
  for (const auto& choice : ChoicesOf(Enum{})) {
    if (choice.value == value) return choice.name;
  }
  return {};
}
// The shortest text that reads back as the same value.
template <typename Number>
requires std::is_arithmetic_v<Number> std::string TargetText(Number value) {
  std::array<char, 32> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), end.ptr};
}

// One form for all numbers: "1000", not "1e+03".
std::string NumberText(double value) {
  return std::floor(value) == value && std::abs(value) <= kMaxCount
             ? absl::StrCat(static_cast<std::int64_t>(value))
             : TargetText(value);
}

absl::Status CheckRange(const Setting& setting, double value) {
  if (value >= setting.min && value <= setting.max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(NumberText(value), " is not between ",
                   NumberText(setting.min), " and ", NumberText(setting.max)));
}

std::string Quoted(const std::string& text,
                   nlohmann::json::error_handler_t on_no_utf8) {
  return nlohmann::json(text).dump(-1, ' ', /*ensure_ascii=*/false, on_no_utf8);
}

// What a configuration file can say and a path can hold.
bool IsText(const std::string& text) {
  using Handler = nlohmann::json::error_handler_t;
  return text.find('\0') == std::string::npos &&
         Quoted(text, Handler::ignore) == Quoted(text, Handler::replace);
}

absl::Status SetTarget(const Setting& /*setting*/, const std::string& text,
                       std::string* target) {
  if (!IsText(text)) return Unfit(text, "UTF-8 without NUL");
  *target = text;
  return absl::OkStatus();
}

absl::Status SetTarget(const Setting& /*setting*/, const std::string& text,
                       bool* target) {
  if (text != "true" && text != "false") return Unfit(text, "true or false");
  *target = text == "true";
  return absl::OkStatus();
}

absl::Status SetTarget(const Setting& setting, const std::string& text,
                       double* target) {
  double value = 0.0;
  if (!absl::SimpleAtod(text, &value)) return Unfit(text, "a number");
  if (absl::Status status = CheckRange(setting, value); !status.ok()) {
    return status;
  }
  *target = value;
  return absl::OkStatus();
}

template <typename Integer>
requires std::is_integral_v<Integer> absl::Status SetTarget(
    const Setting& setting, const std::string& text, Integer* target) {
  std::int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) return Unfit(text, "a whole number");
  if (absl::Status status = CheckRange(setting, static_cast<double>(value));
      !status.ok()) {
    return status;
  }
  *target = static_cast<Integer>(value);
  return absl::OkStatus();
}

absl::Status SetTarget(const Setting& setting, const std::string& text,
                       std::chrono::seconds* target) {
  std::int64_t seconds = 0;
  absl::Status status = SetTarget(setting, text, &seconds);
  if (status.ok()) *target = std::chrono::seconds(seconds);
  return status;
}

template <typename Enum>
requires std::is_enum_v<Enum> absl::Status SetTarget(const Setting& /*setting*/,
                                                     const std::string& text,
                                                     Enum* target) {
  for (const auto& choice : ChoicesOf(Enum{})) {
    if (text != choice.name) continue;
    *target = choice.value;
    return absl::OkStatus();
  }
  return Unfit(text, absl::StrCat("one of ", ChoiceNames<Enum>()));
}

template <typename Target>
std::string KindOf() {
  if constexpr (std::is_same_v<Target, bool>) return "BOOLEAN";
  if constexpr (std::is_same_v<Target, std::string>) return "TEXT";
  if constexpr (std::is_same_v<Target, double>) return "NUMBER";
  if constexpr (std::is_same_v<Target, std::chrono::seconds>) return "SECONDS";
  if constexpr (std::is_enum_v<Target>) return ChoiceNames<Target>();
  return "INTEGER";
}

std::vector<Setting> ListenerSettings(Options& o) {
  const std::string group = "Listeners";
  return {
      {"host", group, "address that gRPC listens on", &o.host},
      {"port", group, "port of gRPC; 0 takes any free one", &o.port, 0,
       kMaxPort},
      {"port-file", group,
       "file that receives the gRPC port once the listener is up",
       &o.port_file},
      {"http-host", group, "address that HTTP (/metrics) listens on",
       &o.http_host},
      {"http-port", group, "port of HTTP; 0 takes any free one", &o.http_port,
       0, kMaxPort},
      {"http-port-file", group,
       "file that receives the HTTP port once the listener is up",
       &o.http_port_file},
      {"max-connections", group,
       "gRPC connections at a time; more are closed on arrival",
       &o.limits.max_connections, 1, 1e6},
      {"max-streams", group,
       "ingest streams at a time; more are told to come back", &o.max_streams,
       1, 1e6},
      {"http-threads", group, "HTTP requests answered at a time",
       &o.http_threads, 1, 256},
      {"handshake-timeout-seconds", group,
       "a gRPC connection must be set up within this", &o.handshake_timeout, 1,
       kMaxSeconds},
      {"open-timeout-seconds", group,
       "the first message of a stream must come within this", &o.open_timeout,
       1, kMaxSeconds},
      {"stream-idle-seconds", group,
       "a stream without a message for this long is ended; the client may "
       "come back",
       &o.stream_idle, 1, kMaxSeconds},
      {"shutdown-grace-seconds", group,
       "streams that have not taken their last ack after this are cancelled at "
       "shutdown",
       &o.shutdown_grace, 0, kMaxSeconds},
  };
}

std::vector<Setting> SecuritySettings(Options& o) {
  const std::string group = "Security";
  return {
      {"tls-cert", group, "PEM certificate chain of gRPC and HTTP",
       &o.tls_cert},
      {"tls-key", group, "PEM private key of the certificate", &o.tls_key},
      {"client-ca", group,
       "PEM certificates; clients of gRPC and HTTP must show one that these "
       "signed",
       &o.client_ca},
      {"token-file", group,
       "lines of \"TOKEN TENANT\"; calls and /metrics then need "
       "\"authorization: Bearer TOKEN\"",
       &o.token_file},
      {"insecure", group,
       "allow to listen beyond loopback without TLS and tokens", &o.insecure},
      {"reflection", group,
       "serve gRPC reflection although tokens are on (it has no token check)",
       &o.reflection},
  };
}

std::vector<Setting> LimitSettings(Options& o) {
  const std::string group = "Limits";
  Limits& l = o.limits;
  return {
      {"max-message-bytes", group, "largest gRPC message", &l.max_message_bytes,
       1'024, 512 * kMiB},
      {"max-tensor-bytes", group, "largest whole tensor, chunked or not",
       &l.max_tensor_bytes, 1, kMaxCount},
      {"max-units-per-layer", group, "widest layer", &l.max_units_per_layer, 1,
       kMaxCount},
      {"max-layers-per-run", group, "layers of a run", &l.max_layers_per_run, 1,
       1e6},
      {"max-units-per-run", group, "units of all layers of a run",
       &l.max_units_per_run, 1, kMaxCount},
      {"max-runs", group, "runs in memory, of all tenants", &l.max_runs, 1,
       1e6},
      {"max-sources", group, "sources of an attempt", &l.max_sources, 1, 1e6},
      {"credit-window-bytes", group,
       "bytes that a stream may have sent and not yet acked",
       &l.credit_window_bytes, 4'096, kMaxCount},
      {"max-name-bytes", group, "bytes of a name", &l.max_name_bytes, 1, 255},
      {"max-labels", group, "labels of a run", &l.max_labels, 0, 1'024},
      {"max-label-value-bytes", group, "bytes of the value of a label",
       &l.max_label_value_bytes, 1, 65'536},
      {"max-scalars-per-run", group, "different scalars of a run",
       &l.max_scalars_per_run, 0, 65'536},
      {"max-page-size", group, "entries of one page of a list",
       &l.max_page_size, 1, 100'000},
      {"max-state-bytes", group, "memory of all windows together",
       &l.max_state_bytes, kMiB, kMaxCount},
      {"grpc-memory-bytes", group, "memory of gRPC's own buffers",
       &o.grpc_memory_bytes, 16 * kMiB, kMaxCount},
      {"series-budget", group,
       "series of one scrape; the layers that fare best are left out first",
       &o.series_budget, 0, 1e7},
  };
}

std::vector<Setting> StateSettingRows(Options& o) {
  const std::string group = "Statistics";
  StateSettings& s = o.state;
  core::CertificateSettings& certificate = s.health.certificate;
  core::StateThresholds& thresholds = s.health.thresholds;
  // The bounds of a probability, both exclusive in truth.
  constexpr double kLeast = std::numeric_limits<double>::min();
  const double below_one = std::nextafter(1.0, 0.0);
  return {
      {"alpha", group, "probability of any false DEAD in a run",
       &certificate.alpha, kLeast, below_one},
      {"p0", group, "firing rate per observation that DEAD rules out",
       &certificate.p0, kLeast, below_one},
      {"pc0", group, "firing rate per cluster that DEAD rules out",
       &certificate.pc0, kLeast, below_one},
      {"min-coverage", group,
       "share of data shards that DEAD needs in every window",
       &s.health.min_coverage, kLeast, 1},
      {"horizon-windows", group,
       "a unit that fired within this many windows is ALIVE",
       &s.health.horizon_windows, 1, 1'024},
      {"dying-ratio", group,
       "DYING: the firing rate is surely below this share of what it was",
       &thresholds.dying_ratio, kLeast, below_one},
      {"rare-rate", group, "RARE: the firing rate is surely below this",
       &thresholds.rare_rate, 0, 1},
      {"dormant-score", group,
       "DORMANT: mean |a| is at most this share of the layer's mean of it",
       &thresholds.dormant_score, 0, 1},
      {"saturated-share", group,
       "SATURATED: the gate is surely closed on at least this share",
       &thresholds.saturated_share, kLeast, 1},
      {"window-steps", group, "longest window; a power of two", &s.window_steps,
       1, 1 << 30},
      {"retained-windows", group, "closed windows that late data can reach",
       &s.retained_windows, 1, 1'024},
      {"source-idle-seconds", group,
       "a source without a message for this long is not live", &s.source_idle,
       1, kMaxSeconds},
      {"window-age-seconds", group, "a window closes after this at the latest",
       &s.window_age, 1, kMaxSeconds},
      {"ended-metrics-ttl-seconds", group,
       "an ended run leaves /metrics after this", &s.ended_metrics_ttl, 0,
       kMaxSeconds},
      {"ended-run-ttl-seconds", group, "an ended run leaves memory after this",
       &s.ended_run_ttl, 0, kMaxSeconds},
      {"silent-run-ttl-seconds", group,
       "a run that went silent leaves memory after this", &s.silent_run_ttl, 1,
       kMaxSeconds},
  };
}

std::vector<Setting> ProcessSettings(Options& o) {
  const std::string group = "Process";
  return {
      {"log-format", group, "form of the log on stderr", &o.log_format},
      {"log-level", group, "least level that is logged", &o.log_level},
      {"bdp-probe", group,
       "let gRPC measure the path to size its windows; slower on loopback",
       &o.bdp_probe},
      {"malloc-tuning", group,
       "keep freed memory for the next message instead of giving it back",
       &o.malloc_tuning},
  };
}

}  // namespace

std::string Setting::EnvironmentName() const {
  return absl::StrCat("FIREKEEPER_", absl::AsciiStrToUpper(absl::StrReplaceAll(
                                         name, {{"-", "_"}})));
}

std::string Setting::KindName() const {
  return std::visit(
      [](auto* held) {
        return KindOf<std::remove_pointer_t<decltype(held)>>();
      },
      target);
}

bool Setting::is_boolean() const {
  return std::holds_alternative<bool*>(target);
}

absl::Status Setting::Set(const std::string& text) const {
  return std::visit([&](auto* held) { return SetTarget(*this, text, held); },
                    target);
}

std::string Setting::Text() const {
  return std::visit([](const auto* held) { return TargetText(*held); }, target);
}

std::string Setting::TomlText() const {
  const bool is_text = std::holds_alternative<std::string*>(target) ||
                       std::holds_alternative<LogFormat*>(target) ||
                       std::holds_alternative<LogLevel*>(target);
  if (!is_text) return Text();
  // JSON's escapes are valid in a basic string of TOML.
  return Quoted(Text(), nlohmann::json::error_handler_t::replace);
}

std::vector<Setting> SettingsOf(Options& options) {
  std::vector<Setting> settings;
  for (auto* rows :
       {&ListenerSettings, &SecuritySettings, &LimitSettings, &StateSettingRows,
        &AlarmSettingRows, &DiagnosisSettingRows, &StorageSettingRows,
        &ProcessSettings}) {
    for (Setting& row : rows(options)) settings.push_back(std::move(row));
  }
  return settings;
}

}  // namespace firekeeper::server
