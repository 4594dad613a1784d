// One alerting rule and the states of its alerts (prometheus/prometheus rules/alerting.go). Where
// this program goes its own way (Semantics::kKeelwatch) an alert whose result vanished because its
// facts fell silent is held, not resolved, and a rule over its limit keeps its firing alerts.
//
// One thread. A failed evaluation changes no alert.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "promql/engine.h"
#include "rules/alert.h"
#include "rules/evaluation.h"
#include "rules/rule_file.h"
#include "rules/selection.h"

namespace keelwatch::rules {

// A series that a rule writes, until it ends.
struct OutputSample {
  Labels labels;
  double value = 0;
};

class AlertingRule {
 public:
  // The rule compiles: it comes from parse_rule_file(). `key` as in SavedRule.
  AlertingRule(const Rule& rule, std::size_t limit, std::string key, const Settings& settings);

  // Evaluates the expression `query_offset` before now and moves every alert's state. What changed
  // is appended to `transitions`, the ALERTS series to `samples`. Errors: those of the expression;
  // kInvalid, two results with the same labels, or more than the limit.
  [[nodiscard]] Result<void> evaluate(const Evaluation& evaluation, Duration query_offset,
                                      std::vector<Transition>& transitions,
                                      std::vector<OutputSample>& samples);

  // Whether a change of this series may change the result.
  [[nodiscard]] bool selects(const Labels& series) const;
  // When the `for` of a pending alert next ends.
  [[nodiscard]] std::optional<SteadyTime> next_deadline() const;

  // Firing and resolved alerts that are due to be sent; they count as sent from now on.
  void take_notices(Instant now, Duration resend_delay, std::vector<Notice>& notices);
  // Ends every alert at once: the rule is gone. Those that fired are left as resolved.
  [[nodiscard]] std::vector<Alert> end_all(Instant now, std::vector<Transition>& transitions);

  [[nodiscard]] std::vector<SavedAlert> saved(Instant now) const;
  // Takes alerts over, from a file or from the rule that this one replaces.
  void restore(const std::vector<SavedAlert>& saved, Instant now);
  // Every alert of now has been seen by this process: it comes from the rule that this one
  // replaces.
  void confirm();
  // Takes over an alert that fires at an Alertmanager: no state is known of it here, or a younger
  // one. False if it cannot be one of this rule.
  [[nodiscard]] bool take_back(const SavedAlert& seen, Instant now,
                               std::vector<Transition>& transitions);

  [[nodiscard]] const Rule& rule() const { return rule_; }
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] Duration look_back() const { return look_back_; }
  [[nodiscard]] const std::vector<SelectorUse>& selectors() const { return selectors_; }
  // All instances, resolved ones too, in no order.
  [[nodiscard]] std::vector<Alert> alerts() const;
  // The worst state of any instance.
  [[nodiscard]] AlertState state() const;
  [[nodiscard]] Health health() const { return health_; }
  [[nodiscard]] const EvaluationLog& log() const { return log_; }

 private:
  struct Instance {
    Alert alert;
    std::string sent_held;   // alert.held as it was sent last
    bool present = false;    // in the newest result
    SteadyTime seen{};       // the last evaluation that counted, for the time that pending lasts
    bool confirmed = false;  // has been in a result since the start of this process
  };
  using Instances = std::unordered_map<Labels, Instance, LabelsHash>;

  [[nodiscard]] Result<void> run(const Evaluation& evaluation, Duration query_offset,
                                 std::vector<Transition>& transitions,
                                 std::vector<OutputSample>& samples, EvaluationRecord& record);
  [[nodiscard]] Result<std::vector<Alert>> expand(const promql::Answer& answer,
                                                  const Evaluation& evaluation, std::int64_t at_ms);
  void take_results(std::vector<Alert> results, const Evaluation& evaluation,
                    std::vector<Transition>& transitions);
  void advance(const Evaluation& evaluation, std::int64_t at_ms,
               std::vector<Transition>& transitions);
  // False if the instance is to be forgotten.
  [[nodiscard]] bool vanish(Instance& instance, const Evaluation& evaluation, std::int64_t at_ms,
                            std::vector<Transition>& transitions);
  // Why the vanished result says nothing about the fact; "" if it does.
  [[nodiscard]] std::string hold_reason(const Instance& instance, const Evaluation& evaluation,
                                        std::int64_t at_ms);
  // The source of a selected series that the store has never seen.
  [[nodiscard]] std::optional<std::string> unseen_source(const Instance& instance,
                                                         const Evaluation& evaluation) const;
  void ripen(Instance& instance, const Evaluation& evaluation,
             std::vector<Transition>& transitions) const;
  [[nodiscard]] bool keeps_firing(Alert& alert, Instant now) const;
  [[nodiscard]] bool may_have(const Labels& labels) const;
  void write(std::vector<OutputSample>& samples) const;

  Rule rule_;
  std::size_t limit_;
  std::string key_;
  promql::Query query_;
  std::unordered_map<std::string, promql::Query> template_queries_;
  std::vector<SelectorUse> selectors_;
  Duration look_back_;
  Instances instances_;
  Health health_ = Health::kUnknown;
  EvaluationLog log_;
  // Of this evaluation, asked for at most once.
  std::optional<std::vector<promql::UnknownSeries>> unknown_;
};

}  // namespace keelwatch::rules
