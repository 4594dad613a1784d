// Duration expressions: [5m * 2], offset (step() + 1s).
#include <cmath>

#include "promql/functions.h"
#include "promql/plan.h"

namespace keelwatch::promql {
namespace {

struct Scope {
  double step;
  double range;
};

double seconds_of(const Expr& expr, const Scope& scope) {
  if (const auto* number = expr.as<NumberLiteral>()) return number->value;
  if (const auto* paren = expr.as<Paren>()) return seconds_of(*paren->expr, scope);
  if (const auto* unary = expr.as<Unary>()) {
    const double value = seconds_of(*unary->operand, scope);
    return unary->negative ? -value : value;
  }
  if (const auto* binary = expr.as<Binary>()) {
    return apply(binary->op, seconds_of(*binary->lhs, scope), seconds_of(*binary->rhs, scope));
  }
  const auto* call = expr.as<Call>();
  if (call == nullptr) return std::nan("");
  if (call->function->name == "step") return scope.step;
  if (call->function->name == "range") return scope.range;
  const double a = seconds_of(*call->args[0], scope);
  const double b = seconds_of(*call->args[1], scope);
  return (call->function->name == "min_of") == (a < b) ? a : b;
}

}  // namespace

Result<std::int64_t> evaluate_duration(const Expr& expr, std::int64_t step_ms,
                                       std::int64_t range_ms) {
  const double seconds =
      seconds_of(expr, {static_cast<double>(step_ms) / 1000, static_cast<double>(range_ms) / 1000});
  if (!std::isfinite(seconds)) return Error(ErrorCode::kInvalid, "division by zero in duration");
  // Go's durations end at 292 years.
  if (std::abs(seconds) > 9.2e9) return Error(ErrorCode::kInvalid, "duration out of range");
  return static_cast<std::int64_t>(std::llround(seconds * 1000));
}

}  // namespace keelwatch::promql
