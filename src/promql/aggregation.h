// Groups of an aggregation: by (...) and without (...).
#pragma once

#include <cstdint>
#include <vector>

#include "promql/plan.h"

namespace keelwatch::promql {

struct Groups {
  std::vector<std::uint32_t> of;  // per input series
  SetPtr set;                     // one series per group
};
[[nodiscard]] Groups make_groups(const Aggregate& aggregate, const SeriesSet& set);
[[nodiscard]] Labels group_labels(const Aggregate& aggregate, const Labels& labels);

// topk, bottomk, limitk and count_values, whose results depend on the values.
[[nodiscard]] NodePtr make_selection(Span span, const Aggregate& aggregate, NodePtr parameter,
                                     NodePtr expr);
[[nodiscard]] NodePtr make_count_values(Span span, const Aggregate& aggregate, NodePtr parameter,
                                        NodePtr expr);

}  // namespace keelwatch::promql
