// What the evaluation of rules says of itself: rules that fail, slots that are missed, whether
// rules could be loaded, and the store that they are evaluated on. Under Prometheus' own names
// where they mean the same, so that existing meta-alerts work.
#pragma once

#include <optional>
#include <vector>

#include "base/clock.h"
#include "metrics/family.h"
#include "metrics/writer.h"
#include "rules/rule_set.h"
#include "store/store.h"

namespace keelwatch::app {

// How the rules of one origin were last read.
struct LoadVerdict {
  bool good = true;
  std::optional<WallTime> last_good;
};

struct EvaluationFacts {
  WallTime at{};
  LoadVerdict files;                   // or the bundled rules
  std::optional<LoadVerdict> objects;  // absent: kubernetes.prometheus_rules is off
};

// Those of the store included.
[[nodiscard]] std::vector<const metrics::Family*> evaluation_families();

[[nodiscard]] metrics::Samples describe_evaluation(const rules::RuleSet& rules,
                                                   const store::StoreStats& store,
                                                   const EvaluationFacts& facts,
                                                   metrics::SeriesTable& series);

}  // namespace keelwatch::app
