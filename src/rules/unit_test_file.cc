#include "rules/unit_test_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <set>

#include "base/mapping_reader.h"
#include "base/time_text.h"
#include "promql/parser.h"

namespace keelwatch::rules {
namespace {

// A YAML float, as Go's yaml reads it into a float64.
std::optional<double> parse_yaml_number(std::string_view text) {
  bool negative = false;
  if (text.starts_with('+') || text.starts_with('-')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  double value = 0;
  if (text == ".inf" || text == ".Inf" || text == ".INF") {
    value = std::numeric_limits<double>::infinity();
  } else if (text == ".nan" || text == ".NaN" || text == ".NAN") {
    return std::numeric_limits<double>::quiet_NaN();
  } else {
    std::string digits;
    for (const char c : text) {
      if (c != '_') digits += c;
    }
    const char* end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, value);
    if (digits.empty() || parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  }
  return negative ? -value : value;
}

class Reader {
 public:
  Reader(Diagnostics& problems, bool ignore_unknown)
      : problems_(problems), ignore_unknown_(ignore_unknown) {}

  UnitTestFile run(const YamlNode& root) {
    UnitTestFile file;
    MappingReader map(root, problems_);
    map.read("rule_files", file.rule_files);
    const std::filesystem::path folder =
        std::filesystem::path(problems_.source().name()).parent_path();
    for (std::string& pattern : file.rule_files) {
      if (!pattern.empty() && pattern.front() != '/') pattern = (folder / pattern).string();
    }
    if (map.read("evaluation_interval", file.evaluation_interval) &&
        file.evaluation_interval == Duration::zero()) {
      file.evaluation_interval = std::chrono::minutes(1);
    }
    map.read("group_eval_order", file.group_eval_order);
    std::set<std::string> names;
    for (const std::string& name : file.group_eval_order) {
      if (!names.insert(name).second) {
        map.error("group_eval_order",
                  fmt::format("group name repeated in evaluation order: {}", name));
      }
    }
    map.read("fuzzy_compare", file.fuzzy_compare);
    for (const YamlNode& test : map.list("tests")) {
      file.tests.push_back(unit_test(test, file.evaluation_interval));
    }
    finish(map, root);
    return file;
  }

 private:
  void finish(MappingReader& map, const YamlNode& node) {
    if (!ignore_unknown_) return;
    for (const YamlNode::Entry& entry : node.entries()) map.ignore(entry.key);
  }

  UnitTest unit_test(const YamlNode& node, Duration default_interval) {
    UnitTest test;
    const std::string name = node["name"].text();
    MappingReader map(node, problems_, name.empty() ? "test" : "test " + name);
    map.read("name", test.name);
    test.interval = default_interval;
    if (map.read("interval", test.interval) && test.interval == Duration::zero()) {
      test.interval = default_interval;
    }
    for (const YamlNode& item : map.list("input_series")) series(item, map.subject("series"), test);
    for (const YamlNode& item : map.list("alert_rule_test")) {
      alert_test(item, map.subject("alert_rule_test"), test);
    }
    for (const YamlNode& item : map.list("promql_expr_test")) {
      expr_test(item, map.subject("promql_expr_test"), test);
    }
    texts(map, "external_labels", test.external_labels);
    map.read("external_url", test.external_url);
    start(map, test);
    finish(map, node);
    return test;
  }

  // RFC 3339, or seconds.
  void start(MappingReader& map, UnitTest& test) {
    std::string text;
    if (!map.read("start_timestamp", text)) return;
    if (const std::optional<double> seconds = parse_yaml_number(text)) {
      test.start = from_unix_millis(std::llround(*seconds * 1000));
    } else if (const Result<WallTime> time = parse_rfc3339(text)) {
      test.start = *time;
    } else {
      map.error("start_timestamp", "not a time",
                "write it like 2026-11-25T02:56:43Z, or in seconds");
    }
  }

  void texts(MappingReader& map, const char* key, TextMap& out) {
    std::vector<std::pair<std::string, std::string>> pairs;
    if (!map.read(key, pairs)) return;
    for (auto& [name, value] : pairs) out.insert_or_assign(std::move(name), std::move(value));
  }

  // The notation is that of promql's scripts.
  void series(const YamlNode& node, const std::string& subject, UnitTest& test) {
    MappingReader map(node, problems_, subject);
    std::string name;
    std::string values;
    const bool complete = map.require("series") && map.read("series", name);
    if (!map.read("values", values) || !complete) return finish(map, node);
    std::replace(values.begin(), values.end(), '\n', ' ');
    Diagnostics inner(SourceFile(
        "", fmt::format("load {}\n  {} {}\n", format_duration(test.interval), name, values)));
    std::vector<promql::ScriptCommand> commands = promql::parse_script(inner);
    if (inner.has_errors() || commands.size() != 1) {
      const Diagnostic* first = inner.all().empty() ? nullptr : &inner.all().front();
      map.error(first == nullptr || first->where.column > static_cast<int>(name.size()) + 3
                    ? "values"
                    : "series",
                first == nullptr ? "not a series" : first->problem);
    } else {
      for (promql::ScriptSeries& made : commands.front().series) {
        test.series.push_back(std::move(made));
      }
    }
    finish(map, node);
  }

  void alert_test(const YamlNode& node, const std::string& subject, UnitTest& test) {
    AlertTest out;
    MappingReader map(node, problems_, subject);
    map.read("eval_time", out.at);
    if (map.require("alertname")) map.read("alertname", out.alert);
    for (const YamlNode& item : map.list("exp_alerts")) {
      ExpectedAlert expected;
      MappingReader alert(item, problems_, subject);
      texts(alert, "exp_labels", expected.labels);
      texts(alert, "exp_annotations", expected.annotations);
      expected.labels.insert_or_assign("alertname", out.alert);
      finish(alert, item);
      out.expected.push_back(std::move(expected));
    }
    finish(map, node);
    test.alerts.push_back(std::move(out));
  }

  void expr_test(const YamlNode& node, const std::string& subject, UnitTest& test) {
    ExprTest out;
    MappingReader map(node, problems_, subject);
    map.read("expr", out.expr);
    map.read("eval_time", out.at);
    for (const YamlNode& item : map.list("exp_samples")) {
      ExpectedSample expected;
      MappingReader sample(item, problems_, subject);
      sample_of(sample, expected);
      finish(sample, item);
      out.expected.push_back(std::move(expected));
    }
    finish(map, node);
    test.exprs.push_back(std::move(out));
  }

  static void sample_of(MappingReader& map, ExpectedSample& out) {
    std::string labels;
    map.read("labels", labels);
    std::string_view rest = labels;
    const std::size_t begin = rest.find_first_not_of(" \t\n");
    rest.remove_prefix(std::min(begin, rest.size()));
    Result<Labels> parsed = rest.empty() ? Labels() : promql::parse_series(rest);
    if (!parsed || rest.find_first_not_of(" \t\n") != std::string_view::npos) {
      map.error("labels", parsed ? "not a series" : parsed.error().message());
    } else {
      out.labels = *std::move(parsed);
    }
    if (map.has("histogram")) map.error("histogram", "native histograms are not supported");
    std::string value;
    if (!map.read("value", value)) return;
    const std::optional<double> number = parse_yaml_number(value);
    if (!number) return map.error("value", in_quotes(value) + " is not a number");
    out.value = *number;
  }

  Diagnostics& problems_;
  bool ignore_unknown_;
};

}  // namespace

Duration UnitTest::length() const {
  Duration longest{};
  for (const AlertTest& test : alerts) longest = std::max(longest, test.at);
  for (const ExprTest& test : exprs) longest = std::max(longest, test.at);
  return longest;
}

std::optional<UnitTestFile> parse_unit_tests(Diagnostics& problems, bool ignore_unknown) {
  const auto root = parse_yaml(problems);
  if (!root) return std::nullopt;
  UnitTestFile file = Reader(problems, ignore_unknown).run(*root);
  if (problems.has_errors()) return std::nullopt;
  return file;
}

}  // namespace keelwatch::rules
