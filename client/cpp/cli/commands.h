// The subcommands of `firekeeper`. Each Add function declares one group of them
// and leaves in Shell::action what the parsed command line asks for.

#pragma once

#include <CLI/App.hpp>

#include "client/cpp/cli/shell.h"

namespace firekeeper::client::cli {

// Requires of all: `shell` outlives the app.
void AddServerCommands(CLI::App& app, Shell& shell);   // health, info
void AddRunCommands(CLI::App& app, Shell& shell);      // runs, run, end, delete
void AddLayerCommands(CLI::App& app, Shell& shell);    // layers, history
void AddUnitsCommand(CLI::App& app, Shell& shell);     // units
void AddWatchCommand(CLI::App& app, Shell& shell);     // watch
void AddPushCommand(CLI::App& app, Shell& shell);      // push
void AddCheckCommand(CLI::App& app, Shell& shell);     // check
void AddDiagnoseCommand(CLI::App& app, Shell& shell);  // diagnose
void AddEventsCommand(CLI::App& app, Shell& shell);    // events
void AddExportCommand(CLI::App& app, Shell& shell);    // export
void AddRecordCommands(CLI::App& app, Shell& shell);   // record, replay

}  // namespace firekeeper::client::cli
