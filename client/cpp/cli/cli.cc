#include "client/cpp/cli/cli.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "client/cpp/cli/commands.h"
#include "client/cpp/cli/shell.h"

namespace firekeeper::client::cli {

namespace {

// gRPC takes much more, and says nothing useful of a URL or a missing port.
CLI::Validator IsEndpoint() {
  return {[](const std::string& endpoint) -> std::string {
            const std::size_t colon = endpoint.rfind(':');
            const bool has_port =
                colon != std::string::npos && colon + 1 < endpoint.size();
            const bool is_url = endpoint.rfind("http", 0) == 0 &&
                                endpoint.find("://") != std::string::npos;
            if (has_port && !is_url) return {};
            return "\"" + endpoint +
                   "\" is not host:port, as 127.0.0.1:50061 is";
          },
          "", "host:port"};
}

void AddConnectionOptions(CLI::App& app, Shell& shell) {
  app.add_option("--endpoint", shell.connection.endpoint, "Server, host:port")
      ->envname("FIREKEEPER_ENDPOINT")
      ->check(IsEndpoint())
      ->capture_default_str();
  // No default is captured: --help must not print a secret.
  app.add_option("--token", shell.connection.token,
                 "Access token; better given by the environment, where other "
                 "users do not see it")
      ->envname("FIREKEEPER_TOKEN");
  app.add_flag("--tls", shell.connection.tls.enabled,
               "Connect with TLS, trusting the system's certificates");
  app.add_option("--ca-cert", shell.connection.tls.ca_cert_file,
                 "Connect with TLS, trusting this PEM file")
      ->envname("FIREKEEPER_CA_CERT");
  app.add_option("--client-cert", shell.connection.tls.client_cert_file,
                 "Our certificate, PEM")
      ->envname("FIREKEEPER_CLIENT_CERT");
  app.add_option("--client-key", shell.connection.tls.client_key_file,
                 "Its key, PEM")
      ->envname("FIREKEEPER_CLIENT_KEY");
  app.add_option("--timeout", shell.timeout_seconds,
                 "Seconds to wait for the server")
      ->check(CLI::Range(0.01, 86'400.0))
      ->capture_default_str();
  app.add_flag("--json", shell.json, "Answer in JSON");
}

}  // namespace

int RunCommandLine(int argc, const char* const* argv,
                   const Terminal& terminal) {
  Shell shell{.out = terminal.out,
              .err = terminal.err,
              .interactive = terminal.interactive};
  CLI::App app(
      "Asks a Firekeeper server which neurons are dead, since when, and why",
      "firekeeper");
  app.set_version_flag("--version", "firekeeper " FIREKEEPER_VERSION);
  app.require_subcommand(1);
  // Options of the connection may stand anywhere.
  app.fallthrough();
  app.footer(ExitCodeHelp());
  AddConnectionOptions(app, shell);
  AddServerCommands(app, shell);
  AddRunCommands(app, shell);
  AddLayerCommands(app, shell);
  AddUnitsCommand(app, shell);
  AddWatchCommand(app, shell);
  AddPushCommand(app, shell);
  AddCheckCommand(app, shell);
  AddDiagnoseCommand(app, shell);
  AddEventsCommand(app, shell);
  AddExportCommand(app, shell);
  AddRecordCommands(app, shell);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, terminal.out, terminal.err);
    return static_cast<int>(code == 0 ? ExitCode::kOk : ExitCode::kUsage);
  }
  return static_cast<int>(shell.action());
}

}  // namespace firekeeper::client::cli
