// The subcommands behind the command line, one function each; each returns the exit code.
#pragma once

#include <string>

#include "app/describe.h"
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
