#include "rules/selection.h"

#include <algorithm>
#include <cmath>

#include "promql/matcher.h"
#include "promql/value.h"

namespace keelwatch::rules {
namespace {

void collect(const promql::Expr& expr, bool takes_away, std::vector<SelectorUse>& out) {
  if (const auto* selector = expr.as<promql::VectorSelector>()) {
    SelectorUse use;
    use.takes_away = takes_away;
    for (const promql::LabelMatcher& matcher : selector->matchers) {
      const Result<store::Matcher> compiled = promql::compile_matcher(matcher);
      if (!compiled) continue;  // the parser has compiled it before
      if (matcher.name == kMetricName && matcher.op == store::Matcher::Op::kEqual) {
        use.metric_name = matcher.value;
      }
      use.matchers.push_back(*compiled);
    }
    out.push_back(std::move(use));
  }
  const auto* binary = expr.as<promql::Binary>();
  const bool unless = binary != nullptr && binary->op == promql::BinaryOp::kUnless;
  promql::for_each_child(expr, [&](const promql::Expr& child) {
    collect(child, takes_away || (unless && &child == binary->rhs.get()), out);
  });
}

double seconds(const promql::ExprPtr& expr) {
  if (!expr) return 0;
  const promql::Expr& inner = promql::without_parens(*expr);
  if (const auto* number = inner.as<promql::NumberLiteral>()) return number->value;
  if (const auto* unary = inner.as<promql::Unary>()) {
    return unary->negative ? -seconds(unary->operand) : seconds(unary->operand);
  }
  const auto* binary = inner.as<promql::Binary>();
  if (binary == nullptr) return 0;
  const double a = seconds(binary->lhs);
  const double b = seconds(binary->rhs);
  switch (binary->op) {
    case promql::BinaryOp::kAdd:
      return a + b;
    case promql::BinaryOp::kSub:
      return a - b;
    case promql::BinaryOp::kMul:
      return a * b;
    case promql::BinaryOp::kDiv:
      return b == 0 ? 0 : a / b;
    default:
      return 0;
  }
}

// `outer`: what the subqueries around add.
double reach(const promql::Expr& expr, double outer) {
  if (const auto* selector = expr.as<promql::VectorSelector>()) {
    if (selector->modifiers.anchor != promql::Anchor::kNone) return 0;
    return outer + seconds(selector->modifiers.offset);
  }
  if (const auto* matrix = expr.as<promql::MatrixSelector>()) {
    return reach(*matrix->selector, outer + seconds(matrix->range));
  }
  if (const auto* subquery = expr.as<promql::Subquery>()) {
    if (subquery->modifiers.anchor != promql::Anchor::kNone) return 0;
    return reach(*subquery->expr,
                 outer + seconds(subquery->range) + seconds(subquery->modifiers.offset));
  }
  double longest = 0;
  promql::for_each_child(
      expr, [&](const promql::Expr& child) { longest = std::max(longest, reach(child, outer)); });
  return longest;
}

}  // namespace

bool SelectorUse::selects(const Labels& series) const {
  return std::all_of(matchers.begin(), matchers.end(), [&](const store::Matcher& matcher) {
    return promql::matches(matcher, series.get(matcher.name));
  });
}

bool agree_on_shared(const Labels& result, const Labels& series) {
  for (const LabelView label : series) {
    if (label.name == kMetricName) continue;
    const std::string_view mine = result.get(label.name);
    if (!mine.empty() && mine != label.value) return false;
  }
  return true;
}

std::vector<SelectorUse> selectors_of(const promql::Expr& expr) {
  std::vector<SelectorUse> out;
  collect(expr, false, out);
  return out;
}

Duration look_back(const promql::Expr& expr) {
  const double longest = std::clamp(reach(expr, 0), 0.0, 9e8);  // Duration ends at 292 years
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(longest));
}

}  // namespace keelwatch::rules
