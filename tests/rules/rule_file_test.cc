#include "rules/rule_file.h"

#include <catch2/catch.hpp>

namespace keelwatch::rules {
namespace {

struct Read {
  std::optional<RuleFile> file;
  std::string problems;
};

Read read(const std::string& text) {
  Diagnostics problems(SourceFile("r.yaml", text));
  Read out;
  out.file = parse_rule_file(problems);
  out.problems = problems.text();
  return out;
}

// The problems of one rule of these keys.
std::string problems_of_rule(const std::string& keys) {
  return read("groups:\n- name: g\n  rules:\n  - " + keys).problems;
}

TEST_CASE("a rule file is read whole", "[rules]") {
  const Read made = read(R"(groups:
  - name: g
    interval: 30s
    query_offset: 1m
    limit: 5
    labels: {team: db, severity: low}
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
        labels: {a: '{{ not a template'}
      - alert: Down
        expr: |
          up == 0
        for: 1h30m
        keep_firing_for: 5m
        labels: {severity: '{{ $value }}'}
        annotations:
          summary: '{{ $labels.job }}'
  - name: empty
)");
  INFO(made.problems);
  REQUIRE(made.file);
  REQUIRE(made.file->groups.size() == 2);
  const RuleGroup& group = made.file->groups[0];
  CHECK(group.name == "g");
  CHECK(group.file == "r.yaml");
  CHECK(group.interval == std::chrono::seconds(30));
  CHECK(group.query_offset == std::chrono::minutes(1));
  CHECK(group.limit == 5);
  const Rule& record = group.rules.at(0);
  CHECK(record.kind == Rule::Kind::kRecording);
  REQUIRE(record.labels.size() == 3);
  CHECK(record.labels[0].text.text() == "{{ not a template");
  CHECK(record.labels[2].text.text() == "db");
  const Rule& alert = group.rules.at(1);
  CHECK(alert.name == "Down");
  CHECK(alert.hold == std::chrono::minutes(90));
  CHECK(alert.keep_firing_for == std::chrono::minutes(5));
  // A rule's label beats its group's.
  REQUIRE(alert.labels.size() == 2);
  CHECK(alert.labels[0].text.text() == "{{ $value }}");
}

TEST_CASE("PrometheusRule objects are rule files too, also several and in lists", "[rules]") {
  const std::string object = R"(apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: a, labels: {x: y}}
spec:
  groups:
    - name: g
      partial_response_strategy: warn
      rules:
        - {alert: A, expr: 1}
)";
  const Read two = read(object + "---\nkind: ConfigMap\napiVersion: v1\n---\n" + object);
  INFO(two.problems);
  REQUIRE(two.file);
  CHECK(two.file->groups.size() == 2);
  CHECK(two.file->groups[0].rules[0].expr == "1");
  const Read wrong = read("apiVersion: v1\nkind: PrometheusRule\nspec: {groups: []}\n");
  CHECK(wrong.problems ==
        "r.yaml:1:13: PrometheusRule: apiVersion: \"v1\" is not known here\n"
        "apiVersion: v1\n"
        "            ^^ write monitoring.coreos.com/v1\n");
}

TEST_CASE("mistakes in expressions are shown where they stand, in every kind of scalar",
          "[rules]") {
  CHECK(problems_of_rule("alert: KeelwatchBackupTooOld\n    expr: time() - tme(x) > 93600\n") ==
        "r.yaml:5:20: alert KeelwatchBackupTooOld: expr: unknown function \"tme\"\n"
        "    expr: time() - tme(x) > 93600\n"
        "                   ^^^ did you mean \"time\"?\n");
  CHECK_THAT(problems_of_rule("alert: A\n    expr: |\n      a ==\n        tme(x)\n"),
             Catch::StartsWith("r.yaml:7:9: alert A: expr: unknown function \"tme\""));
  CHECK_THAT(problems_of_rule("alert: A\n    expr: >-\n      a ==\n      tme(x)\n"),
             Catch::StartsWith("r.yaml:7:7: alert A: expr: unknown function \"tme\""));
  CHECK_THAT(problems_of_rule("alert: A\n    expr: 'label_x{a=''b''} == tme(x)'\n"),
             Catch::StartsWith("r.yaml:5:32: alert A: expr: unknown function \"tme\""));
  CHECK_THAT(problems_of_rule("alert: A\n    expr: \"x{a=\\\"b\\\"} == tme(x)\"\n"),
             Catch::StartsWith("r.yaml:5:26: alert A: expr: unknown function \"tme\""));
  CHECK_THAT(problems_of_rule("alert: A\n    expr: up[5m]\n"),
             Catch::Contains("gives a range vector, a rule needs an instant vector or a scalar"));
  CHECK_THAT(problems_of_rule("alert: A\n    expr: limit_ratio(0.5, up)\n"),
             Catch::StartsWith("r.yaml:5:"));
}

TEST_CASE("all mistakes of a file are told at once", "[rules]") {
  const std::string problems = read(R"(groups:
  - name: g
    intervall: 1m
    rules:
      - alert: A
        expr: up ==
        foo: 1
        annotations:
          summary: '{{ $lables.x }}'
          description: 'ok {{ humanise 1 }}'
      - record: b{c="d"}
        expr: up
        for: 1m
        annotations: {a: b}
        labels: {__name__: x}
      - alert: C
        record: c
        expr: up
      - alert: D
      - expr: up
  - name: g
    rules: []
  - rules: []
)")
                                   .problems;
  const char* expected[] = {
      "r.yaml:3:5: group g: unknown key \"intervall\"",
      "did you mean \"interval\"?",
      "r.yaml:6:",
      "r.yaml:7:9: alert A: unknown key \"foo\"",
      "r.yaml:9:24: alert A: annotations: summary: undefined variable \"$lables\"",
      "did you mean \"$labels\"?",
      "alert A: annotations: description: function \"humanise\" not defined",
      "did you mean \"humanize\"?",
      "r.yaml:11:17: record b{c=\"d\"}: record: braces are not part of a metric's name",
      "for: a recording rule has no such key",
      "a recording rule has no annotations",
      "\"__name__\" is not a valid name here",
      "a rule is either an alert or a record, not both",
      "alert D: required key \"expr\" is missing",
      "one of \"alert\" and \"record\" is required",
      "a second group \"g\" in this file",
      "required key \"name\" is missing"};
  for (const char* text : expected) CHECK_THAT(problems, Catch::Contains(text));
}

TEST_CASE("only the first document of a plain file counts, with a warning", "[rules]") {
  const Read made = read("groups: []\n---\ngroups: [{name: g}]\n");
  REQUIRE(made.file);
  CHECK(made.file->groups.empty());
  CHECK_THAT(made.problems, Catch::Contains("only the first document of a rule file counts"));
}

TEST_CASE("an empty rule file is one without groups", "[rules]") {
  CHECK(read("").file);
  CHECK(read("# nothing\n").file);
  CHECK_FALSE(read("groups: 5\n").file);
  CHECK_FALSE(read("- a\n").file);
}

TEST_CASE("the bundled rules load, by a pattern", "[rules]") {
  const std::vector<std::string> files = expand_globs(
      {KEELWATCH_SOURCE_DIR "/rules/*.yaml", KEELWATCH_SOURCE_DIR "/rules/backup.yaml"});
  CHECK(files.size() >= 7);
  const LoadedRules loaded = load_rule_files(files);
  CHECK(loaded.problems == "");
  CHECK(loaded.files.size() == files.size());
  const LoadedRules none = load_rule_files(expand_globs({"/nowhere/*.yaml"}));
  CHECK(none.errors == 1);
  CHECK_THAT(none.problems, Catch::Contains("/nowhere/*.yaml"));
}

}  // namespace
}  // namespace keelwatch::rules
