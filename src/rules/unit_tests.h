// `keelwatch test rules`: unit tests of rules in promtool's format
// (https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/,
// cmd/promtool/unittest.go) and with its results. Alerts follow Prometheus' semantics here, not
// this program's own.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace keelwatch::rules {

struct UnitTestOptions {
  std::string run = {};  // regular expression, unanchored: only tests whose name it matches
  bool diff = false;
  bool ignore_unknown = false;
};

struct UnitTestReport {
  std::string file;
  std::vector<std::string> failures;  // as promtool prints them; empty: success
  std::vector<std::string> warnings;
  std::size_t tests = 0;

  [[nodiscard]] bool good() const { return failures.empty(); }
  // "Unit Testing:  FILE", and SUCCESS or FAILED with what failed.
  [[nodiscard]] std::string text() const;
};

// Rule files are relative to the test file's folder. Blocks on the files. Errors: kInvalid, the
// regular expression of the options. What is wrong with a file is among its failures.
[[nodiscard]] Result<std::vector<UnitTestReport>> run_unit_tests(
    const std::vector<std::string>& files, const UnitTestOptions& options = {});

}  // namespace keelwatch::rules
