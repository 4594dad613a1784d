// The subcommands behind the command line, one function each; each returns the exit code.
#pragma once

#include <string>
#include <vector>

#include "app/archive_look.h"
#include "app/describe.h"
#include "app/query.h"
#include "app/restore_plan.h"
#include "base/clock.h"
#include "base/log.h"

namespace keelwatch::app {

struct ExplainOptions {
  std::string series;
  std::string server = "http://127.0.0.1:10555";
  bool json = false;
};
// Asks a running keelwatch; 0 also when there is no sample, since that is what was asked.
[[nodiscard]] int explain_command(const ExplainOptions& options);

// Prints the table, or with json the server's answer as it is; 0 also when there are no series.
[[nodiscard]] int query_command(const QueryOptions& options);

struct TestPromqlOptions {
  std::vector<std::string> paths;  // scripts, and folders of *.test files
  bool json = false;
};
// Runs promqltest scripts; 1 if a case failed or a file could not be read.
[[nodiscard]] int test_promql_command(const TestPromqlOptions& options);

struct BackupsOptions {
  ArchiveLookOptions look;
  std::string cluster;  // empty: all archives
  bool json = false;
};
// Prints what the object stores hold; 1 if an archive cannot be restored, or is unknown.
[[nodiscard]] int backups_command(const BackupsOptions& options, Logger& log);

struct RestorePlanOptions {
  ArchiveLookOptions look;
  RestorePlanRequest request;
};
// Prints a manifest; 1, and why, if there is nothing to restore to.
[[nodiscard]] int restore_plan_command(const RestorePlanOptions& options, Logger& log);

struct WhatIfOptions {
  ArchiveLookOptions look;  // without a server
  std::string server;       // a running keelwatch; empty: the command looks by itself
  std::vector<std::string> nodes;
  std::vector<std::string> zones;
  std::vector<std::string> hosts;
  std::string cluster;
  bool json = false;
};
// Prints what is lost and what survives; 1 if the data or the service of a database does not, or
// is unknown; 2 if what is to be lost does not exist.
[[nodiscard]] int what_if_command(const WhatIfOptions& options, Logger& log);

struct RecordOptions {
  std::string config_file;
  std::string out;      // empty or "-": stdout
  Duration duration{};  // zero: until SIGINT or SIGTERM
};
// Watches as `run` does, without serving, and writes what the sources say to a tape.
[[nodiscard]] int record_command(const RecordOptions& options, Logger& log);

struct ReplayOptions {
  std::string tape;
  std::string config_file;
  bool json = false;
};
// Prints the timeline that a tape gives.
[[nodiscard]] int replay_command(const ReplayOptions& options);

}  // namespace keelwatch::app
