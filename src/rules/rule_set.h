// All groups of rules that are in force: evaluates what is due, keeps what alerts remember over
// reloads and restarts, and says what is to be sent.
//
//   rules.load(groups, now, &output);        // at the start, and at every reload
//   rules.step(step, changed, transitions);  // every step
//   rules.take_notices(now, notices);        // after it
//
// One thread. Nothing here blocks or does I/O.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "rules/alert.h"
#include "rules/evaluation.h"
#include "rules/group.h"
#include "rules/rule_file.h"

namespace keelwatch::rules {

// What a step gives to the rules.
struct Step {
  store::Store& store;
  Instant now;
  // Since when every source that is set up has answered at least once; absent: not yet.
  std::optional<SteadyTime> sources_answered{};
  const Clock* clock = nullptr;
  std::stop_token stop{};
};

struct RuleSetStats {
  std::uint64_t clock_steps = 0;  // jumps of the wall clock against the steady one
  std::size_t groups = 0;
  std::size_t rules = 0;
  std::size_t failing_rules = 0;  // whose last evaluation failed
};

class RuleSet {
 public:
  static constexpr Duration kResendDelay = std::chrono::minutes(1);
  // A pending alert that was saved longer ago than this starts afresh.
  static constexpr Duration kPendingTolerance = std::chrono::hours(1);
  // Slewing and rounding stay below; what is more is a jump.
  static constexpr Duration kClockJump = std::chrono::seconds(2);

  explicit RuleSet(Settings settings) : settings_(std::move(settings)) {}

  // Puts these groups in place of those before. A rule of the same group, name and configured
  // labels keeps its alerts; alerts of rules that are gone, or named in `disabled`, end at once and
  // are sent as resolved. `output` may be null: series of rules that are gone then end by
  // themselves.
  void load(const std::vector<RuleGroup>& groups, const std::set<std::string>& disabled,
            Instant now, Output* output, std::vector<Transition>& transitions);

  // Evaluates the groups whose slot has come; between slots the alerting rules that select a
  // changed series or have an alert whose `for` has passed.
  void step(const Step& step, std::span<const Labels* const> changed,
            std::vector<Transition>& transitions);
  // When step() has something to do that neither a slot nor a change brings: the end of a `for`.
  [[nodiscard]] std::optional<SteadyTime> next_deadline() const;

  // What is to be sent now; it counts as sent. To be called at least every few seconds: a rule that
  // fails keeps its alerts alive this way.
  void take_notices(Instant now, std::vector<Notice>& notices);

  // All alerts, to be stored, and taken back at the next start before the first step. Those of
  // rules that no longer exist come back as resolved.
  [[nodiscard]] std::vector<SavedRule> saved(Instant now) const;
  void restore(const std::vector<SavedRule>& saved, WallTime saved_at, Instant now,
               std::vector<Transition>& transitions);
  // Alerts that fire at an Alertmanager, at any time after a start without a stored state. Each
  // becomes one of the first rule that can have made it, and fires until its rule knows better.
  // Returns those of no rule here.
  [[nodiscard]] std::vector<SavedAlert> take_back(std::vector<SavedAlert> seen, Instant now,
                                                  std::vector<Transition>& transitions);

  [[nodiscard]] const std::vector<std::unique_ptr<Group>>& groups() const { return groups_; }
  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] RuleSetStats stats() const;

 private:
  struct Orphan {  // resolved, its rule is gone
    Alert alert;
    std::string expr;
  };

  [[nodiscard]] std::optional<SteadyTime> evidence_since(const Step& step) const;
  // False if nothing is to be evaluated in this step: the store's newest samples are later than
  // now.
  [[nodiscard]] bool watch_clock(const Step& step, WallTime& at);
  [[nodiscard]] std::set<std::pair<std::size_t, std::size_t>> touched(
      std::span<const Labels* const> changed, SteadyTime now) const;
  void index();
  [[nodiscard]] std::vector<AlertingRule*> alerting_rules();
  // By key: what each rule of now continues.
  [[nodiscard]] std::unordered_map<std::string, AlertingRule*> match(
      const std::vector<std::string>& keys);

  Settings settings_;
  std::vector<std::unique_ptr<Group>> groups_;
  std::vector<Orphan> orphans_;
  std::set<std::string> disabled_;
  // Places (group, rule) of alerting rules by the names of the metrics that they select; "" for
  // selectors without one.
  std::unordered_map<std::string, std::vector<std::pair<std::size_t, std::size_t>>> by_metric_;
  std::optional<Instant> previous_;
  std::optional<SteadyTime> clock_jumped_;
  WallTime evaluated_until_{};
  std::uint64_t clock_steps_ = 0;
};

}  // namespace keelwatch::rules
