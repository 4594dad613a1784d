#include "base/diagnostics.h"

#include <catch2/catch.hpp>
#include <string>

#include "base/edit_distance.h"

namespace keelwatch {

TEST_CASE("problems print in the order of their places, with the source marked", "[diagnostics]") {
  const std::string rule = "      expr: time() - tme(x) > 93600\n";
  Diagnostics problems(SourceFile("rules/recovery.yaml", std::string(13, '\n') + rule));
  problems.warning({}, "", "no groups", "add one");
  problems.error({14, 22, 3}, "alert KeelwatchBackupTooOld: expr", "unknown function \"tme\"",
                 "did you mean \"time\"?");
  problems.error({14, 7, 4}, "alert KeelwatchBackupTooOld", "something else");
  CHECK(problems.text() == R"(rules/recovery.yaml: warning: no groups; add one
rules/recovery.yaml:14:7: alert KeelwatchBackupTooOld: something else
      expr: time() - tme(x) > 93600
      ^^^^
rules/recovery.yaml:14:22: alert KeelwatchBackupTooOld: expr: unknown function "tme"
      expr: time() - tme(x) > 93600
                     ^^^ did you mean "time"?
)");
  CHECK(problems.errors() == 2);
  CHECK(problems.warnings() == 1);
  CHECK(problems.to_error() == Error(ErrorCode::kInvalid,
                                     "rules/recovery.yaml:14:7: alert KeelwatchBackupTooOld: "
                                     "something else (and 1 more error)"));
}

TEST_CASE("carets stand below tabs and letters of several bytes", "[diagnostics]") {
  Diagnostics problems(SourceFile("f",
                                  "\tname: m\xC3\xBC"
                                  "de x\n"));
  problems.error({1, 8, 5}, "", "tired");
  problems.error({1, 14, 1}, "", "short");
  CHECK(problems.text() ==
        "f:1:8: tired\n\tname: m\xC3\xBC"
        "de x\n\t      ^^^^\n"
        "f:1:14: short\n\tname: m\xC3\xBC"
        "de x\n\t           ^\n");
}

TEST_CASE("of a long line only the part around the place is shown", "[diagnostics]") {
  Diagnostics problems(SourceFile("f", std::string(5000, 'a') + "XY" + std::string(5000, 'b')));
  problems.error({1, 5001, 2}, "", "odd", "remove it");
  CHECK(problems.text() == "f:1:5001: odd\n..." + std::string(80, 'a') + "XY" +
                               std::string(78, 'b') + "...\n" + std::string(83, ' ') +
                               "^^ remove it\n");
}

TEST_CASE("a place outside the text does no harm", "[diagnostics]") {
  Diagnostics problems(SourceFile("f", "a\n"));
  problems.error({1, 100, 50}, "", "far right");
  problems.error({77, 1, 1}, "", "far down");
  CHECK(problems.text() == "f:1:100: far right\na\n ^\nf:77:1: far down\n");
}

TEST_CASE("control characters do not reach the terminal", "[diagnostics]") {
  Diagnostics problems(SourceFile("f", "a: \x1B[31m\n"));
  problems.error({1, 4, 1}, "key\x1B", "value \x07", "stop\x1B");
  CHECK(problems.text() == "f:1:4: key?: value ?\na: ?[31m\n   ^ stop?\n");
  CHECK(in_quotes("a\"b\\c\n\x1B") == R"("a\"b\\c\n\x1b")");
  CHECK(in_quotes(std::string(100, 'x')) == '"' + std::string(60, 'x') + "...\"");
}

TEST_CASE("of very many problems the errors are kept and the rest counted", "[diagnostics]") {
  Diagnostics problems(SourceFile("f", ""));
  for (int i = 1; i <= 300; ++i) problems.warning({i, 1, 1}, "", "odd");
  problems.error({1000, 1, 1}, "", "wrong");
  CHECK(problems.all().size() == Diagnostics::kMaxKept);
  CHECK(problems.all().back().problem == "wrong");
  CHECK_THAT(problems.text(), Catch::EndsWith("f:1000:1: wrong\nf: and 101 more\n"));
}

TEST_CASE("problems of several files stay together per file", "[diagnostics]") {
  Diagnostics first(SourceFile("a.yaml", "x\n"));
  Diagnostics second(SourceFile("b.yaml", "y\n"));
  second.error({1, 1, 1}, "", "two");
  first.error({1, 1, 1}, "", "one");
  first.append(second);
  CHECK(first.errors() == 2);
  CHECK(first.text() == "a.yaml:1:1: one\nx\n^\nb.yaml:1:1: two\ny\n^\n");
}

TEST_CASE("offsets and places are each other's inverse", "[diagnostics]") {
  const SourceFile source("f", "ab\n\ncd");
  for (std::size_t i = 0; i <= source.text().size(); ++i) {
    CHECK(source.offset_of(source.span_at(i)) == i);
  }
  CHECK(source.span_at(3) == SourceSpan{2, 1, 1});
  CHECK(source.line(3) == "cd");
  CHECK(source.line(0).empty());
  CHECK(source.line(4).empty());
}

TEST_CASE("edit distance counts single slips", "[diagnostics]") {
  struct Case {
    const char* a;
    const char* b;
    std::size_t distance;
  };
  const Case cases[] = {{"", "", 0},         {"", "abc", 3},           {"time", "tme", 1},
                        {"time", "tiem", 1}, {"kitten", "sitting", 3}, {"abc", "abc", 0},
                        {"Time", "time", 1}, {"ca", "abc", 3},         {"interval", "intreval", 1}};
  for (const Case& c : cases) {
    INFO(c.a << " " << c.b);
    CHECK(edit_distance(c.a, c.b, 10) == c.distance);
    CHECK(edit_distance(c.b, c.a, 10) == c.distance);
  }
  CHECK(edit_distance("aaaaaaaaaa", "bbbbbbbbbb", 2) == 3);
}

TEST_CASE("the nearest word is suggested only if it is near", "[diagnostics]") {
  const std::string_view words[] = {"interval", "port", "on", "replication_lag", "sslmode"};
  struct Case {
    const char* word;
    const char* remedy;
  };
  const Case cases[] = {{"intervall", "did you mean \"interval\"?"},
                        {"replicationLag", "did you mean \"replication_lag\"?"},
                        {"replicaton-lag", "did you mean \"replication_lag\"?"},
                        {"prot", "did you mean \"port\"?"},
                        {"SSLMODE", "did you mean \"sslmode\"?"},
                        {"no", ""},
                        {"x", ""},
                        {"", ""},
                        {"kubernetes", ""}};
  for (const Case& c : cases) {
    INFO(c.word);
    CHECK(did_you_mean(c.word, words) == c.remedy);
  }
}

}  // namespace keelwatch
