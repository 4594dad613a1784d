// What is likely wrong with rules that load: `keelwatch check rules`. Warnings, each at its place.
// What is known of a metric (its type and labels) comes from the program's own declarations; of
// others nothing is assumed.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/diagnostics.h"
#include "metrics/family.h"
#include "promql/ast.h"
#include "rules/rule_file.h"

namespace keelwatch::rules {

struct LintOptions {
  std::span<const metrics::Family* const> families;  // the program's own
  // Names that begin so and are no family are unknown metrics.
  std::string prefix = "keelwatch_";
  Duration default_interval = std::chrono::seconds(15);
  Duration retention = std::chrono::hours(3);
};

// The labels that an expression's result can have: all but some, or none but some.
struct PossibleLabels {
  bool open = true;  // any label that is not in `names`; else only those in it
  std::set<std::string> names;

  [[nodiscard]] bool may_have(const std::string& name) const {
    return names.contains(name) != open;
  }
};
[[nodiscard]] PossibleLabels possible_labels(const promql::Expr& expr);

// `recorded`: the names that rules of any file record.
void lint(const RuleFile& file, const std::set<std::string>& recorded, const LintOptions& options,
          Diagnostics& problems);

}  // namespace keelwatch::rules
