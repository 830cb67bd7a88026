#include "server/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/failpoint.h"
#include "server/grpc_limits.h"
#include "server/process.h"
#include "server/telemetry/exposition.h"
#include "server/telemetry/families.h"
#include "server/version.h"

namespace firekeeper::server {
namespace {

// Descriptors for everything that is no gRPC connection: listeners, epoll,
// HTTP, files.
constexpr std::uint64_t kReservedDescriptors = 256;

// What calls that are no ingest streams get at shutdown. Queries take
// milliseconds; health watches would never end, and idle clients of gRPC look
// at their connection only every five seconds.
constexpr std::chrono::seconds kLastCalls{1};

// The last commit gets this even where the grace is used up.
constexpr std::chrono::seconds kLastCommit{5};

// Decides for one server whether it has reflection: the library gives it to
// every server of a process that links it.
class ReflectionOption final : public grpc::ServerBuilderOption {
 public:
  explicit ReflectionOption(bool wanted) : wanted_(wanted) {}

  void UpdateArguments(grpc::ChannelArguments* /*arguments*/) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>*
                         plugins) override {
    auto plugin =
        std::make_unique<grpc::reflection::ProtoServerReflectionPlugin>();
    std::erase_if(*plugins, [&](const auto& other) {
      return other->name() == plugin->name();
    });
    if (wanted_) plugins->push_back(std::move(plugin));
  }

 private:
  const bool wanted_;
};

void SetKeepalive(grpc::ServerBuilder* builder) {
  // Finds peers that vanished without a word.
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  // Clients may ask after us every ten seconds, also between calls; a third
  // ping that comes too soon ends the connection.
  builder->AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2);
  // A connection without calls gives its place back.
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 300'000);
}

// Readers see the old file, none, or the whole new one.
absl::Status WritePortFile(const std::string& path, std::uint32_t port) {
  if (path.empty()) return absl::OkStatus();
  const std::string scratch = absl::StrCat(path, ".new");
  std::ofstream file(scratch, std::ios::trunc);
  file << port << '\n';
  file.close();
  if (!file || std::rename(scratch.c_str(), path.c_str()) != 0) {
    std::remove(scratch.c_str());
    return absl::UnavailableError(absl::StrCat("cannot write ", path));
  }
  return absl::OkStatus();
}

absl::Status AsCredentialError(const absl::Status& status) {
  return absl::PermissionDeniedError(status.message());
}

absl::StatusOr<Gate> MakeGate(const Options& options, Logger& logger) {
  if (options.token_file.empty()) return Gate();
  if (IsReadableByOthers(options.token_file)) {
    logger.Warning("token_file_is_readable_by_others",
                   {{"path", options.token_file}});
  }
  return Gate::FromFile(options.token_file);
}

void WarnOfExposure(const Options& options, Logger& logger) {
  const bool exposed =
      !IsLoopback(options.host) || !IsLoopback(options.http_host);
  if (!exposed) return;
  if (options.tls_cert.empty()) {
    logger.Warning("no_tls",
                   {{"consequence", std::string("payload and tokens travel "
                                                "readable by the network")}});
  }
  if (options.token_file.empty() && options.client_ca.empty()) {
    logger.Warning(
        "no_tokens_and_no_client_ca",
        {{"consequence", std::string("anyone who reaches the port "
                                     "reads and writes every run")}});
  }
}

// Fewer connections where the process may not open enough descriptors.
absl::StatusOr<Options> FitToDescriptors(Options options, Logger& logger) {
  const std::uint64_t descriptors = RaiseDescriptorLimit();
  if (descriptors <= kReservedDescriptors) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the process may open ", descriptors,
        " descriptors; it needs more than ", kReservedDescriptors));
  }
  const std::uint64_t most = descriptors - kReservedDescriptors;
  if (options.limits.max_connections > most) {
    logger.Warning("max_connections_lowered",
                   {{"wanted", std::uint64_t{options.limits.max_connections}},
                    {"now", most},
                    {"descriptors", descriptors}});
    options.limits.max_connections = most;
  }
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Options& options,
                                                      Logger& logger,
                                                      const NowFunction& now) {
  auto tls =
      ReadTlsMaterial(options.tls_cert, options.tls_key, options.client_ca);
  if (!tls.ok()) return AsCredentialError(tls.status());
  auto gate = MakeGate(options, logger);
  if (!gate.ok()) return AsCredentialError(gate.status());
  WarnOfExposure(options, logger);
  auto fitted = FitToDescriptors(options, logger);
  if (!fitted.ok()) return fitted.status();

  auto keeper = StoreKeeper::Open(options, logger);
  if (!keeper.ok()) return keeper.status();

  std::unique_ptr<Server> server(new Server(
      *std::move(fitted), *std::move(gate), logger, now, *std::move(keeper)));
  absl::Status status = server->keeper_->Recover(server->registry_);
  server->registry_.RecordWith(&server->recorder_);
  if (status.ok()) status = server->Listen(*tls);
  if (status.ok()) status = server->BuildGrpc(*tls);
  if (!status.ok()) return status;
  server->Accept();
  status = server->WritePortFiles();
  if (!status.ok()) return status;
  logger.Info("started", {{"version", std::string(kVersion)},
                          {"host", options.host},
                          {"port", std::uint64_t{server->port()}},
                          {"http_host", options.http_host},
                          {"http_port", std::uint64_t{server->http_port()}},
                          {"tls", tls->enabled()},
                          {"tokens", server->gate_.requires_token()}});
  return server;
}

Server::Server(Options options, Gate gate, Logger& logger,
               const NowFunction& now, std::unique_ptr<StoreKeeper> keeper)
    : options_(std::move(options)),
      logger_(logger),
      gate_(std::move(gate)),
      keeper_(std::move(keeper)),
      registry_(options_.limits, options_.state, now, keeper_->queue()),
      recorder_(options_, registry_, keeper_->store(), logger_),
      queries_(registry_, now()),
      ingest_(registry_, gate_, grpc_metrics_, logger_,
              {.max_streams = options_.max_streams,
               .open_timeout = absl::FromChrono(options_.open_timeout),
               .idle_timeout = absl::FromChrono(options_.stream_idle)}),
      diagnostics_(queries_, gate_, grpc_metrics_),
      json_api_(queries_),
      collector_(registry_.board(), registry_.memory(), options_.series_budget,
                 [this] {
                   return TransportGauges{
                       .streams_open = ingest_.open_streams(),
                       .connections_open = listener_->open(),
                       .connections_refused = listener_->refused()};
                 }) {}

Server::~Server() {
  Shutdown(Clock::now());
  keeper_->Tell(nullptr);
}

absl::Status Server::Listen(const TlsMaterial& tls) {
  auto listener = Listener::Bind(options_.host, options_.port,
                                 options_.limits.max_connections);
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);
  auto http = HttpServer::Bind(
      {.host = options_.http_host,
       .port = options_.http_port,
       .threads = options_.http_threads},
      tls, gate_,
      {.metrics = [this] { return Metrics(); },
       .ready = [this] { return ready_.load(); },
       .api =
           [this](const std::string& tenant, const std::string& method,
                  const HttpParameters& parameters) {
             return json_api_.Answer(tenant, method, parameters);
           }},
      logger_);
  if (absl::IsInvalidArgument(http.status())) {
    return AsCredentialError(http.status());
  }
  if (!http.ok()) return http.status();
  http_ = *std::move(http);
  // A server that crashed may have left them; nobody must read the old port.
  // Not before: a server that still runs may own address and files.
  RemovePortFiles();
  return absl::OkStatus();
}

absl::Status Server::BuildGrpc(const TlsMaterial& tls) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  SetGrpcLimits(options_, &builder);
  SetKeepalive(&builder);
  // Only reflection is synchronous.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
  builder.SetOption(std::make_unique<ReflectionOption>(
      options_.reflection || !gate_.requires_token()));
  acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      GrpcCredentials(tls));
  builder.RegisterService(&ingest_);
  builder.RegisterService(&diagnostics_);
  grpc_ = builder.BuildAndStart();
  if (!grpc_) return absl::InternalError("gRPC did not start");
  return absl::OkStatus();
}

void Server::Accept() {
  listener_->Start([this](int listening, int accepted) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters
        connection;
    connection.listener_fd = listening;
    connection.fd = accepted;
    acceptor_->HandleNewConnection(&connection);
  });
  keeper_->Tell([this] { ingest_.OnCommitted(); });
  // The first scrape after a restart has every run, or alerts would clear.
  registry_.Sweep();
  sweeper_ = std::jthread([this](const std::stop_token& stop) { Sweep(stop); });
  ready_ = true;
  http_->Start();
}

std::shared_ptr<grpc::Channel> Server::InProcessChannel() {
  return grpc_->InProcessChannel(grpc::ChannelArguments());
}

std::string Server::Metrics() const {
  std::vector<prometheus::MetricFamily> families = collector_.Collect();
  for (const prometheus::Collectable* source :
       {static_cast<const prometheus::Collectable*>(&grpc_metrics_),
        static_cast<const prometheus::Collectable*>(&process_metrics_)}) {
    std::vector<prometheus::MetricFamily> more = source->Collect();
    std::move(more.begin(), more.end(), std::back_inserter(families));
  }
  for (const StoreMetric& metric : keeper_->Metrics()) {
    families.push_back(Family(metric.name, metric.help,
                              metric.is_counter
                                  ? prometheus::MetricType::Counter
                                  : prometheus::MetricType::Gauge));
    AddSample(&families.back(), {}, metric.value);
  }
  std::erase_if(families, [](const prometheus::MetricFamily& family) {
    return family.metric.empty();
  });
  return ExpositionText(families);
}

absl::Status Server::WritePortFiles() {
  port_files_written_ = true;
  absl::Status status = WritePortFile(options_.port_file, port());
  if (!status.ok()) return status;
  return WritePortFile(options_.http_port_file, http_port());
}

void Server::RemovePortFiles() const {
  for (const std::string& path :
       {options_.port_file, options_.http_port_file}) {
    if (!path.empty()) std::remove(path.c_str());
  }
}

void Server::Sweep(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  while (!stopped.wait_for(lock, stop, std::chrono::seconds(1),
                           [&stop] { return stop.stop_requested(); })) {
    registry_.Sweep();
    for (const RunKey& gone : registry_.Retain(keeper_->used_bytes())) {
      logger_.Info("run_deleted_by_retention",
                   {{"tenant", gone.tenant}, {"run", gone.run_id}});
    }
    ingest_.Tick();
  }
}

void Server::WaitForStreams(Clock::time_point deadline) const {
  constexpr std::chrono::milliseconds kPoll{5};
  while (ingest_.open_streams() > 0 && Clock::now() < deadline) {
    std::this_thread::sleep_for(kPoll);
  }
}

void Server::Flush(Clock::time_point deadline) {
  const absl::Status flushed = keeper_->Flush(absl::FromChrono(deadline));
  if (!flushed.ok()) {
    logger_.Warning("not_all_committed",
                    {{"error", std::string(flushed.message())}});
  }
}

void Server::Shutdown(Clock::time_point deadline) {
  absl::call_once(shutdown_, [&] { ShutdownOnce(deadline); });
}

void Server::ShutdownOnce(Clock::time_point deadline) {
  // Start() failed half way: nothing was served, nothing is worth a line.
  if (!grpc_) return;
  logger_.Info("shutdown_started",
               {{"streams", std::uint64_t{ingest_.open_streams()}}});
  ready_ = false;
  grpc_->GetHealthCheckService()->SetServingStatus(false);
  listener_->Stop();
  Failpoint("shutdown.begin");
  // Before the streams end, so that their last ack says what is safe.
  Flush(deadline);
  Failpoint("shutdown.flushed");
  ingest_.Drain();
  WaitForStreams(deadline);
  grpc_->Shutdown(std::min(deadline, Clock::now() + kLastCalls));
  sweeper_ = std::jthread();
  recorder_.Finish();
  Failpoint("shutdown.drained");
  Flush(std::max(deadline, Clock::now() + kLastCommit));
  Failpoint("shutdown.committed");
  http_->Stop();
  if (port_files_written_) RemovePortFiles();
  logger_.Info("shutdown_finished");
}

}  // namespace firekeeper::server
