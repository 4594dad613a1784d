// PromQL text to a checked syntax tree: types, argument counts, matchers and names are right in
// what the parser returns. Messages of type errors are Prometheus' (promql/parser/parse.go). Parts
// that this program does not evaluate (fill, anchored, smoothed, limit_ratio, </ and >/) parse
// here; the engine refuses them. Bounded: a tree is at most kMaxDepth high,
// whether by nesting or by chains of operators, and a text has up to kMaxText bytes.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "promql/ast.h"
#include "promql/lexer.h"

namespace keelwatch::promql {

inline constexpr int kMaxDepth = 300;
inline constexpr std::size_t kMaxText = 256 * 1024;
// Of all matchers of an expression: a program takes up to 1 MiB and milliseconds to compile.
inline constexpr std::size_t kMaxRegexes = 100;
inline constexpr std::size_t kMaxRegexBytes = 64 * 1024;

// The tree, or what is wrong and where (expr is null then): for callers that place the expression
// in a file of their own.
struct Parsed {
  ExprPtr expr;
  SyntaxError error;
};
[[nodiscard]] Parsed parse_expression(std::string_view text);

// The same for everybody else. Errors: kInvalid; the message is as Diagnostic::text() has it,
// without a file:
//   1:10: unknown function "tme"
//     time() - tme(x) > 93600
//              ^^^ did you mean "time"?
[[nodiscard]] Result<ExprPtr> parse(std::string_view text);

// That message.
[[nodiscard]] std::string describe(const SyntaxError& error, std::string_view text);

// "metric{a="b"}" as in a script's series: a metric's name, braces with equality only, or both.
// Reads from the front of `text` and cuts off what it has read. Errors: kInvalid.
[[nodiscard]] Result<Labels> parse_series(std::string_view& text);

}  // namespace keelwatch::promql
