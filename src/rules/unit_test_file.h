// The files of unit tests, read. Not for use from outside rules/.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/diagnostics.h"
#include "promql/script.h"

namespace keelwatch::rules {

// Names to values, an empty value counts.
using TextMap = std::map<std::string, std::string>;

struct ExpectedAlert {
  TextMap labels;  // with alertname
  TextMap annotations;
};

struct AlertTest {
  Duration at{};
  std::string alert;
  std::vector<ExpectedAlert> expected;
};

struct ExpectedSample {
  Labels labels;
  double value = 0;
};

struct ExprTest {
  std::string expr;
  Duration at{};
  std::vector<ExpectedSample> expected;
};

struct UnitTest {
  std::string name;
  Duration interval{};
  std::vector<promql::ScriptSeries> series;
  std::vector<AlertTest> alerts;
  std::vector<ExprTest> exprs;
  TextMap external_labels;
  std::string external_url;
  WallTime start{};

  // The latest time that is asked for.
  [[nodiscard]] Duration length() const;
};

struct UnitTestFile {
  std::vector<std::string> rule_files;  // patterns, relative ones joined with the file's folder
  Duration evaluation_interval = std::chrono::minutes(1);
  std::vector<std::string> group_eval_order;
  bool fuzzy_compare = false;
  std::vector<UnitTest> tests;
};

// What is wrong is in `problems`.
[[nodiscard]] std::optional<UnitTestFile> parse_unit_tests(Diagnostics& problems,
                                                           bool ignore_unknown);

}  // namespace keelwatch::rules
