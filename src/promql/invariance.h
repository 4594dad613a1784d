// What does not change from step to step of a range query: Prometheus evaluates it once
// (promql/engine.go, PreprocessExpr), which shows in annotations and in @-variants of scripts.
#pragma once

#include <string_view>

#include "promql/ast.h"

namespace keelwatch::promql {

// Functions whose result depends on the evaluation's time even where their arguments do not
// (promql/functions.go, AtModifierUnsafeFunctions).
[[nodiscard]] bool depends_on_time(std::string_view function);

[[nodiscard]] bool is_step_invariant(const Expr& expr);

}  // namespace keelwatch::promql
