// Changes of label sets on their way out, as Prometheus' relabel_config has them
// (model/relabel/relabel.go). Immutable after compile(); any thread.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/labels.h"
#include "base/result.h"
#include "config/config.h"
#include "promql/matcher.h"

namespace keelwatch::notifier {

class Relabelling {
 public:
  Relabelling() = default;  // changes nothing

  // Errors: kInvalid, a regular expression is none (config/ has refused it before).
  [[nodiscard]] static Result<Relabelling> compile(std::span<const config::Relabel> steps);

  // The labels that are left; nothing if a step drops the set. A label name or value that a step
  // would make too long (promql::kMaxLabelValue), and a name that is none, is not written.
  [[nodiscard]] std::optional<Labels> apply(Labels labels) const;

 private:
  struct Step {
    config::Relabel settings;
    promql::Regex regex;
  };
  std::vector<Step> steps_;
};

}  // namespace keelwatch::notifier
