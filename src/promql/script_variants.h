// The other ways of asking an instant query that must give the same answer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "promql/ast.h"

namespace keelwatch::promql {

struct Variant {
  std::string query;  // every selector pinned with @
  std::int64_t at_ms = 0;
};
// Empty if a part of the query depends on the evaluation's time otherwise.
[[nodiscard]] std::vector<Variant> pinned_variants(std::string_view query, std::int64_t at_ms);

// Whether start(), end(), step() or range() occur, as functions or modifiers: a range query around
// the time gives another answer then.
[[nodiscard]] bool depends_on_query_range(const Expr& expr);

}  // namespace keelwatch::promql
