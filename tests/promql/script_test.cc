#include "promql/script.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "promql/script_files.h"

namespace keelwatch::promql {
namespace {

ScriptReport report_of(const std::string& text) {
  Result<ScriptReport> report = run_script(SourceFile("x.test", text));
  INFO((report ? "" : report.error().message()));
  REQUIRE(report);
  return *std::move(report);
}

TEST_CASE("a script's case fails when anything that it expects is not so", "[promql]") {
  struct Case {
    const char* name;
    const char* text;
    bool passes;
  };
  const Case cases[] = {
      {"value", "eval instant at 0 m\n  m{a=\"1\"} 1\n  m{a=\"2\"} 2\n", true},
      {"other value", "eval instant at 0 m\n  m{a=\"1\"} 1\n  m{a=\"2\"} 3\n", false},
      {"missing series", "eval instant at 0 m\n  m{a=\"1\"} 1\n", false},
      {"one too many", "eval instant at 0 m\n  m{a=\"1\"} 1\n  m{a=\"2\"} 2\n  m{a=\"3\"} 2\n",
       false},
      {"scalar", "eval instant at 0 1 + 1\n  2\n", true},
      {"other scalar", "eval instant at 0 1 + 1\n  3\n", false},
      {"order",
       "eval instant at 0 sort_desc(m)\n  expect ordered\n  m{a=\"2\"} 2\n  m{a=\"1\"} 1\n", true},
      {"other order",
       "eval instant at 0 sort_desc(m)\n  expect ordered\n  m{a=\"1\"} 1\n  m{a=\"2\"} 2\n", false},
      {"range", "eval range from 0 to 10s step 5s m{a=\"1\"}\n  m{a=\"1\"} 1 2 3\n", true},
      {"other range", "eval range from 0 to 10s step 5s m{a=\"1\"}\n  m{a=\"1\"} 1 2 4\n", false},
      {"gap expected", "eval range from 0 to 10s step 5s m{a=\"1\"}\n  m{a=\"1\"} 1 _ 3\n", false},
      {"failure", "eval instant at 0 m + on() m\n  expect fail\n", true},
      {"no failure", "eval instant at 0 m\n  expect fail\n", false},
      {"other failure", "eval instant at 0 m + on() m\n  expect fail msg: no\n", false},
      {"old failure", "eval_fail instant at 0 m + on() m\n", true},
      {"info",
       "eval instant at 5s rate(m{a=\"1\"}[6s])\n  expect info msg: PromQL info: metric might not "
       "be a counter, name does not end in _total/_sum/_count/_bucket: \"m\" (1:6)\n  {a=\"1\"} "
       "0.2\n",
       true},
      {"no info", "eval instant at 5s rate(m{a=\"1\"}[6s])\n  expect no_info\n  {a=\"1\"} 0.2\n",
       false},
      {"no warning", "eval instant at 0 m{a=\"1\"}\n  expect warn\n  m{a=\"1\"} 1\n", false},
      {"string", "eval instant at 0 \"x\"\n  expect string `x`\n", true},
      {"other string", "eval instant at 0 \"x\"\n  expect string `y`\n", false},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const ScriptReport report =
        report_of(std::string("load 5s\n  m{a=\"1\"} 1+1x2\n  m{a=\"2\"} 2+2x2\n\n") + c.text);
    INFO(report.text());
    REQUIRE(report.cases.size() == 1);
    CHECK((report.cases[0].outcome == CaseOutcome::kPassed) == c.passes);
    CHECK(report.cases[0].outcome != CaseOutcome::kUnsupported);
  }
}

TEST_CASE("native histograms make a case unsupported only where it selects them", "[promql]") {
  const ScriptReport report = report_of(
      "load 5s\n  plain 1\n  native {{schema:0 sum:1 count:1 buckets:[1]}}x3\n\n"
      "eval instant at 0 plain\n  plain 1\n\n"
      "eval instant at 0 native\n  native {{schema:0 sum:1 count:1 buckets:[1]}}\n\n"
      "eval instant at 0 limit_ratio(0.5, plain)\n  plain 1\n");
  CHECK(report.text() ==
        "x.test:8:19: unsupported: native: native histograms ({__name__=\"native\"})\n"
        "x.test:11:19: unsupported: limit_ratio(0.5, plain): 1:1: unsupported: limit_ratio depends "
        "on Prometheus' own hash of labels\n"
        "x.test: 1 passed, 0 failed, 2 unsupported\n");
}

TEST_CASE("type and unit labels excuse a difference only in themselves", "[promql]") {
  const ScriptReport report = report_of(
      "load 5s\n  t{__type__=\"gauge\",__unit__=\"s\"} 1\n\n"
      "eval instant at 0 t\n  t{__type__=\"gauge\",__unit__=\"s\"} 1\n\n"
      "eval instant at 0 -t\n  {} -1\n\n"
      "eval instant at 0 -t\n  {} -2\n\n"
      "eval instant at 0 -t\n  expect fail\n\n"
      "eval instant at 0 label_replace(t, \"x\", \"$1\", \"__type__\", \"(.*)\")\n  t 1\n");
  std::vector<CaseOutcome> outcomes;
  for (const CaseResult& c : report.cases) outcomes.push_back(c.outcome);
  INFO(report.text());
  CHECK(outcomes == std::vector{CaseOutcome::kPassed, CaseOutcome::kUnsupported,
                                CaseOutcome::kFailed, CaseOutcome::kFailed,
                                CaseOutcome::kUnsupported});
}

TEST_CASE("start timestamps are read over, and words end where they seem to", "[promql]") {
  const ScriptReport report = report_of(
      "load 5s\n  m@st -5 -5\n  m 1 2\n  n{a=\"b\"}@st -5\n  n{a=\"b\"} _x2 stale 3\n\n"
      "eval instant at 5s m\n  m 2\n\neval instant at 15s n\n  n{a=\"b\"} 3\n");
  INFO(report.text());
  CHECK(report.count(CaseOutcome::kPassed) == 2);
  for (const char* line : {"m _y", "m stale1", "m _x", "m{a=\"b\"}1", "m 1x2y", "m 1 {{}}z"}) {
    INFO(line);
    CHECK(!run_script(SourceFile("x.test", std::string("load 5s\n  ") + line + "\n")));
  }
}

TEST_CASE("mistakes in a script are told with their places, all at once", "[promql]") {
  const Result<ScriptReport> report =
      run_script(SourceFile("x.test", "load 5q\n  m 1\n\nevaluate it\n\nload 5s\n  m 1 two\n"));
  REQUIRE(!report);
  CHECK(report.error().code() == ErrorCode::kInvalid);
  CHECK(report.error().message() ==
        "x.test:1:6: not a time, such as 5m or 90\n"
        "load 5q\n"
        "     ^^\n"
        "x.test:4:1: unknown command\n"
        "evaluate it\n"
        "^^^^^^^^\n"
        "x.test:7:7: not a value\n"
        "  m 1 two\n"
        "      ^^^\n");
}

TEST_CASE("scripts are run file by file, folders by their *.test files", "[promql]") {
  namespace fs = std::filesystem;
  std::string folder = fs::temp_directory_path() / "keelwatch-scripts-XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  std::ofstream(folder + "/a.test") << "eval instant at 0 1 + 1\n  2\n";
  std::ofstream(folder + "/b.test") << "eval instant at 0 1\n  2\n";
  std::ofstream(folder + "/c.txt") << "no script";
  const ScriptRun all = run_scripts({folder, folder + "/c.txt", folder + "/none"});
  CHECK(all.files.size() == 4);
  CHECK(!all.good());
  CHECK(all.text() == folder + "/a.test: 1 passed, 0 failed, 0 unsupported\n" + folder +
                          "/b.test:1:19: failed: 1: expected 2, got the scalar 1\n" + folder +
                          "/b.test: 0 passed, 1 failed, 0 unsupported\n" + folder +
                          "/c.txt:1:1: unknown command\nno script\n^^ one of load, "
                          "load_with_nhcb, clear, eval\n" +
                          folder + "/none: No such file or directory\n" +
                          "4 files: 1 passed, 1 failed, 0 unsupported\n");
  CHECK(run_scripts({folder + "/a.test"}).good());
  CHECK(!run_scripts({folder + "/a.test", folder + "/none"}).good());
  CHECK(run_scripts({folder + "/b.test"}).json() ==
        R"({"passed":0,"failed":1,"unsupported":0,"files":[{"file":")" + folder +
            R"(/b.test","passed":0,"failed":1,"unsupported":0,"cases":[{"line":1,"column":19,)" +
            R"("query":"1","outcome":"failed","reason":"expected 2, got the scalar 1"}]}]})" +
            "\n");
  fs::remove_all(folder);
}

}  // namespace
}  // namespace keelwatch::promql
