#include "promql/parser.h"

#include <catch2/catch.hpp>

#include "promql/functions.h"
#include "promql/printer.h"

namespace keelwatch::promql {
namespace {

std::string printed(std::string_view text) {
  Result<ExprPtr> parsed = parse(text);
  return parsed ? print(**parsed) : "error: " + parsed.error().message();
}

std::string problem(std::string_view text) {
  Parsed parsed = parse_expression(text);
  if (parsed.expr) return "parsed: " + print(*parsed.expr);
  return parsed.error.problem;
}

TEST_CASE("an expression is printed in Prometheus' form and reads back as the same", "[promql]") {
  struct Case {
    const char* name;
    const char* text;
    const char* printed;
  };
  const Case cases[] = {
      {"number", "1.50", "1.5"},
      {"hex", "0x1F", "31"},
      {"underscores", "1_000.5", "1000.5"},
      {"exponent", "1e-3", "0.001"},
      {"infinity in any case", "iNf", "Inf"},
      {"duration as number", "x > 1h30m", "x > 1h30m"},
      {"double quotes", R"("a\n\x41\u00e9\101")",
       "\"a\\nA\xc3\xa9"
       "A\""},
      {"single quotes", R"('a"b')", R"("a\"b")"},
      {"raw string", "`a\\n`", R"("a\\n")"},
      {"name and matchers", "up{job='a',x!=\"\",y=~'b.*',z!~\"c\",}",
       R"(up{job="a",x!="",y=~"b.*",z!~"c"})"},
      {"UTF-8 name in braces", R"({"a.b", "c d"="e"})", R"({"a.b","c d"="e"})"},
      {"plain name in quotes", R"({"up"})", "up"},
      {"keyword as metric", "sum + by", "sum + by"},
      {"keyword as label", "x{and=\"1\",on=\"2\"}", R"(x{and="1",on="2"})"},
      {"precedence", "1 + 2 * 3 ^ 2", "1 + 2 * 3 ^ 2"},
      {"parentheses are kept", "(1 + 2) * 3", "(1 + 2) * 3"},
      {"bool", "1 == BOOL 2", "1 == bool 2"},
      {"matching", "a * on(x) GROUP_LEFT(y) b", "a * on (x) group_left (y) b"},
      {"ignoring", "a and ignoring(x) b", "a and ignoring (x) b"},
      {"aggregation, clause behind", "SUM(x) BY (a, b)", "sum by (a, b) (x)"},
      {"aggregation, clause before", "topk without(a) (3, x)", "topk without (a) (3, x)"},
      {"range, offset and @", "rate(x[5m] offset 1h @ 1.5)", "rate(x[5m] @ 1.500 offset 1h)"},
      {"negative offset", "x offset -5m", "x offset -5m"},
      {"@ start", "x @ start()", "x @ start()"},
      {"subquery", "max_over_time(rate(x[1m])[1h:5m] @ end())",
       "max_over_time(rate(x[1m])[1h:5m] @ end())"},
      {"subquery without step", "deriv(x[1h:])", "deriv(x[1h:])"},
      {"duration expression", "rate(x[5m * 2 + step()])", "rate(x[5m * 2 + step()])"},
      {"offset binds one value", "x offset 1m + 2", "x offset 1m + 2"},
      {"offset in parentheses binds what follows", "x offset (1m) * 2", "x offset (1m) * 2"},
      {"@ ends an offset", "x @ 5 offset (1m) == x offset (1m) @ 5 * 2",
       "x offset (1m) @ 5.000 == x offset (1m) @ 5.000 * 2"},
      {"comment", "up # it is\n == 1", "up == 1"},
      {"fill", "a + fill(0) b", "a + fill_left (0) fill_right (0) b"},
      {"anchored", "increase(x[5m] anchored)", "increase(x[5m] anchored)"},
      {"recording rule's name", "job:x:rate5m", "job:x:rate5m"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    CHECK(printed(c.text) == c.printed);
    CHECK(printed(c.printed) == c.printed);
  }
}

TEST_CASE("operators bind as Prometheus has them", "[promql]") {
  struct Case {
    const char* text;
    BinaryOp root;
    bool left_is_binary;
  };
  const Case cases[] = {
      {"1 - 2 - 3", BinaryOp::kSub, true},      {"2 ^ 3 ^ 2", BinaryOp::kPow, false},
      {"a or b and c", BinaryOp::kOr, false},   {"a unless b and c", BinaryOp::kAnd, true},
      {"1 + 2 atan2 3", BinaryOp::kAdd, false}, {"a > b + c", BinaryOp::kGreater, false},
      {"-1 * 2", BinaryOp::kMul, false},        {"2 ^ -1 * 3", BinaryOp::kMul, true},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const Result<ExprPtr> parsed = parse(c.text);
    REQUIRE(parsed);
    const auto* binary = (*parsed)->as<Binary>();
    REQUIRE(binary != nullptr);
    CHECK(binary->op == c.root);
    CHECK((binary->lhs->as<Binary>() != nullptr) == c.left_is_binary);
  }
  const Result<ExprPtr> power = parse("-2 ^ 2");
  REQUIRE(power);
  CHECK((*power)->as<Unary>() != nullptr);
}

TEST_CASE("a mistake is told with its place, the line and a remedy", "[promql]") {
  const Result<ExprPtr> parsed = parse("time() -\n  tme(x) > 93600");
  REQUIRE(!parsed);
  CHECK(parsed.error().code() == ErrorCode::kInvalid);
  CHECK(parsed.error().message() ==
        "2:3: unknown function \"tme\"\n"
        "  tme(x) > 93600\n"
        "  ^^^ did you mean \"time\"?");
}

TEST_CASE("mistakes have Prometheus' words where it has good ones", "[promql]") {
  struct Case {
    const char* name;
    const char* text;
    const char* problem;
  };
  const Case cases[] = {
      {"empty", " ", "no expression found in input"},
      {"no range", "rate(x)",
       "expected type range vector in call to function \"rate\", got instant vector"},
      {"too few", "clamp(x, 1)", "expected 3 argument(s) in call to \"clamp\", got 2"},
      {"too many", "round(x, 1, 2)", "expected at most 2 argument(s) in call to \"round\", got 3"},
      {"no selector", "{}", "vector selector must contain at least one non-empty matcher"},
      {"matches empty", "{x=~\".*\"}",
       "vector selector must contain at least one non-empty matcher"},
      {"scalars compared", "1 > 2", "comparisons between scalars must use BOOL modifier"},
      {"bool on arithmetic", "a + bool b",
       "bool modifier can only be used on comparison operators"},
      {"scalar set", "1 and a", "set operator \"and\" not allowed in binary scalar expression"},
      {"matching a scalar", "a + on(x) 1", "vector matching only allowed between instant vectors"},
      {"grouped set", "a and on(x) group_left b", "no grouping allowed for \"and\" operation"},
      {"label twice", "a + on(x) group_left(x) b",
       "label \"x\" must not occur in ON and GROUP clause at once"},
      {"string operand", "a + \"b\"",
       "binary expression must contain only scalar and instant vector types"},
      {"range of a sum", "sum(x)[5m]", "ranges only allowed for vector selectors"},
      {"offset before range", "x offset 1m [5m]", "no offset modifiers allowed before range"},
      {"offset twice", "x offset 1m offset 2m", "offset may not be set multiple times"},
      {"subquery of a scalar", "max_over_time(1[5m:])",
       "subquery is only allowed on instant vector, got scalar instead"},
      {"aggregated scalar", "sum(1)",
       "expected type instant vector in aggregation expression, got scalar"},
      {"no parameter", "topk(x)",
       "wrong number of arguments for aggregate expression provided, expected 2, got 1"},
      {"name twice", "x{__name__=\"y\"}", "metric name must not be set twice: \"x\" or \"y\""},
      {"open string", "\"abc", "unterminated quoted string"},
      {"open paren", "(1", "unexpected end of input in paren expression, expected \")\""},
      {"number and letters", "1x", "bad number or duration syntax: \"1x\""},
      {"units rising", "x[5m1h]", "bad duration \"5m1h\""},
      {"trailing word", "up down", "unexpected \"down\" in expression, expected an operator"},
      {"no operator", "x{a~\"b\"}", "unexpected character: \"~\""},
      {"keyword alone", "on", "unexpected \"on\" in expression"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    CHECK(problem(c.text) == c.problem);
  }
}

TEST_CASE("hostile nesting is refused, not run into the ground", "[promql]") {
  for (const std::string unit : {"(", "-", "sum(", "x[", "1+", "abs(-"}) {
    std::string text;
    for (int i = 0; i < 20000; ++i) text += unit;
    INFO(unit);
    CHECK(!parse(text + "x"));
  }
}

TEST_CASE("a tree's height is bounded however nesting and chains make it up", "[promql]") {
  const auto chain = [](int operators, std::string text) {
    for (int i = 0; i < operators; ++i) text += "+1";
    return text;
  };
  CHECK(parse(chain(299, "x")));
  CHECK(!parse(chain(300, "x")));
  std::string both = "x";
  for (int i = 0; i < 180; ++i) both = "(" + chain(150, both) + ")";
  const Result<ExprPtr> tree = parse(both);
  REQUIRE(!tree);
  CHECK(tree.error().message().starts_with("1:781: an expression more than 300 levels high"));
  const std::string offset = "x offset (" + chain(300, "1") + ")";
  CHECK(!parse(offset));
  CHECK(!parse("x[" + chain(300, "1") + "]"));
  std::string subqueries = "x";
  for (int i = 0; i < 150; ++i) subqueries = "sum_over_time(" + subqueries + "[5m:1m])";
  CHECK(!parse(subqueries));
}

TEST_CASE("regular expressions are bounded in number and size", "[promql]") {
  const auto selectors = [](int count, const std::string& pattern) {
    std::string text = "1";
    for (int i = 0; i < count; ++i) text += " + x{a=~\"" + pattern + "\"}";
    return text;
  };
  CHECK(parse(selectors(100, "b.*")));
  CHECK_THAT(parse(selectors(101, "b.*")).error().message(),
             Catch::Contains("more than 100 regular expressions"));
  CHECK(parse(selectors(60, std::string(1000, 'b'))));
  CHECK_THAT(parse(selectors(70, std::string(1000, 'b'))).error().message(),
             Catch::Contains("regular expressions of more than 65536 bytes altogether"));
  CHECK(parse(R"(x{a=~"[a-z]{1,50}.*"})"));
  CHECK_THAT(parse(R"(x{a=~"\\pL{60}"})").error().message(),
             Catch::Contains("invalid regular expression"));
}

TEST_CASE("the table of functions is sorted, documented and typed", "[promql]") {
  std::string_view previous;
  for (const Function& function : functions()) {
    INFO(function.name);
    CHECK(previous < function.name);
    CHECK(find_function(function.name) == &function);
    CHECK(function.signature().starts_with(std::string(function.name) + "("));
    CHECK(function.doc.size() > function.signature().size() + 2);
    CHECK(function.min_args <= function.max_args);
    CHECK((function.max_args == 0) == function.arguments.empty());
    previous = function.name;
  }
  CHECK(functions().size() == 91);  // Prometheus 3.14
}

}  // namespace
}  // namespace keelwatch::promql
