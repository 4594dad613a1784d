#include "promql/script_variants.h"

#include <algorithm>

#include "promql/functions.h"
#include "promql/invariance.h"
#include "promql/parser.h"
#include "promql/printer.h"

namespace keelwatch::promql {
namespace {

void pin(Modifiers& modifiers, std::int64_t at_ms) {
  if (modifiers.anchor != Anchor::kNone) return;
  modifiers.anchor = Anchor::kTime;
  modifiers.anchor_ms = at_ms;
}

// What a subquery holds is evaluated at the subquery's times. False if a function forbids it.
bool pin_selectors(Expr& expr, std::int64_t at_ms) {
  if (auto* selector = expr.as<VectorSelector>()) {
    pin(selector->modifiers, at_ms);
  } else if (auto* subquery = expr.as<Subquery>()) {
    pin(subquery->modifiers, at_ms);
    return !depends_on_query_range(expr);
  }
  const auto* call = expr.as<Call>();
  bool possible =
      call == nullptr || (call->function->name != "info" && !depends_on_time(call->function->name));
  for_each_child(expr, [&](Expr& child) { possible = pin_selectors(child, at_ms) && possible; });
  return possible;
}

const Modifiers* modifiers_of(const Expr& expr) {
  if (const auto* selector = expr.as<VectorSelector>()) return &selector->modifiers;
  if (const auto* subquery = expr.as<Subquery>()) return &subquery->modifiers;
  return nullptr;
}

}  // namespace

std::vector<Variant> pinned_variants(std::string_view query, std::int64_t at_ms) {
  Result<ExprPtr> parsed = parse(query);
  if (!parsed || !pin_selectors(**parsed, at_ms)) return {};
  const std::string pinned = print(**parsed);
  std::vector<std::int64_t> times = {-10 * at_ms, 0, at_ms / 5, at_ms, 10 * at_ms};
  if (at_ms == 0) times = {-1000, 0, 1000};
  std::vector<Variant> variants;
  for (const std::int64_t time : times) variants.push_back({pinned, time});
  return variants;
}

bool depends_on_query_range(const Expr& expr) {
  if (const Modifiers* modifiers = modifiers_of(expr)) {
    if (modifiers->anchor == Anchor::kStart || modifiers->anchor == Anchor::kEnd) return true;
  }
  if (const auto* call = expr.as<Call>()) {
    const std::string_view name = call->function->name;
    if (name == "start" || name == "end" || name == "step" || name == "range") return true;
  }
  bool found = false;
  for_each_child(expr, [&](const Expr& child) { found = found || depends_on_query_range(child); });
  return found;
}

}  // namespace keelwatch::promql
