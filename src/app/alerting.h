// Evaluates the rules on the samples of each step, keeps what alerts remember over restarts and
// hands what is to be told to the notifier. Without an Alertmanager the rules are evaluated all the
// same, and shown.
//
// step() is for the step's thread; everything else for any.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/alerts_view.h"
#include "app/cluster_rules.h"
#include "app/evaluation_metrics.h"
#include "app/notifier_thread.h"
#include "app/rules_in_force.h"
#include "app/sample_feed.h"
#include "app/step.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/published.h"
#include "base/result.h"
#include "config/config.h"
#include "metrics/self.h"
#include "rules/rule_set.h"
#include "state/alert_state.h"
#include "store/store.h"

namespace keelwatch::app {

class Alerting {
 public:
  // How long a start waits for the state file: longer than a process before us takes to end.
  static constexpr Duration kLoadPatience = std::chrono::seconds(8);
  // Targets are found one after the other (Pods by the API, databases by Pods): what vanishes so
  // soon after the newest was found says nothing yet.
  static constexpr Duration kSettle = std::chrono::seconds(15);

  // `clock`, `log` and `self` outlive this. Reads the state file. Without one that can be read,
  // alerts start afresh, but for those that fire at an Alertmanager: they are taken back whenever
  // it answers.
  Alerting(const Clock& clock, Logger& log, metrics::SelfMetrics& self,
           const config::Config& config, std::shared_ptr<const RulesInForce> rules,
           std::string refused = {});
  // Tells what waits, and writes the state once more.
  ~Alerting();
  Alerting(const Alerting&) = delete;
  Alerting& operator=(const Alerting&) = delete;

  // From the next step on. `refused`: what is wrong with the files that were read instead of
  // `rules`; empty if nothing is.
  void set_config(const config::Config& config, std::shared_ptr<const RulesInForce> rules,
                  std::string refused = {}) EXCLUDES(mutex_);

  // Returns when it is to be called at the latest, slots apart: a `for` ends then.
  std::optional<SteadyTime> step(const Moment& moment);

  [[nodiscard]] const store::Store& store() const { return store_; }
  // Whether there was no evaluation for three slots, or none since the start for as long.
  [[nodiscard]] bool overdue() const;
  // nullptr before the first step, and when it is overdue.
  [[nodiscard]] std::shared_ptr<const AlertsView> view() const;
  [[nodiscard]] std::string state_file() const { return state_ ? state_->path() : ""; }
  [[nodiscard]] std::shared_ptr<const notifier::Delivery> delivery() const {
    return notifier_.delivery();
  }

 private:
  struct News {
    rules::Settings settings;
    std::shared_ptr<const RulesInForce> rules;
    std::string refused;
    bool wants_objects = false;
  };

  [[nodiscard]] rules::Settings settings_of(const config::Config& config);
  [[nodiscard]] bool restore(Duration patience);
  void restore(std::vector<rules::SavedRule> saved, WallTime saved_at, rules::Instant now,
               std::vector<rules::Transition>& transitions);
  void ask_back(const config::Config& config);
  void take_back(rules::Instant now, std::vector<rules::Transition>& transitions) EXCLUDES(mutex_);
  // New settings, files or objects; what waits for objects goes on once they are known.
  void take_news(const Moment& moment, rules::Instant now,
                 std::vector<rules::Transition>& transitions) EXCLUDES(mutex_);
  [[nodiscard]] bool take_objects(const Moment& moment, WallTime now);
  void load(rules::Instant now, std::vector<rules::Transition>& transitions);
  [[nodiscard]] bool objects_awaited() const { return wants_objects_ && !objects_.known(); }
  void watch_sources(const Moment& moment, SteadyTime now);
  [[nodiscard]] bool is_slot(const Moment& moment, rules::Instant now);
  // `changed`: whether an alert's state may be another than it was put last.
  void keep(rules::Instant now, std::vector<rules::Transition> transitions, bool changed);
  // Nobody knows their rules yet: they fire on, or Alertmanager would end them.
  void send_parked(rules::Instant now, std::vector<rules::Notice>& notices);
  void publish_view(const Moment& moment, rules::Instant now);
  void count(WallTime now);

  const Clock& clock_;
  Logger& log_;
  metrics::SelfMetrics& self_;
  const SteadyTime started_;
  const Duration first_slot_;

  // Of the step's thread.
  store::Store store_;
  SampleFeed feed_;
  std::shared_ptr<const RulesInForce> files_;
  std::string refused_;  // what is wrong with files; those of before are in force
  LoadVerdict files_verdict_;
  bool wants_objects_;
  ClusterRules objects_;
  LoadVerdict objects_verdict_;
  std::string told_objects_;  // what was logged last of what is wrong with them
  std::unique_ptr<rules::RuleSet> rules_;
  // Until the objects are known, whose rules they may belong to.
  std::vector<rules::SavedRule> parked_;
  WallTime parked_at_{};
  std::optional<SteadyTime> parked_sent_;
  std::vector<rules::SavedAlert> not_taken_back_;
  rules::Settings settings_;
  const Silence* silence_ = nullptr;  // of the step under way
  std::optional<rules::Instant> previous_;
  std::optional<SteadyTime> slot_at_;
  bool clock_jumped_ = false;
  std::optional<std::size_t> targets_;  // a number for those that are asked
  SteadyTime settled_at_;
  std::string own_page_;
  metrics::SeriesTable own_series_;

  Mutex mutex_;
  std::optional<News> news_ GUARDED_BY(mutex_);
  std::vector<rules::SavedAlert> seen_at_alertmanager_ GUARDED_BY(mutex_);  // not taken back yet

  Published<AlertsView> view_;
  std::unique_ptr<state::AlertState> state_;  // null: no state file
  bool restored_ = false;                     // what it held at the start
  NotifierThread notifier_;
};

}  // namespace keelwatch::app
