// Many scripts, and folders of them: what `keelwatch test promql` does.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "promql/script.h"

namespace keelwatch::promql {

struct ScriptFileReport {
  std::string file;
  // Errors: those of reading the file, and kInvalid with all mistakes of the script.
  Result<ScriptReport> report;
};

struct ScriptRun {
  std::vector<ScriptFileReport> files;

  [[nodiscard]] std::size_t count(CaseOutcome outcome) const;
  // No case failed and every file could be read; unsupported cases are no failures.
  [[nodiscard]] bool good() const;
  // ScriptReport::text() of each file, mistakes with their source lines; sums if there are several.
  [[nodiscard]] std::string text() const;
  // {"passed","failed","unsupported","files":[{"file","passed","failed","unsupported",
  //  "cases":[{"line","column","query","outcome","reason"}]} or {"file","error"}]}: the cases that
  // did not pass.
  [[nodiscard]] std::string json() const;
};

// Each path is a script, or a folder whose *.test files are run in order of their names; a folder
// without one is an error. Blocks on the files.
[[nodiscard]] ScriptRun run_scripts(const std::vector<std::string>& paths);

}  // namespace keelwatch::promql
