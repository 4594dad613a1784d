// The rules as they stand after a step, for those who show them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "rules/rule_set.h"

namespace keelwatch::app {

struct RuleView {
  bool alerting = true;  // else recording
  std::string name;
  std::string expr;
  std::vector<std::pair<std::string, std::string>> labels;       // as configured
  std::vector<std::pair<std::string, std::string>> annotations;  // likewise
  Duration hold{};
  Duration keep_firing_for{};
  rules::AlertState state = rules::AlertState::kInactive;  // of an alerting rule
  rules::Health health = rules::Health::kUnknown;
  std::shared_ptr<const std::vector<rules::EvaluationRecord>> evaluations;  // the newest last
  std::vector<rules::Alert> alerts;                                         // pending and firing

  // nullptr before the first.
  [[nodiscard]] const rules::EvaluationRecord* newest() const {
    return evaluations->empty() ? nullptr : &evaluations->back();
  }
};

struct GroupView {
  std::string name;
  std::string file;
  Duration interval{};
  Duration query_offset{};
  std::size_t limit = 0;
  WallTime last_evaluation{};  // the epoch: not yet
  Duration last_duration{};
  std::vector<RuleView> rules;  // in the order of evaluation
};

// Immutable once published.
struct AlertsView {
  SteadyTime at{};
  Duration slot{};
  std::vector<GroupView> groups;
  std::vector<std::string> problems;  // of rules that could not be loaded: those of before run on
};

[[nodiscard]] std::vector<GroupView> view_of(const rules::RuleSet& rules);

}  // namespace keelwatch::app
