// A group of rules: when it runs, and the series that it writes. Rules run in order and see what
// the ones before have recorded. The group's slot is hashed into its interval, and from the first
// one on the steady clock counts: a clock step neither skips nor repeats an evaluation.
//
// One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "rules/alerting_rule.h"
#include "rules/evaluation.h"
#include "rules/recording_rule.h"
#include "rules/rule_file.h"

namespace keelwatch::rules {

struct GroupStats {
  std::uint64_t iterations = 0;  // missed ones included
  std::uint64_t iterations_missed = 0;
  std::uint64_t evaluations = 0;  // of rules
  std::uint64_t evaluation_failures = 0;
  std::size_t samples = 0;  // written by the last evaluation
  WallTime last_evaluation{};
  Duration last_duration{};
};

class Group {
 public:
  using AnyRule = std::variant<AlertingRule, RecordingRule>;

  Group(const RuleGroup& group, const Settings& settings);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] Duration interval() const { return interval_; }
  [[nodiscard]] Duration query_offset() const { return query_offset_; }
  [[nodiscard]] std::size_t limit() const { return limit_; }
  [[nodiscard]] const std::vector<AnyRule>& rules() const { return rules_; }
  [[nodiscard]] std::vector<AnyRule>& rules() { return rules_; }
  [[nodiscard]] const GroupStats& stats() const { return stats_; }

  // Whether the slot has come. The first time it is asked decides where the slots are.
  [[nodiscard]] bool due(Instant now);
  [[nodiscard]] std::optional<SteadyTime> next_slot() const { return next_slot_; }

  // At the slot (evaluation.output is set): all rules, and the slots that have been missed are
  // counted. Failed rules say so themselves (health, log) and leave their series and alerts alone.
  void evaluate(const Evaluation& evaluation, std::vector<Transition>& transitions);
  // Between slots: one alerting rule.
  void evaluate_off_slot(AlertingRule& rule, const Evaluation& evaluation,
                         std::vector<Transition>& transitions);

  // Ends every series that the group has written: it is gone, or its rules are.
  void end_series(Output& output, std::int64_t at_ms);
  // Takes over the slots and the series of the group that this one replaces; those of rules that
  // are no more end with the next evaluation.
  void take_over(Group& before);

 private:
  using SeriesLabels = std::unordered_set<Labels, LabelsHash>;
  // What one rule has written; true: the unknown marker is its newest sample.
  using Written = std::unordered_map<Labels, bool, LabelsHash>;

  [[nodiscard]] Result<void> evaluate_rule(std::size_t i, const Evaluation& evaluation,
                                           std::vector<Transition>& transitions,
                                           std::vector<OutputSample>& samples);
  void write(std::size_t i, const Evaluation& evaluation, std::vector<OutputSample> samples);
  // Ends the series that the rule did not write this time.
  void end_vanished(std::size_t i, const Evaluation& evaluation, const Written& vanished);
  void schedule(Instant now);

  std::string name_;
  std::string file_;
  Duration interval_;
  Duration query_offset_;
  std::size_t limit_;
  std::vector<AnyRule> rules_;
  std::vector<Written> written_;  // by the last good evaluation of each rule
  SeriesLabels ending_;
  std::optional<SteadyTime> next_slot_;
  GroupStats stats_;
};

// "group/name{label="text"}#n"; n counts rules that are otherwise the same. A key as in SavedRule
// is the file, a tabulator, and this.
[[nodiscard]] std::string rule_key(const std::string& group, const Rule& rule, std::size_t number);

}  // namespace keelwatch::rules
