// Which series of two vectors belong together (on, ignoring).
#pragma once

#include <cstdint>
#include <vector>

#include "promql/plan.h"

namespace keelwatch::promql {

// Match groups of two sets: series of equal signatures have equal numbers.
struct MatchGroups {
  std::vector<std::uint32_t> lhs;
  std::vector<std::uint32_t> rhs;
  std::uint32_t count = 0;
};
[[nodiscard]] MatchGroups match_groups(const Matching& matching, const SeriesSet& lhs,
                                       const SeriesSet& rhs);

// The labels that matter to matching, sorted: those of on(), or all but those of ignoring() and
// the name.
[[nodiscard]] Labels signature(const Matching& matching, const Labels& labels);

[[nodiscard]] NodePtr make_matching(Span span, const Binary& binary, NodePtr lhs, NodePtr rhs);
[[nodiscard]] NodePtr make_set_operator(Span span, const Binary& binary, NodePtr lhs, NodePtr rhs);

}  // namespace keelwatch::promql
