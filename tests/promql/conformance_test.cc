// Runs whole scripts: our own beside this file, and a part of Prometheus' suite where there is one.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "base/file.h"
#include "promql/script.h"

namespace keelwatch::promql {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> scripts_in(const fs::path& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".test") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

ScriptReport run_file(const std::string& file) {
  Result<std::string> text = read_file(file, kMaxScriptBytes);
  REQUIRE(text);
  Result<ScriptReport> report = run_script(SourceFile(fs::path(file).filename(), *text));
  INFO((report ? "" : report.error().message()));
  REQUIRE(report);
  return *std::move(report);
}

TEST_CASE("our own scripts pass, without an exception", "[promql]") {
  const std::vector<std::string> files = scripts_in(KEELWATCH_SOURCE_DIR "/tests/promql");
  REQUIRE(!files.empty());
  for (const std::string& file : files) {
    const ScriptReport report = run_file(file);
    INFO(report.text());
    CHECK(report.count(CaseOutcome::kPassed) == report.cases.size());
    CHECK(!report.cases.empty());
  }
}

TEST_CASE("Prometheus' own scripts pass where they need no native histograms", "[promql]") {
  const char* configured = std::getenv("KEELWATCH_PROMQL_CONFORMANCE");
  const fs::path folder = configured != nullptr
                              ? fs::path(configured)
                              : fs::path(KEELWATCH_SOURCE_DIR) / "../shared/conformance/promql";
  if (configured != nullptr) REQUIRE(fs::is_directory(folder));
  if (!fs::is_directory(folder)) {
    WARN("not run: no scripts in " << folder.string()
                                   << "; KEELWATCH_PROMQL_CONFORMANCE names their folder");
    return;
  }
  std::string details;
  std::size_t passed = 0;
  std::size_t failed = 0;
  std::size_t unsupported = 0;
  for (const std::string& file : scripts_in(folder)) {
    const ScriptReport report = run_file(file);
    passed += report.count(CaseOutcome::kPassed);
    failed += report.count(CaseOutcome::kFailed);
    unsupported += report.count(CaseOutcome::kUnsupported);
    details += report.text();
  }
  INFO(details);
  std::cout << "promql conformance: " << passed << " passed, " << failed << " failed, "
            << unsupported << " unsupported\n";
  if (std::getenv("KEELWATCH_PROMQL_VERBOSE") != nullptr) std::cout << details;
  CHECK(failed == 0);
  CHECK(passed >= 732);  // of the 1,045 that the shared part has
}

}  // namespace
}  // namespace keelwatch::promql
