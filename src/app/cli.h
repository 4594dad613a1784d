// The command line: argv to a subcommand to an exit code. Exit codes, documented in --help: 0 done,
// 1 the command failed or found a fault, 2 wrong usage. stdout is data, stderr everything else.
#pragma once

namespace keelwatch::app {

[[nodiscard]] int run_command_line(int argc, const char* const* argv);

}  // namespace keelwatch::app
