#include "app/alerting.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "app/bundled_rules.h"
#include "config/limits.h"

namespace keelwatch::app {
namespace {

rules::LoadedRules read_bundled() {
  rules::LoadedRules loaded;
  for (SourceFile& file : bundled_rule_files()) rules::load_rule_file(std::move(file), loaded);
  return loaded;
}

Labels labels_of(const config::LabelPairs& pairs) {
  Labels labels;
  for (const auto& [name, value] : pairs) labels = labels.with(name, value);
  return labels;
}

std::string key_of(const rules::Settings& settings) {
  return settings.external_labels.text() + settings.external_url;
}

}  // namespace

Result<std::shared_ptr<const RulesInForce>> load_rules(const config::Config& config) {
  rules::LoadedRules loaded = config.rules.files.empty()
                                  ? read_bundled()
                                  : rules::load_rule_files(rules::expand_globs(config.rules.files));
  if (loaded.errors > 0) return Error(ErrorCode::kInvalid, loaded.problems);
  auto rules = std::make_shared<RulesInForce>();
  std::set<std::string> names;
  for (rules::RuleFile& file : loaded.files) {
    for (rules::RuleGroup& group : file.groups) {
      for (const rules::Rule& rule : group.rules) names.insert(rule.name);
      rules->groups.push_back(std::move(group));
    }
  }
  for (const std::string& name : config.rules.disable) {
    if (!names.contains(name)) {
      rules->warnings += "rules.disable: there is no rule \"" + name + "\"\n";
    }
    rules->disabled.insert(name);
  }
  return std::shared_ptr<const RulesInForce>(std::move(rules));
}

std::shared_ptr<const RulesInForce> bundled_rules() {
  Result<std::shared_ptr<const RulesInForce>> rules = load_rules({});
  if (!rules) throw std::logic_error("bundled rules: " + rules.error().message());
  return *std::move(rules);
}

Alerting::Alerting(const Clock& clock, Logger& log, metrics::SelfMetrics& self,
                   const config::Config& config, std::shared_ptr<const RulesInForce> rules)
    : clock_(clock),
      log_(log),
      self_(self),
      started_(clock.steady()),
      first_slot_(config.step_interval),
      store_({.memory_budget = limits::kStoreBytes}),
      feed_(store_, log),
      settings_(settings_of(config)),
      settled_at_(started_),
      evidence_not_before_(started_ + config.postgres.databases_interval),
      notifier_(clock, log, self, config) {
  rules_ = std::make_unique<rules::RuleSet>(settings_);
  std::vector<rules::Transition> transitions;
  rules_->load(rules->groups, rules->disabled, {clock.wall(), clock.steady()}, nullptr,
               transitions);
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
  settings.silent_source = [this](const Labels& series) {
    return silence_ != nullptr ? silence_->source_of(series) : std::nullopt;
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
  rules_->restore(kept->rules, *kept->written_at, now, transitions);
  keep(now, std::move(transitions), true);
  return true;
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
  if (seen.empty()) return;
  const std::size_t taken = rules_->take_back(seen, now, transitions);
  log_.info("app", "alertmanager keeps alerts of a keelwatch before us",
            {{"alerts", seen.size()}, {"taken_back", taken}});
}

void Alerting::set_config(const config::Config& config, std::shared_ptr<const RulesInForce> rules) {
  const std::string path = state_ ? state_->path() : "";
  if (config.alerts.state_file != path) {
    log_.warn("app", "another alerts.state_file counts from the next start on",
              {{"file", config.alerts.state_file}});
  }
  notifier_.set_config(config);
  MutexLock lock(mutex_);
  news_ = News{settings_of(config), std::move(rules)};
}

void Alerting::take_news(rules::Instant now, std::vector<rules::Transition>& transitions) {
  std::optional<News> news;
  {
    MutexLock lock(mutex_);
    news = std::exchange(news_, std::nullopt);
  }
  if (!news) return;
  rules::StoreOutput output(store_);
  if (key_of(news->settings) == key_of(settings_)) {
    rules_->load(news->rules->groups, news->rules->disabled, now, &output, transitions);
    return;
  }
  settings_ = std::move(news->settings);
  const std::vector<rules::SavedRule> before = rules_->saved(now);
  for (const auto& group : rules_->groups()) group->end_series(output, to_unix_millis(now.wall));
  rules_ = std::make_unique<rules::RuleSet>(settings_);
  rules_->load(news->rules->groups, news->rules->disabled, now, &output, transitions);
  rules_->restore(before, now.wall, now, transitions);
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
  const bool due = !slot_at_ || now.steady - *slot_at_ >= moment.slot;
  const bool slot = due || jumped || clock_jumped_;
  clock_jumped_ = jumped;
  if (slot) slot_at_ = now.steady;
  return slot;
}

void Alerting::step(const Moment& moment) {
  const rules::Instant now{moment.world.at, clock_.steady()};
  if (state_ && !restored_) (void)restore(Duration::zero());
  std::vector<rules::Transition> transitions;
  take_news(now, transitions);
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
  const SteadyTime evidence = std::max(settled_at_ + kSettle, evidence_not_before_);
  rules_->step({.store = store_, .now = now, .sources_answered = evidence, .clock = &clock_},
               changed, transitions);
  silence_ = nullptr;
  std::vector<rules::Notice> notices;
  rules_->take_notices(now, notices);
  const bool told = !notices.empty();
  notifier_.send(std::move(notices));
  const bool moved = told || !transitions.empty();
  keep(now, std::move(transitions), moved);
  publish_view(moment, now);
  notifier_.evaluated(now.steady);
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
  if (changed) alerts = std::make_shared<const std::vector<rules::SavedRule>>(rules_->saved(now));
  state_->put(now, std::move(alerts), std::move(transitions));
}

void Alerting::publish_view(const Moment& moment, rules::Instant now) {
  auto view = std::make_shared<AlertsView>();
  view->at = now.steady;
  view->slot = moment.slot;
  for (const auto& group : rules_->groups()) {
    for (const rules::Group::AnyRule& any : group->rules()) {
      const auto* rule = std::get_if<rules::AlertingRule>(&any);
      if (rule == nullptr) continue;
      RuleView one{group->name(),
                   group->file(),
                   rule->rule().name,
                   rule->rule().expr,
                   rule->state(),
                   rule->health(),
                   {},
                   rule->alerts()};
      if (const rules::EvaluationRecord* newest = rule->log().newest()) {
        one.last_error = newest->error;
      }
      std::erase_if(one.alerts, [](const rules::Alert& alert) {
        return alert.state == rules::AlertState::kInactive;
      });
      view->rules.push_back(std::move(one));
    }
  }
  view_.publish(std::move(view));
}

}  // namespace keelwatch::app
