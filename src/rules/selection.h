// What an expression looks at: which series, and how far back.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/labels.h"
#include "promql/ast.h"
#include "store/queryable.h"

namespace keelwatch::rules {

struct SelectorUse {
  std::string metric_name;  // "" if the selector names none by equality
  std::vector<store::Matcher> matchers;
  // On the right of `unless`: without its series there would be more results, not fewer.
  bool takes_away = false;

  [[nodiscard]] bool selects(const Labels& series) const;
};

// Whether the labels that both have, the name aside, are the same in both.
[[nodiscard]] bool agree_on_shared(const Labels& result, const Labels& series);

// Every vector selector of the expression, those of ranges and subqueries too.
[[nodiscard]] std::vector<SelectorUse> selectors_of(const promql::Expr& expr);

// The longest time before its evaluation from which the expression takes samples: ranges, offsets
// and subqueries added up. Zero for instant selectors: their lookback delta is no look-back. @ and
// duration expressions that depend on a query's step count as zero.
[[nodiscard]] Duration look_back(const promql::Expr& expr);

}  // namespace keelwatch::rules
