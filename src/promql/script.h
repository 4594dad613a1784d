// promqltest scripts (prometheus/prometheus promql/promqltest): load series, evaluate, compare.
// Runs on the program's own store, so that a script tests both.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "base/labels.h"
#include "base/result.h"

namespace keelwatch::promql {

inline constexpr std::size_t kMaxScriptBytes = 16 << 20;

// One point of a series: a value, a gap, or a native histogram, which this program does not have.
struct ScriptPoint {
  enum class Kind { kValue, kGap, kHistogram };
  Kind kind = Kind::kGap;
  double value = 0;
};

struct ScriptSeries {
  Labels labels;
  std::vector<ScriptPoint> points;
};

// expect warn|info|fail ... and the old eval_* forms.
struct Expectation {
  enum class Kind { kFail, kWarn, kInfo, kNoWarn, kNoInfo };
  Kind kind = Kind::kFail;
  std::string message;  // "": any
  bool regex = false;
};

struct ScriptCommand {
  enum class Kind { kLoad, kClear, kInstant, kRange };
  Kind kind = Kind::kClear;
  int line = 0;
  int column = 0;             // of the query
  std::int64_t start_ms = 0;  // the time of an instant query
  std::int64_t end_ms = 0;
  std::int64_t step_ms = 0;     // of load too
  bool custom_buckets = false;  // load_with_nhcb
  std::string query;
  bool ordered = false;
  std::vector<Expectation> expectations;
  std::optional<double> scalar;
  std::optional<std::string> text;
  bool range_vector = false;  // the series below are one, from here in steps of step_ms
  std::int64_t series_start_ms = 0;
  std::vector<ScriptSeries> series;

  [[nodiscard]] bool expects(Expectation::Kind wanted) const;
};

// Reports what is wrong in `problems`; the commands are complete only if it has no errors.
[[nodiscard]] std::vector<ScriptCommand> parse_script(Diagnostics& problems);

enum class CaseOutcome { kPassed, kFailed, kUnsupported };
[[nodiscard]] std::string_view to_string(CaseOutcome outcome);  // "passed", ...

struct CaseResult {
  int line = 0;
  int column = 0;
  std::string query;
  CaseOutcome outcome = CaseOutcome::kPassed;
  std::string reason;  // unless passed
};

struct ScriptReport {
  std::string file;
  std::vector<CaseResult> cases;

  [[nodiscard]] std::size_t count(CaseOutcome outcome) const;
  // A line per case that did not pass ("FILE:LINE:COLUMN: failed: QUERY: REASON") and the sums.
  [[nodiscard]] std::string text() const;
};

// Runs each instant query also with `@ time` on its selectors at other times and as the middle of a
// range query, as Prometheus' suite does; delayed name removal is on. Errors: kInvalid, the script
// itself is wrong (with all places).
[[nodiscard]] Result<ScriptReport> run_script(const SourceFile& script);

}  // namespace keelwatch::promql
