// The configuration file into a Config. Whatever is wrong with it is reported at once, with places.
//
// Everything is optional and null means the default. What one of postgres.clusters does not set of
// the login is filled in from postgres.*; file names are completed from the folder of the
// configuration file. A file that is named and not there is a warning: Secrets may be mounted
// later. Variables of the environment are not expanded.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/diagnostics.h"
#include "config/config.h"

namespace keelwatch::config {

struct Loaded {
  std::optional<Config> config;  // nothing if there are errors
  Diagnostics problems;
};

// `folder`: what relative file names are completed with; empty leaves them alone.
[[nodiscard]] Loaded load(const SourceFile& source, const std::string& folder = {});

// Blocks on the file and on a look at each file that it names.
[[nodiscard]] Loaded load_file(const std::string& path);

// Every file that the configuration names: those to watch for changes.
[[nodiscard]] std::vector<std::string> files_of(const Config& config);

// For `check config FILE`: what to print, and the exit code: 0, or 1 with errors. Warnings are
// printed and leave it 0. JSON: [{file,line,column,severity,subject,problem,remedy}].
struct CheckResult {
  std::string text;
  int exit_code = 0;
};
[[nodiscard]] CheckResult check_file(const std::string& path, bool json);
// The same of a file that was loaded, with whatever has been added to its problems.
[[nodiscard]] CheckResult report_of(const std::string& path, const Loaded& loaded, bool json);

}  // namespace keelwatch::config
