// Evaluates the rules on the samples of each step, keeps what alerts remember over restarts and
// hands what is to be told to the notifier. Without an Alertmanager the rules are evaluated all the
// same, and shown.
//
// step() is for the step's thread; everything else for any.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "app/notifier_thread.h"
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

// Rules as they were loaded: at the start, and with every reload.
struct RulesInForce {
  std::vector<rules::RuleGroup> groups;
  std::set<std::string> disabled;
  std::string warnings;  // lines
};

// The files of `rules.files`, or the bundled rules if there are none. Blocks on the files. Errors:
// kInvalid with all problems of all files.
[[nodiscard]] Result<std::shared_ptr<const RulesInForce>> load_rules(const config::Config& config);
[[nodiscard]] std::shared_ptr<const RulesInForce> bundled_rules();

// One alerting rule as it stands, and its alerts.
struct RuleView {
  std::string group;
  std::string file;
  std::string name;
  std::string expr;
  rules::AlertState state = rules::AlertState::kInactive;
  rules::Health health = rules::Health::kUnknown;
  std::string last_error;
  std::vector<rules::Alert> alerts;  // pending and firing
};

// Immutable once published.
struct AlertsView {
  SteadyTime at{};
  Duration slot{};
  std::vector<RuleView> rules;  // in the order of evaluation
};

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
           const config::Config& config, std::shared_ptr<const RulesInForce> rules);
  // Tells what waits, and writes the state once more.
  ~Alerting();
  Alerting(const Alerting&) = delete;
  Alerting& operator=(const Alerting&) = delete;

  // From the next step on.
  void set_config(const config::Config& config, std::shared_ptr<const RulesInForce> rules)
      EXCLUDES(mutex_);

  void step(const Moment& moment);

  [[nodiscard]] const store::Store& store() const { return store_; }
  // Whether there was no evaluation for three slots, or none since the start for as long.
  [[nodiscard]] bool overdue() const;
  // nullptr before the first step, and when it is overdue.
  [[nodiscard]] std::shared_ptr<const AlertsView> view() const;
  [[nodiscard]] std::shared_ptr<const notifier::Delivery> delivery() const {
    return notifier_.delivery();
  }

 private:
  struct News {
    rules::Settings settings;
    std::shared_ptr<const RulesInForce> rules;
  };

  [[nodiscard]] rules::Settings settings_of(const config::Config& config);
  [[nodiscard]] bool restore(Duration patience);
  void ask_back(const config::Config& config);
  void take_back(rules::Instant now, std::vector<rules::Transition>& transitions) EXCLUDES(mutex_);
  void take_news(rules::Instant now, std::vector<rules::Transition>& transitions) EXCLUDES(mutex_);
  void watch_sources(const Moment& moment, SteadyTime now);
  [[nodiscard]] bool is_slot(const Moment& moment, rules::Instant now);
  // `changed`: whether an alert's state may be another than it was put last.
  void keep(rules::Instant now, std::vector<rules::Transition> transitions, bool changed);
  void publish_view(const Moment& moment, rules::Instant now);

  const Clock& clock_;
  Logger& log_;
  metrics::SelfMetrics& self_;
  const SteadyTime started_;
  const Duration first_slot_;

  // Of the step's thread.
  store::Store store_;
  SampleFeed feed_;
  std::unique_ptr<rules::RuleSet> rules_;
  rules::Settings settings_;
  const Silence* silence_ = nullptr;  // of the step under way
  std::optional<rules::Instant> previous_;
  std::optional<SteadyTime> slot_at_;
  bool clock_jumped_ = false;
  std::optional<std::size_t> targets_;  // a number for those that are asked
  SteadyTime settled_at_;
  // Until the slowest facts have been read once.
  SteadyTime evidence_not_before_;
  std::string own_page_;

  Mutex mutex_;
  std::optional<News> news_ GUARDED_BY(mutex_);
  std::vector<rules::SavedAlert> seen_at_alertmanager_ GUARDED_BY(mutex_);  // not taken back yet

  Published<AlertsView> view_;
  std::unique_ptr<state::AlertState> state_;  // null: no state file
  bool restored_ = false;                     // what it held at the start
  NotifierThread notifier_;
};

}  // namespace keelwatch::app
