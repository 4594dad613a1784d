#include "promql/invariance.h"

#include <algorithm>

#include "promql/functions.h"

namespace keelwatch::promql {

bool depends_on_time(std::string_view function) {
  static constexpr std::string_view kNames[] = {
      "day_of_month", "day_of_week", "day_of_year", "days_in_month", "end",
      "hour",         "minute",      "month",       "year",          "predict_linear",
      "range",        "start",       "step",        "time",          "timestamp"};
  return std::find(std::begin(kNames), std::end(kNames), function) != std::end(kNames);
}

bool is_step_invariant(const Expr& expr) {
  if (const auto* selector = expr.as<VectorSelector>()) {
    return selector->modifiers.anchor != Anchor::kNone;
  }
  if (const auto* matrix = expr.as<MatrixSelector>()) return is_step_invariant(*matrix->selector);
  if (const auto* subquery = expr.as<Subquery>()) {
    return subquery->modifiers.anchor != Anchor::kNone;
  }
  const auto* call = expr.as<Call>();
  if (call != nullptr && depends_on_time(call->function->name)) return false;
  bool invariant = true;
  for_each_child(expr,
                 [&](const Expr& child) { invariant = invariant && is_step_invariant(child); });
  return invariant;
}

}  // namespace keelwatch::promql
