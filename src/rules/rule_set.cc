#include "rules/rule_set.h"

#include <algorithm>
#include <map>
#include <utility>

namespace keelwatch::rules {
namespace {

// Newer samples than these wait for the clock (store/store.h); older ones are dropped.
constexpr Duration kWaitedOut = store::Store::kClockTolerance;

std::string_view without_file(std::string_view key) {
  const std::size_t end = key.find('\t');
  return end == std::string_view::npos ? key : key.substr(end + 1);
}

}  // namespace

void RuleSet::load(const std::vector<RuleGroup>& groups, const std::set<std::string>& disabled,
                   Instant now, Output* output, std::vector<Transition>& transitions) {
  std::vector<std::unique_ptr<Group>> before = std::move(groups_);
  groups_.clear();
  disabled_ = disabled;
  std::unordered_map<std::string, std::vector<SavedAlert>> alerts;
  for (const auto& group : before) {
    for (const Group::AnyRule& rule : group->rules()) {
      const auto* alerting = std::get_if<AlertingRule>(&rule);
      if (alerting != nullptr) alerts.emplace(alerting->key(), alerting->saved(now));
    }
  }
  for (const RuleGroup& described : groups) {
    RuleGroup kept = described;
    std::erase_if(kept.rules, [&](const Rule& rule) { return disabled.contains(rule.name); });
    groups_.push_back(std::make_unique<Group>(kept, settings_));
    Group& group = *groups_.back();
    const auto same = std::find_if(before.begin(), before.end(), [&](const auto& other) {
      return other->name() == group.name() && other->file() == group.file();
    });
    if (same != before.end()) group.take_over(**same);
  }
  std::vector<std::string> keys;
  for (const auto& [key, saved] : alerts) keys.push_back(key);
  for (const auto& [key, rule] : match(keys)) {
    rule->restore(alerts.at(key), now);
    rule->confirm();
    alerts.erase(key);
  }
  for (const auto& group : before) {
    const bool replaced = std::any_of(groups_.begin(), groups_.end(), [&](const auto& other) {
      return other->name() == group->name() && other->file() == group->file();
    });
    if (!replaced && output != nullptr) group->end_series(*output, to_unix_millis(now.wall));
    for (Group::AnyRule& rule : group->rules()) {
      auto* alerting = std::get_if<AlertingRule>(&rule);
      if (alerting == nullptr || !alerts.contains(alerting->key())) continue;
      for (Alert& alert : alerting->end_all(now, transitions)) {
        orphans_.push_back({std::move(alert), alerting->rule().expr});
      }
    }
  }
  index();
}

void RuleSet::index() {
  by_metric_.clear();
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const auto& rules = groups_[g]->rules();
    for (std::size_t r = 0; r < rules.size(); ++r) {
      const auto* alerting = std::get_if<AlertingRule>(&rules[r]);
      if (alerting == nullptr) continue;
      for (const SelectorUse& use : alerting->selectors()) {
        by_metric_[use.metric_name].emplace_back(g, r);
      }
    }
  }
}

bool RuleSet::watch_clock(const Step& step, WallTime& at) {
  at = step.now.wall;
  if (previous_) {
    const Duration drift =
        (step.now.wall - previous_->wall) - (step.now.steady - previous_->steady);
    if (drift > kClockJump || drift < -kClockJump) {
      ++clock_steps_;
      clock_jumped_ = step.now.steady;
    }
  }
  previous_ = step.now;
  if (at >= evaluated_until_) return true;
  // A small step back: the store has newer samples than that, and refuses older ones, until the
  // clock has caught up. A larger one: it drops them at the end of this step.
  const bool wait = evaluated_until_ - at <= kWaitedOut;
  if (wait) at = evaluated_until_;
  if (!wait) evaluated_until_ = at;
  return wait;
}

std::optional<SteadyTime> RuleSet::evidence_since(const Step& step) const {
  if (!step.sources_answered || !clock_jumped_) return step.sources_answered;
  // Until then every series has a sample of after the jump.
  return std::max(*step.sources_answered, *clock_jumped_ + settings_.default_interval);
}

std::set<std::pair<std::size_t, std::size_t>> RuleSet::touched(
    std::span<const Labels* const> changed, SteadyTime now) const {
  std::set<std::pair<std::size_t, std::size_t>> places;
  const auto look = [&](const std::string& metric, const Labels& series) {
    const auto candidates = by_metric_.find(metric);
    if (candidates == by_metric_.end()) return;
    for (const auto& place : candidates->second) {
      if (places.contains(place)) continue;
      const Group::AnyRule& rule = groups_[place.first]->rules()[place.second];
      if (std::get<AlertingRule>(rule).selects(series)) places.insert(place);
    }
  };
  for (const Labels* series : changed) {
    look(std::string(series->get(kMetricName)), *series);
    look({}, *series);
  }
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const auto& rules = groups_[g]->rules();
    for (std::size_t r = 0; r < rules.size(); ++r) {
      const auto* alerting = std::get_if<AlertingRule>(&rules[r]);
      if (alerting == nullptr) continue;
      const std::optional<SteadyTime> end = alerting->next_deadline();
      if (end && *end <= now) places.emplace(g, r);
    }
  }
  return places;
}

void RuleSet::step(const Step& step, std::span<const Labels* const> changed,
                   std::vector<Transition>& transitions) {
  WallTime at;
  if (!watch_clock(step, at)) return;
  evaluated_until_ = at;
  StoreOutput output(step.store);
  Evaluation evaluation{.store = step.store,
                        .now = {at, step.now.steady},
                        .settings = settings_,
                        .evidence_since = evidence_since(step),
                        .clock = step.clock,
                        .stop = step.stop};
  std::set<std::size_t> ran;
  evaluation.output = &output;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    if (!groups_[g]->due({at, step.now.steady})) continue;
    groups_[g]->evaluate(evaluation, transitions);
    ran.insert(g);
  }
  evaluation.output = nullptr;
  for (const auto& [g, r] : touched(changed, step.now.steady)) {
    if (ran.contains(g)) continue;
    auto& rule = std::get<AlertingRule>(groups_[g]->rules()[r]);
    groups_[g]->evaluate_off_slot(rule, evaluation, transitions);
  }
  std::erase_if(orphans_, [&](const Orphan& orphan) {
    return step.now.steady - orphan.alert.resolved_at->steady > kResolvedRetention;
  });
}

std::optional<SteadyTime> RuleSet::next_deadline() const {
  std::optional<SteadyTime> next;
  const auto sooner = [&](std::optional<SteadyTime> other) {
    if (other && (!next || *other < *next)) next = other;
  };
  for (const auto& group : groups_) {
    for (const Group::AnyRule& rule : group->rules()) {
      const auto* alerting = std::get_if<AlertingRule>(&rule);
      if (alerting != nullptr) sooner(alerting->next_deadline());
    }
  }
  return next;
}

void RuleSet::take_notices(Instant now, std::vector<Notice>& notices) {
  for (const auto& group : groups_) {
    for (Group::AnyRule& rule : group->rules()) {
      auto* alerting = std::get_if<AlertingRule>(&rule);
      if (alerting != nullptr) alerting->take_notices(now, kResendDelay, notices);
    }
  }
  for (Orphan& orphan : orphans_) {
    Alert& alert = orphan.alert;
    const bool due = !alert.last_sent_at ||
                     alert.resolved_at->steady >= alert.last_sent_at->steady ||
                     now.steady - alert.last_sent_at->steady >= kResendDelay;
    if (!due) continue;
    alert.last_sent_at = now;
    notices.push_back(notice_of(alert, orphan.expr));
  }
}

std::vector<SavedRule> RuleSet::saved(Instant now) const {
  std::vector<SavedRule> out;
  for (const auto& group : groups_) {
    for (const Group::AnyRule& rule : group->rules()) {
      const auto* alerting = std::get_if<AlertingRule>(&rule);
      if (alerting == nullptr) continue;
      std::vector<SavedAlert> alerts = alerting->saved(now);
      if (!alerts.empty()) out.push_back({alerting->key(), std::move(alerts)});
    }
  }
  SavedRule gone;
  for (const Orphan& orphan : orphans_) gone.alerts.push_back(save(orphan.alert, now));
  if (!gone.alerts.empty()) out.push_back(std::move(gone));
  return out;
}

std::vector<AlertingRule*> RuleSet::alerting_rules() {
  std::vector<AlertingRule*> out;
  for (const auto& group : groups_) {
    for (Group::AnyRule& rule : group->rules()) {
      if (auto* alerting = std::get_if<AlertingRule>(&rule)) out.push_back(alerting);
    }
  }
  return out;
}

// The same key first; what is left by all but the file: a rule that has moved.
std::unordered_map<std::string, AlertingRule*> RuleSet::match(
    const std::vector<std::string>& keys) {
  std::unordered_map<std::string, AlertingRule*> by_key;
  for (AlertingRule* rule : alerting_rules()) by_key.emplace(rule->key(), rule);
  std::unordered_map<std::string, AlertingRule*> matched;
  for (const std::string& key : keys) {
    const auto same = by_key.find(key);
    if (same == by_key.end()) continue;
    matched.emplace(key, same->second);
    by_key.erase(same);
  }
  std::map<std::string_view, AlertingRule*> by_rest;  // in which order does not matter: all are new
  for (const auto& [key, rule] : by_key) by_rest.emplace(without_file(rule->key()), rule);
  for (const std::string& key : keys) {
    if (matched.contains(key)) continue;
    const auto moved = by_rest.find(without_file(key));
    if (moved == by_rest.end()) continue;
    matched.emplace(key, moved->second);
    by_rest.erase(moved);
  }
  return matched;
}

void RuleSet::restore(const std::vector<SavedRule>& saved, WallTime saved_at, Instant now,
                      std::vector<Transition>& transitions) {
  const bool long_ago = now.wall - saved_at > kPendingTolerance;
  std::vector<std::string> keys;
  for (const SavedRule& rule : saved) keys.push_back(rule.key);
  const auto matched = match(keys);
  for (const SavedRule& rule : saved) {
    const auto at = matched.find(rule.key);
    AlertingRule* found = at == matched.end() ? nullptr : at->second;
    std::vector<SavedAlert> alerts = rule.alerts;
    if (long_ago || found == nullptr) {
      std::erase_if(alerts, [](const SavedAlert& a) { return a.state == AlertState::kPending; });
    }
    if (found != nullptr) {
      found->restore(alerts, now);
      continue;
    }
    for (const SavedAlert& saved_alert : alerts) {
      Alert alert = rules::restore(saved_alert, now);
      if (alert.state == AlertState::kFiring) {
        alert.state = AlertState::kInactive;
        alert.resolved_at = now;
        transitions.push_back({alert.labels, AlertState::kFiring, AlertState::kInactive, now.wall,
                               alert.value, "the rule is gone"});
      }
      orphans_.push_back({std::move(alert), {}});
    }
  }
}

std::vector<SavedAlert> RuleSet::take_back(std::vector<SavedAlert> seen, Instant now,
                                           std::vector<Transition>& transitions) {
  const std::vector<AlertingRule*> rules = alerting_rules();
  std::erase_if(seen, [&](const SavedAlert& alert) {
    return std::ranges::any_of(
        rules, [&](AlertingRule* rule) { return rule->take_back(alert, now, transitions); });
  });
  return seen;
}

RuleSetStats RuleSet::stats() const {
  RuleSetStats stats{.clock_steps = clock_steps_, .groups = groups_.size()};
  for (const auto& group : groups_) {
    stats.rules += group->rules().size();
    for (const Group::AnyRule& rule : group->rules()) {
      const Health health = std::visit([](const auto& any) { return any.health(); }, rule);
      stats.failing_rules += health == Health::kError ? 1 : 0;
    }
  }
  return stats;
}

}  // namespace keelwatch::rules
