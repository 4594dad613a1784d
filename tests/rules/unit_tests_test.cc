// `keelwatch test rules` beside promtool, on the bundled rules and on a corpus in the style of
// public collections; and what it says when a test fails.
#include "rules/unit_tests.h"

#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "rules/rule_file.h"

namespace keelwatch::rules {
namespace {

namespace fs = std::filesystem;

const fs::path kTests = KEELWATCH_SOURCE_DIR "/tests/rules";

std::vector<std::string> files_in(const fs::path& folder, std::string_view ending) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string path = entry.path().string();
    if (path.ends_with(ending)) files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> all_unit_tests() {
  std::vector<std::string> files = files_in(kTests, ".yaml");
  const std::vector<std::string> corpus = files_in(kTests / "corpus", ".test.yaml");
  files.insert(files.end(), corpus.begin(), corpus.end());
  return files;
}

struct Ran {
  int status = 0;
  std::string output;
};
Ran run_promtool(const std::string& file) {
  Ran ran;
  FILE* pipe = popen(("promtool test rules '" + file + "' 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    ran.output.append(buffer.data(), n);
  }
  ran.status = pclose(pipe);
  return ran;
}

bool promtool_missing() {
  if (std::system("promtool --version >/dev/null 2>&1") == 0) return false;
  std::cerr << "SKIPPED: promtool is not installed, nothing was compared with it\n";
  return true;
}

// A folder of files that is removed at the end.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "keelwatch-rules-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
    return (path_ / name).string();
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

UnitTestReport run_one(const std::string& file, const UnitTestOptions& options = {}) {
  auto reports = run_unit_tests({file}, options);
  REQUIRE(reports);
  return reports->at(0);
}

TEST_CASE("the unit tests of the bundled rules and of the corpus pass", "[rules]") {
  const std::vector<std::string> files = all_unit_tests();
  CHECK(files.size() >= 12);
  for (const std::string& file : files) {
    const UnitTestReport report = run_one(file);
    INFO(report.text());
    CHECK(report.good());
    CHECK(report.tests > 0);
  }
}

TEST_CASE("the corpus has at least 150 rules, each of whose alerts is tested", "[rules]") {
  std::size_t count = 0;
  for (const std::string& file : files_in(kTests / "corpus", ".rules.yaml")) {
    const LoadedRules loaded = load_rule_files({file});
    REQUIRE(loaded.problems == "");
    std::ifstream in(file.substr(0, file.size() - std::string(".rules.yaml").size()) +
                     ".test.yaml");
    const std::string tests{std::istreambuf_iterator<char>(in), {}};
    for (const RuleGroup& group : loaded.files[0].groups) {
      count += group.rules.size();
      for (const Rule& rule : group.rules) {
        CAPTURE(rule.name);
        if (rule.kind == Rule::Kind::kAlerting) {
          CHECK_THAT(tests, Catch::Contains("alertname: " + rule.name));
        }
      }
    }
  }
  CHECK(count >= 150);
}

TEST_CASE("promtool agrees with every unit test", "[.][rules][long:promtool-rules]") {
  if (promtool_missing()) return;
  for (const std::string& file : all_unit_tests()) {
    const Ran ran = run_promtool(file);
    INFO(ran.output);
    CHECK(ran.status == 0);
  }
}

TEST_CASE("where expectations are taken away promtool finds the same alerts, word for word",
          "[.][rules][long:promtool-rules]") {
  if (promtool_missing()) return;
  // Every expected list becomes empty, so that both print what they found.
  for (const std::string& file : files_in(kTests / "corpus", ".test.yaml")) {
    const Folder folder;
    std::ifstream in(file);
    std::string text;
    bool dropping = false;
    for (std::string line; std::getline(in, line);) {
      if (line == "        exp_alerts:") {
        text += "        exp_alerts: []\n";
        dropping = true;
        continue;
      }
      dropping = dropping && line.starts_with("          ");
      if (!dropping) text += line + "\n";
    }
    const std::string rules = fs::path(file).stem().stem().string() + ".rules.yaml";
    fs::copy(kTests / "corpus" / rules, folder.path() / rules);
    const std::string path = folder.write("t.yaml", text);
    const Ran ran = run_promtool(path);
    // Blank lines apart: promtool puts them between failures, on the other stream.
    const auto lines = [](const std::string& output) {
      std::string out;
      std::size_t begin = 0;
      while (begin < output.size()) {
        const std::size_t end = std::min(output.find('\n', begin), output.size());
        if (end > begin) out += output.substr(begin, end - begin) + "\n";
        begin = end + 1;
      }
      return out;
    };
    CHECK(ran.status != 0);
    CHECK(lines(run_one(path).text()) == lines(ran.output));
  }
}

constexpr const char* kRules = R"(groups:
  - name: g
    rules:
      - {alert: A, expr: x > 1, for: 1m, labels: {s: p}, annotations: {v: '{{ $value }}'}}
)";

constexpr const char* kTest = R"(rule_files: [r.yaml]
tests:
  - name: first
    interval: 1m
    input_series: [{series: 'x{a="1"}', values: '2x10'}]
    alert_rule_test:
      - eval_time: 5m
        alertname: A
        exp_alerts: [{exp_labels: {a: "1", s: q}, exp_annotations: {v: "2"}}]
    promql_expr_test:
      - {expr: x * 2, eval_time: 3m, exp_samples: [{labels: '{a="1"}', value: 4}]}
      - {expr: x * 2, eval_time: 3m, exp_samples: [{labels: '{a="1"}', value: 5}]}
      - {expr: 'x *', eval_time: 3m}
)";

TEST_CASE("what fails is shown as promtool shows it, or as a difference", "[rules]") {
  const Folder folder;
  folder.write("r.yaml", kRules);
  const std::string file = folder.write("t.yaml", kTest);
  CHECK(run_one(file).text() == "Unit Testing:  " + file + R"(
  FAILED:
    name: first,
    alertname: A, time: 5m, 
        exp:[
            0:
              Labels:{a="1", alertname="A", s="q"}
              Annotations:{v="2"}
            ], 
        got:[
            0:
              Labels:{a="1", alertname="A", s="p"}
              Annotations:{v="2"}
            ]
    expr: "x * 2", time: 3m,
        exp: {a="1"} 5E+00
        got: {a="1"} 4E+00
    expr: "x *", time: 3m, err: 1:4: unexpected end of input in expression

)");
  CHECK_THAT(run_one(file, {.diff = true}).text(), Catch::Contains(R"(time: 5m, 
        diff:
        alert 0:
          - label s="q"
          + label s="p")"));
  CHECK(run_one(file, {.run = "^second"}).tests == 0);
  CHECK(run_one(file, {.run = "^first"}).tests == 1);
  CHECK_FALSE(run_unit_tests({file}, {.run = "("}));
}

TEST_CASE("mistakes of a test file are shown where they stand", "[rules]") {
  const Folder folder;
  folder.write("r.yaml", kRules);
  const auto text = [&](const std::string& yaml, bool ignore = false) {
    return run_one(folder.write("t.yaml", yaml), {.ignore_unknown = ignore}).text();
  };
  CHECK_THAT(text("rule_fils: [r.yaml]\n"), Catch::Contains("did you mean \"rule_files\"?"));
  CHECK_THAT(text("rule_fils: [r.yaml]\n", true), Catch::Contains("SUCCESS"));
  CHECK_THAT(text("rule_files: [nothing*.yaml]\n"),
             Catch::Contains("WARNING: no file match pattern"));
  CHECK_THAT(text("tests: [{input_series: [{series: 'x{', values: 1}]}]\n"),
             Catch::Contains("t.yaml:1:"));
  CHECK_THAT(text("tests: [{alert_rule_test: [{eval_time: 1m}]}]\n"),
             Catch::Contains("required key \"alertname\" is missing"));
  CHECK_THAT(text("group_eval_order: [a, b, a]\n"),
             Catch::Contains("group name repeated in evaluation order: a"));
  folder.write("r.yaml", "groups: [{name: g, rules: [{alert: A, expr: 'x >'}]}]\n");
  CHECK_THAT(text("rule_files: [r.yaml]\n"), Catch::Contains("r.yaml:1:"));
  CHECK_FALSE(run_one((folder.path() / "none.yaml").string()).good());
}

TEST_CASE("a failing rule ends its test, fuzzy_compare forgives the last digit", "[rules]") {
  const Folder folder;
  folder.write("r.yaml", "groups: [{name: g, limit: 1, rules: [{alert: A, expr: x > 0}]}]\n");
  const std::string failing = folder.write("t.yaml", R"(rule_files: [r.yaml]
tests:
  - interval: 1m
    input_series: [{series: 'x{a="1"}', values: 1x5}, {series: 'x{a="2"}', values: _x3 1x2}]
    alert_rule_test: [{eval_time: 5m, alertname: A, exp_alerts: []}]
)");
  CHECK_THAT(run_one(failing).text(),
             Catch::Contains("    rule: A, time: 3m0s, err: exceeded limit of 1 with 2 alerts\n"));
  for (const bool fuzzy : {false, true}) {
    const std::string file =
        folder.write("f.yaml", std::string("fuzzy_compare: ") + (fuzzy ? "true" : "false") + R"(
tests:
  - interval: 1m
    start_timestamp: 2026-01-01T00:00:00Z
    external_labels: {}
    promql_expr_test:
      - {expr: 0.1 + 0.2, eval_time: 1m, exp_samples: [{labels: '{}', value: 0.3}]}
      - {expr: time(), eval_time: 1m, exp_samples: [{value: 1767225660}]}
)");
    CHECK(run_one(file).good() == fuzzy);
  }
}

}  // namespace
}  // namespace keelwatch::rules
