// Types of expressions and Prometheus' messages where they do not fit (promql/parser/parse.go).
#pragma once

#include <optional>

#include "promql/ast.h"
#include "promql/lexer.h"

namespace keelwatch::promql {

// Sets expr.type from its (checked) children; what is wrong with the node itself, if anything.
[[nodiscard]] std::optional<SyntaxError> check_types(Expr& expr);

}  // namespace keelwatch::promql
