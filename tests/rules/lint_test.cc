#include "rules/lint.h"

#include <catch2/catch.hpp>

#include "promql/parser.h"

namespace keelwatch::rules {
namespace {

constexpr metrics::Family kLag("keelwatch_lag_bytes", metrics::Type::kGauge, "Lag.",
                               {"cluster", "stage"});
constexpr metrics::Family kErrors("keelwatch_errors_total", metrics::Type::kCounter, "Errors.",
                                  {"cluster"});

std::string lint_of(const std::string& rule, const std::string& group = {}) {
  Diagnostics problems(
      SourceFile("r.yaml", "groups:\n- name: g\n" + group + "  rules:\n  - " + rule));
  const std::optional<RuleFile> file = parse_rule_file(problems);
  INFO(problems.text());
  REQUIRE(file);
  const metrics::Family* known[] = {&kLag, &kErrors};
  LintOptions options;
  options.families = known;
  lint(*file, {"keelwatch_recorded"}, options, problems);
  return problems.text();
}

std::string alert(const std::string& expr, const std::string& more = {}) {
  return "{alert: A, expr: '" + expr + "', " + more + "annotations: {runbook_url: u}}\n";
}

TEST_CASE("a good rule has nothing to be said about", "[rules]") {
  CHECK(lint_of(
            "{alert: A, expr: 'max by (cluster) (keelwatch_lag_bytes{stage=\"x\",instance=\"i\"}) "
            "> 5', for: 30s, annotations: {summary: '{{ $labels.cluster }}', runbook_url: u}}\n") ==
        "");
  CHECK(lint_of(alert("node_load1 > 5")) == "");
  CHECK(lint_of(alert("absent(keelwatch_lag_bytes)")) == "");
  CHECK(lint_of(alert("max(keelwatch_recorded) > 1")) == "");
  CHECK(lint_of("{record: a, expr: 'node_load1'}\n") == "");
}

TEST_CASE("what is likely wrong is shown where it stands", "[rules]") {
  struct Row {
    std::string rule;
    const char* text;
  };
  const Row rows[] = {
      {alert("max(keelwatch_lag_byts) > 1"),
       "r.yaml:4:27: warning: alert A: expr: no such metric: keelwatch_lag_byts"},
      {alert("max(keelwatch_lag_byts) > 1"), "did you mean \"keelwatch_lag_bytes\"?"},
      {alert("max(keelwatch_lag_bytes{stag=\"x\"}) > 1"), "keelwatch_lag_bytes has no label stag"},
      {alert("sum(rate(keelwatch_lag_bytes[5m])) > 1"), "rate of a gauge: keelwatch_lag_bytes"},
      {alert("sum(increase(keelwatch_lag_bytes[5m])) > 1"), "use delta"},
      {alert("node_load1"), "has no comparison"},
      {alert("node_load1 > bool 5"), "has no comparison"},
      {alert("keelwatch_lag_bytes > 1"), "a selector without an aggregation"},
      {alert("topk(3, keelwatch_lag_bytes) > 1"), "a selector without an aggregation"},
      {alert("node_load1 > 1", "for: 20s, "), "20s is shorter than two evaluations, 15s apart"},
      {"{alert: A, expr: node_load1 > 1}\n", "alert A: no runbook"},
      {alert("max_over_time(node_load1[1d]) > 1"), "looks back 1d, but samples are kept for 3h"},
      {alert("node_load1 > 1", "labels: {v: '{{ $value }}'}, "), "each change is a new alert"},
      {"{alert: A, expr: sum(x) > 1, annotations: {runbook_url: u, s: '{{ $labels.pod }}'}}\n",
       "annotations: s: the expression's result has no label pod"},
      {"{record: a, expr: b}\n  - {record: a, expr: c}\n",
       "a second rule with this name and these labels"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    CHECK_THAT(lint_of(row.rule), Catch::Contains(row.text));
  }
  CHECK(lint_of(alert("node_load1 > 1", "for: 20s, "), "  interval: 10s\n") == "");
}

TEST_CASE("the labels that a result can have are known where the expression says so", "[rules]") {
  struct Row {
    const char* expr;
    const char* has;
    const char* lacks;
  };
  const Row rows[] = {
      {"x", "a", ""},
      {"x{a=\"\"}", "b", "a"},
      {"sum by (a, b) (x)", "a", "c"},
      {"sum by (a) (sum by (b) (x))", "", "a"},
      {"sum without (a) (x)", "b", "a"},
      {"topk(1, x)", "a", ""},
      {"count_values by (a) (\"v\", x)", "v", "b"},
      {"absent(x{a=\"1\",b=~\"c\"})", "a", "b"},
      {"label_replace(sum by (a) (x), \"n\", \"$1\", \"a\", \"(.*)\")", "n", "b"},
      {"histogram_quantile(0.9, sum by (le, a) (x))", "a", "le"},
      {"sum by (a) (x) / on (a) group_left (n) y", "n", "b"},
      {"x / on (a) y", "a", "b"},
      {"x / ignoring (a) y", "b", "a"},
      {"sum by (a) (x) and y", "a", "b"},
      {"sum by (a) (x) or sum by (b) (y)", "b", "c"},
      {"vector(1)", "", "a"},
      {"1 - sum by (a) (x)", "a", "b"},
      {"max_over_time(sum by (a) (x)[5m:1m])", "a", "b"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.expr);
    const Result<promql::ExprPtr> expr = promql::parse(row.expr);
    REQUIRE(expr);
    const PossibleLabels labels = possible_labels(**expr);
    if (*row.has != '\0') CHECK(labels.may_have(row.has));
    if (*row.lacks != '\0') CHECK_FALSE(labels.may_have(row.lacks));
  }
}

}  // namespace
}  // namespace keelwatch::rules
