// The expression back as text, in Prometheus' form (promql/parser/printer.go): parsing the text
// again gives the same tree.
#pragma once

#include <string>

#include "promql/ast.h"

namespace keelwatch::promql {

[[nodiscard]] std::string print(const Expr& expr);

// Shortest decimal that reads back, without exponent, as Go's FormatFloat(v, 'f', -1, 64); +Inf,
// -Inf, NaN.
[[nodiscard]] std::string format_number(double value);

// Go's strconv.Quote.
[[nodiscard]] std::string quote(std::string_view text);

}  // namespace keelwatch::promql
