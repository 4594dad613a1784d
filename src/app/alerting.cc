#include "app/alerting.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/time_text.h"
#include "config/limits.h"

namespace keelwatch::app {
namespace {

Labels labels_of(const config::LabelPairs& pairs) {
  Labels labels;
  for (const auto& [name, value] : pairs) labels = labels.with(name, value);
  return labels;
}

std::string key_of(const rules::Settings& settings) {
  return settings.external_labels.text() + settings.external_url + "\n" +
         format_duration(settings.default_interval);
}

}  // namespace

Alerting::Alerting(const Clock& clock, Logger& log, metrics::SelfMetrics& self,
                   const config::Config& config, std::shared_ptr<const RulesInForce> rules,
                   std::string refused)
    : clock_(clock),
      log_(log),
      self_(self),
      started_(clock.steady()),
      first_slot_(config.step_interval),
      store_({.memory_budget = limits::kStoreBytes}),
      feed_(store_, log),
      files_(std::move(rules)),
      refused_(std::move(refused)),
      wants_objects_(config.kubernetes.prometheus_rules),
      settings_(settings_of(config)),
      settled_at_(started_),
      notifier_(clock, log, self, config) {
  rules_ = std::make_unique<rules::RuleSet>(settings_);
  files_verdict_.good = refused_.empty();
  if (files_verdict_.good) files_verdict_.last_good = clock.wall();
  std::vector<rules::Transition> transitions;
  load({clock.wall(), clock.steady()}, transitions);
  bool known = false;
  if (!config.alerts.state_file.empty()) {
    state_ = std::make_unique<state::AlertState>(config.alerts.state_file, clock, log, self);
    known = restore(kLoadPatience);
  }
  if (!known && !config.alerts.alertmanagers.empty()) ask_back(config);
}

Alerting::~Alerting() = default;

bool Alerting::overdue() const {
  const std::shared_ptr<const AlertsView> newest = view_.read();
  const Duration age = clock_.steady() - (newest ? newest->at : started_);
  return age > Moment::kSlotsUntilStale * (newest ? newest->slot : first_slot_);
}

std::shared_ptr<const AlertsView> Alerting::view() const {
  return overdue() ? nullptr : view_.read();
}

rules::Settings Alerting::settings_of(const config::Config& config) {
  rules::Settings settings;
  settings.external_labels = labels_of(config.alerts.external_labels);
  settings.external_url = config.alerts.external_url;
  settings.default_interval = config.step_interval;
  settings.silent_source = [this](const Labels& series) {
    return silence_ != nullptr ? silence_->source_of(series) : std::nullopt;
  };
  settings.silent_member = [this](const Labels& series) {
    return silence_ != nullptr ? silence_->member_of(series) : std::nullopt;
  };
  return settings;
}

// A file that cannot be read in time may be soon: until then nothing is written over it. False if
// nothing is known of the alerts.
bool Alerting::restore(Duration patience) {
  const Result<state::KeptAlerts> kept = state_->load(patience);
  if (!kept && kept.error().code() == ErrorCode::kTimeout) return false;
  restored_ = true;
  if (!kept) {
    log_.error("app", "the state of alerts cannot be read, they start afresh",
               {{"file", state_->path()}, {"err", kept.error()}});
    return false;
  }
  if (!kept->written_at) return false;
  const rules::Instant now{clock_.wall(), clock_.steady()};
  std::vector<rules::Transition> transitions;
  restore(kept->rules, *kept->written_at, now, transitions);
  keep(now, std::move(transitions), true);
  return true;
}

// Alerts of rules that may still come from objects are neither forgotten nor resolved until then.
void Alerting::restore(std::vector<rules::SavedRule> saved, WallTime saved_at, rules::Instant now,
                       std::vector<rules::Transition>& transitions) {
  if (objects_awaited()) {
    const auto parked = std::ranges::partition(saved, [](const rules::SavedRule& rule) {
      return !rule.key.starts_with(ClusterRules::kFile);
    });
    std::ranges::move(parked, std::back_inserter(parked_));
    saved.erase(parked.begin(), parked.end());
    parked_at_ = saved_at;
  }
  rules_->restore(saved, saved_at, now, transitions);
}

namespace {

// Those of other keelwatch processes, which watch other namespaces, are theirs.
std::set<std::string> watched_namespaces(const config::Config& config) {
  const config::Kubernetes& kubernetes = config.kubernetes;
  if (kubernetes.namespaces.empty()) return {};
  std::set<std::string> names(kubernetes.namespaces.begin(), kubernetes.namespaces.end());
  names.insert(kubernetes.operator_namespaces.begin(), kubernetes.operator_namespaces.end());
  for (const config::PostgresCluster& one : config.postgres.clusters) names.insert(one.ns);
  return names;
}

}  // namespace

void Alerting::ask_back(const config::Config& config) {
  notifier_.take_back([this, namespaces = watched_namespaces(config)](auto seen) {
    std::erase_if(seen, [&](const rules::SavedAlert& alert) {
      const std::string ns(alert.labels.get("namespace"));
      return !namespaces.empty() && !ns.empty() && !namespaces.contains(ns);
    });
    MutexLock lock(mutex_);
    std::ranges::move(seen, std::back_inserter(seen_at_alertmanager_));
  });
}

void Alerting::take_back(rules::Instant now, std::vector<rules::Transition>& transitions) {
  std::vector<rules::SavedAlert> seen;
  {
    MutexLock lock(mutex_);
    seen = std::exchange(seen_at_alertmanager_, {});
  }
  const bool again = !not_taken_back_.empty() && !objects_awaited();
  if (seen.empty() && !again) return;
  std::ranges::move(std::exchange(not_taken_back_, {}), std::back_inserter(seen));
  const std::size_t count = seen.size();
  std::vector<rules::SavedAlert> rest = rules_->take_back(std::move(seen), now, transitions);
  log_.info("app", "alertmanager keeps alerts of a keelwatch before us",
            {{"alerts", count}, {"taken_back", count - rest.size()}});
  if (objects_awaited()) not_taken_back_ = std::move(rest);
}

void Alerting::set_config(const config::Config& config, std::shared_ptr<const RulesInForce> rules,
                          std::string refused) {
  const std::string path = state_ ? state_->path() : "";
  if (config.alerts.state_file != path) {
    log_.warn("app", "another alerts.state_file counts from the next start on",
              {{"file", config.alerts.state_file}});
  }
  notifier_.set_config(config);
  MutexLock lock(mutex_);
  news_ = News{settings_of(config), std::move(rules), std::move(refused),
               config.kubernetes.prometheus_rules};
}

void Alerting::load(rules::Instant now, std::vector<rules::Transition>& transitions) {
  rules::StoreOutput output(store_);
  std::vector<rules::RuleGroup> groups = files_->groups;
  std::ranges::move(objects_.groups(), std::back_inserter(groups));
  rules_->load(groups, files_->disabled, now, &output, transitions);
}

bool Alerting::take_objects(const Moment& moment, WallTime now) {
  if (!wants_objects_ || !objects_.take(moment.world.kubernetes->prometheus_rules)) return false;
  const std::string problems = fmt::format("{}", fmt::join(objects_.problems(), " | "));
  objects_verdict_.good = problems.empty();
  if (problems.empty()) objects_verdict_.last_good = now;
  if (problems != told_objects_) {
    if (!problems.empty()) {
      log_.error("app", "rules of objects are invalid, those of before stay in force",
                 {{"problems", problems}});
    } else {
      log_.info("app", "the rules of all objects are good again");
    }
    told_objects_ = problems;
  }
  return true;
}

void Alerting::take_news(const Moment& moment, rules::Instant now,
                         std::vector<rules::Transition>& transitions) {
  std::optional<News> news;
  {
    MutexLock lock(mutex_);
    news = std::exchange(news_, std::nullopt);
  }
  if (news) {
    files_ = std::move(news->rules);
    refused_ = std::move(news->refused);
    files_verdict_.good = refused_.empty();
    if (files_verdict_.good) files_verdict_.last_good = now.wall;
    wants_objects_ = news->wants_objects;
    if (!wants_objects_) objects_ = {};
  }
  const bool objects = take_objects(moment, now.wall);
  if (!news && !objects) return;
  if (news && key_of(news->settings) != key_of(settings_)) {
    settings_ = std::move(news->settings);
    rules::StoreOutput output(store_);
    const std::vector<rules::SavedRule> before = rules_->saved(now);
    for (const auto& group : rules_->groups()) group->end_series(output, to_unix_millis(now.wall));
    rules_ = std::make_unique<rules::RuleSet>(settings_);
    load(now, transitions);
    rules_->restore(before, now.wall, now, transitions);
  } else {
    load(now, transitions);
  }
  if (!objects_awaited() && !parked_.empty()) {
    rules_->restore(std::exchange(parked_, {}), parked_at_, now, transitions);
  }
}

void Alerting::watch_sources(const Moment& moment, SteadyTime now) {
  const std::optional<std::size_t> targets = settled(moment.world);
  if (!targets || targets != targets_) settled_at_ = now;
  targets_ = targets;
}

// At its interval, and twice when the clock has jumped: what has not changed would be out of sight.
bool Alerting::is_slot(const Moment& moment, rules::Instant now) {
  const Duration drift =
      previous_ ? (now.wall - previous_->wall) - (now.steady - previous_->steady) : Duration{};
  const bool jumped = drift > rules::RuleSet::kClockJump || drift < -rules::RuleSet::kClockJump;
  previous_ = now;
  // The thread wakes up for its slots now a little later, now a little earlier.
  const bool due = !slot_at_ || now.steady - *slot_at_ >= moment.slot - moment.slot / 10;
  const bool slot = due || jumped || clock_jumped_;
  clock_jumped_ = jumped;
  if (slot) slot_at_ = now.steady;
  return slot;
}

std::optional<SteadyTime> Alerting::step(const Moment& moment) {
  const rules::Instant now{moment.world.at, clock_.steady()};
  if (state_ && !restored_) (void)restore(Duration::zero());
  std::vector<rules::Transition> transitions;
  take_news(moment, now, transitions);
  take_back(now, transitions);
  watch_sources(moment, now.steady);
  const bool slot = is_slot(moment, now);
  if (slot) {
    own_page_.clear();
    self_.append(own_page_, metrics::Format::kText004);
  }
  const Silence silence(moment);
  silence_ = &silence;
  std::vector<const Labels*> changed;
  feed_.take(moment, silence, own_page_, to_unix_millis(now.wall), slot, changed);
  rules_->step(
      {.store = store_, .now = now, .sources_answered = settled_at_ + kSettle, .clock = &clock_},
      changed, transitions);
  silence_ = nullptr;
  std::vector<rules::Notice> notices;
  rules_->take_notices(now, notices);
  send_parked(now, notices);
  const bool told = !notices.empty();
  notifier_.send(std::move(notices));
  const bool moved = told || !transitions.empty();
  keep(now, std::move(transitions), moved);
  publish_view(moment, now);
  if (slot) count(now.wall);
  notifier_.evaluated(now.steady);
  return rules_->next_deadline();
}

void Alerting::keep(rules::Instant now, std::vector<rules::Transition> transitions, bool changed) {
  for (const rules::Transition& one : transitions) {
    const bool fires = one.to == rules::AlertState::kFiring;
    if (!fires && one.from != rules::AlertState::kFiring) continue;
    log_.info("alerts", fires ? "an alert fires" : "an alert ended",
              {{"labels", one.labels.text()}, {"reason", one.reason}});
  }
  if (!state_ || !restored_) return;
  std::shared_ptr<const std::vector<rules::SavedRule>> alerts;
  if (changed) {
    std::vector<rules::SavedRule> all = rules_->saved(now);
    all.insert(all.end(), parked_.begin(), parked_.end());
    alerts = std::make_shared<const std::vector<rules::SavedRule>>(std::move(all));
  }
  state_->put(now, std::move(alerts), std::move(transitions));
}

void Alerting::send_parked(rules::Instant now, std::vector<rules::Notice>& notices) {
  if (parked_.empty()) return;
  if (parked_sent_ && now.steady - *parked_sent_ < rules::RuleSet::kResendDelay) return;
  parked_sent_ = now.steady;
  for (const rules::SavedRule& rule : parked_) {
    for (const rules::SavedAlert& saved : rule.alerts) {
      if (saved.state != rules::AlertState::kFiring) continue;
      notices.push_back(rules::notice_of(rules::restore(saved, now), {}));
    }
  }
}

void Alerting::publish_view(const Moment& moment, rules::Instant now) {
  auto view = std::make_shared<AlertsView>();
  view->at = now.steady;
  view->slot = moment.slot;
  view->groups = view_of(*rules_);
  if (!refused_.empty()) view->problems.push_back(refused_);
  std::ranges::move(objects_.problems(), std::back_inserter(view->problems));
  view_.publish(std::move(view));
}

// What the next step shows the rules, too.
void Alerting::count(WallTime now) {
  EvaluationFacts facts{.at = now, .files = files_verdict_, .objects = std::nullopt};
  if (wants_objects_ && objects_.known()) facts.objects = objects_verdict_;
  self_.evaluation(std::make_shared<const metrics::Samples>(
      describe_evaluation(*rules_, store_.stats(), facts, own_series_)));
}

}  // namespace keelwatch::app
