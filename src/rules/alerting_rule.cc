#include "rules/alerting_rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_set>

#include "base/time_text.h"
#include "rules/lint.h"

namespace keelwatch::rules {
namespace {

// Queries in templates are few; a text that makes up ever new ones must not fill the memory.
constexpr std::size_t kMaxTemplateQueries = 200;

void report(std::vector<Transition>& transitions, const Alert& alert, AlertState from,
            AlertState to, Instant now, std::string reason = {}) {
  transitions.push_back({alert.labels, from, to, now.wall, alert.value, std::move(reason)});
}

void annotate(Annotations& annotations, std::string_view name, const std::string& value) {
  const auto at = std::lower_bound(
      annotations.begin(), annotations.end(), name,
      [](const auto& annotation, std::string_view key) { return annotation.first < key; });
  const bool found = at != annotations.end() && at->first == name;
  if (value.empty()) {
    if (found) annotations.erase(at);
  } else if (found) {
    at->second = value;
  } else {
    annotations.emplace(at, name, value);
  }
}

void hold(Alert& alert, std::string reason) {
  if (alert.held.empty() && reason.empty()) return;
  alert.held = std::move(reason);
  annotate(alert.annotations, kUnverified, alert.held);
}

promql::Query compiled(const Rule& rule, const Settings& settings) {
  // parse_rule_file() has compiled it before.
  return *promql::Query::compile(rule.expr, settings.promql);
}

}  // namespace

AlertingRule::AlertingRule(const Rule& rule, std::size_t limit, std::string key,
                           const Settings& settings)
    : rule_(rule),
      limit_(limit),
      key_(std::move(key)),
      query_(compiled(rule, settings)),
      selectors_(selectors_of(query_.expr())),
      look_back_(rules::look_back(query_.expr())) {}

bool AlertingRule::selects(const Labels& series) const {
  return std::any_of(selectors_.begin(), selectors_.end(),
                     [&](const SelectorUse& use) { return use.selects(series); });
}

std::optional<SteadyTime> AlertingRule::next_deadline() const {
  // What the newest evaluation did not find, or could not look for, waits for the slot.
  if (health_ == Health::kError) return std::nullopt;
  std::optional<SteadyTime> next;
  for (const auto& [labels, instance] : instances_) {
    if (instance.alert.state != AlertState::kPending || !instance.present) continue;
    const SteadyTime end = instance.alert.active_at.steady + rule_.hold;
    if (!next || end < *next) next = end;
  }
  return next;
}

Result<void> AlertingRule::evaluate(const Evaluation& evaluation, Duration query_offset,
                                    std::vector<Transition>& transitions,
                                    std::vector<OutputSample>& samples) {
  EvaluationRecord record{.at = evaluation.now.wall};
  record.on_slot = evaluation.on_slot();
  const SteadyTime begin = evaluation.clock != nullptr ? evaluation.clock->steady() : SteadyTime{};
  unknown_.reset();
  Result<void> result = run(evaluation, query_offset, transitions, samples, record);
  if (!result) record.error = result.error().message();
  health_ = result ? Health::kOk : Health::kError;
  if (evaluation.clock != nullptr) record.duration = evaluation.clock->steady() - begin;
  log_.add(std::move(record));
  return result;
}

Result<void> AlertingRule::run(const Evaluation& evaluation, Duration query_offset,
                               std::vector<Transition>& transitions,
                               std::vector<OutputSample>& samples, EvaluationRecord& record) {
  const std::int64_t at_ms = to_unix_millis(evaluation.now.wall - query_offset);
  Result<promql::Answer> answer = ask(query_, evaluation, at_ms, record);
  if (!answer) return answer.error();
  Result<std::vector<Alert>> results = expand(*answer, evaluation, at_ms);
  if (!results) return results.error();
  const bool prometheus = evaluation.settings.semantics == Semantics::kPrometheus;
  if (!prometheus && limit_ > 0 && results->size() > limit_) {
    return Error(ErrorCode::kInvalid,
                 fmt::format("exceeded limit of {} with {} alerts", limit_, results->size()));
  }
  take_results(*std::move(results), evaluation, transitions);
  advance(evaluation, at_ms, transitions);
  const auto active = static_cast<std::size_t>(std::count_if(
      instances_.begin(), instances_.end(),
      [](const auto& entry) { return entry.second.alert.state != AlertState::kInactive; }));
  if (prometheus && limit_ > 0 && active > limit_) {
    instances_.clear();
    return Error(ErrorCode::kInvalid,
                 fmt::format("exceeded limit of {} with {} alerts", limit_, active));
  }
  if (evaluation.on_slot()) write(samples);
  return {};
}

// The result as alerts, pending since now.
Result<std::vector<Alert>> AlertingRule::expand(const promql::Answer& answer,
                                                const Evaluation& evaluation, std::int64_t at_ms) {
  const Settings& settings = evaluation.settings;
  TemplateEnvironment environment;
  environment.name = "__alert_" + rule_.name;
  environment.at_ms = to_unix_millis(evaluation.now.wall);
  environment.query = [&](const std::string& text) -> Result<std::vector<promql::VectorSample>> {
    auto known = template_queries_.find(text);
    if (known == template_queries_.end()) {
      Result<promql::Query> query = promql::Query::compile(text, settings.promql);
      if (!query) return query.error();
      if (template_queries_.size() >= kMaxTemplateQueries) template_queries_.clear();
      known = template_queries_.emplace(text, *std::move(query)).first;
    }
    promql::Context context{evaluation.stop, evaluation.clock, {}};
    if (evaluation.clock != nullptr) {
      context.deadline = evaluation.clock->steady() + settings.rule_timeout;
    }
    // Not moved by the group's query_offset, as in Prometheus.
    Result<promql::Answer> found =
        known->second.instant(evaluation.store, environment.at_ms, context);
    if (!found) return found.error();
    if (found->type == promql::ValueType::kScalar) {
      return std::vector<promql::VectorSample>{
          {std::make_shared<const Labels>(), at_ms, found->scalar}};
    }
    if (found->type != promql::ValueType::kVector) {
      return Error(ErrorCode::kInvalid, "rule result is not a vector or scalar");
    }
    return std::move(found->vector);
  };
  std::vector<Alert> alerts;
  alerts.reserve(answer.vector.size());
  std::unordered_set<Labels, LabelsHash> seen;
  TemplateData data;
  data.external_labels = settings.external_labels;
  data.external_url = settings.external_url;
  for (const promql::VectorSample& sample : answer.vector) {
    data.labels = *sample.labels;
    data.value = sample.value;
    const auto text = [&](const Template& source) {
      Result<std::string> expanded = source.expand(data, environment);
      if (expanded) return *std::move(expanded);
      return fmt::format("<error expanding template: {}>", expanded.error().message());
    };
    Alert alert;
    std::vector<std::string> values;  // keeps what the views below look at
    values.reserve(rule_.labels.size());
    std::vector<LabelView> labels;
    for (const LabelView label : data.labels) {
      if (label.name != kMetricName) labels.push_back(label);
    }
    for (const TemplatedText& label : rule_.labels) {
      values.push_back(text(label.text));
      labels.push_back({label.name, values.back()});
    }
    labels.push_back({"alertname", rule_.name});
    alert.labels = Labels(std::move(labels));
    if (!seen.insert(alert.labels).second) {
      return Error(ErrorCode::kInvalid,
                   "vector contains metrics with the same labelset after applying alert labels");
    }
    for (const TemplatedText& annotation : rule_.annotations) {
      alert.annotations.emplace_back(annotation.name, text(annotation.text));
    }
    alert.sample = data.labels;
    alert.value = sample.value;
    alert.active_at = evaluation.now;
    alerts.push_back(std::move(alert));
  }
  return alerts;
}

void AlertingRule::take_results(std::vector<Alert> results, const Evaluation& evaluation,
                                std::vector<Transition>& transitions) {
  for (auto& [labels, instance] : instances_) instance.present = false;
  for (Alert& result : results) {
    Instance& instance = instances_[result.labels];
    Alert& alert = instance.alert;
    instance.present = true;
    instance.confirmed = true;
    if (!alert.labels.empty() && alert.state != AlertState::kInactive) {
      alert.value = result.value;
      alert.annotations = std::move(result.annotations);
      alert.sample = std::move(result.sample);
      alert.held.clear();
      continue;
    }
    instance = {std::move(result), {}, true, evaluation.now.steady, true};
    report(transitions, alert, AlertState::kInactive, AlertState::kPending, evaluation.now);
  }
}

void AlertingRule::advance(const Evaluation& evaluation, std::int64_t at_ms,
                           std::vector<Transition>& transitions) {
  for (auto it = instances_.begin(); it != instances_.end();) {
    Instance& instance = it->second;
    if (instance.present) {
      instance.alert.keep_firing_since.reset();
      ripen(instance, evaluation, transitions);
    } else if (!vanish(instance, evaluation, at_ms, transitions)) {
      it = instances_.erase(it);
      continue;
    }
    instance.seen = evaluation.now.steady;
    ++it;
  }
}

void AlertingRule::ripen(Instance& instance, const Evaluation& evaluation,
                         std::vector<Transition>& transitions) const {
  Alert& alert = instance.alert;
  const bool ripe = evaluation.now.steady - alert.active_at.steady >= rule_.hold;
  if (alert.state == AlertState::kPending && ripe) {
    alert.state = AlertState::kFiring;
    alert.fired_at = evaluation.now;
    report(transitions, alert, AlertState::kPending, AlertState::kFiring, evaluation.now);
  } else if (alert.state == AlertState::kFiring && !ripe) {
    // `for` has been lengthened.
    alert.state = AlertState::kPending;
    alert.fired_at.reset();
    report(transitions, alert, AlertState::kFiring, AlertState::kPending, evaluation.now,
           "the rule's for is longer now");
  }
}

bool AlertingRule::keeps_firing(Alert& alert, Instant now) const {
  if (rule_.keep_firing_for <= Duration::zero()) return false;
  if (!alert.keep_firing_since) alert.keep_firing_since = now;
  return now.steady - alert.keep_firing_since->steady < rule_.keep_firing_for;
}

bool AlertingRule::vanish(Instance& instance, const Evaluation& evaluation, std::int64_t at_ms,
                          std::vector<Transition>& transitions) {
  Alert& alert = instance.alert;
  const Instant now = evaluation.now;
  if (alert.state == AlertState::kInactive) {
    return now.steady - alert.resolved_at->steady <= kResolvedRetention;
  }
  if (!evaluation.on_slot()) return true;
  std::string reason = hold_reason(instance, evaluation, at_ms);
  if (!reason.empty()) {
    // What nobody saw does not count towards `for`.
    if (alert.state == AlertState::kPending) alert.active_at.steady += now.steady - instance.seen;
    hold(alert, std::move(reason));
    return true;
  }
  hold(alert, {});
  const AlertState before = alert.state;
  if (before == AlertState::kFiring && keeps_firing(alert, now)) return true;
  alert.state = AlertState::kInactive;
  alert.resolved_at = now;
  alert.keep_firing_since.reset();
  report(transitions, alert, before, AlertState::kInactive, now);
  return before == AlertState::kFiring;
}

namespace {

// Whether the store has a series that the selector finds and that may be behind the result.
bool is_seen(const SelectorUse& use, const Labels& result, const store::Queryable& store) {
  const std::vector<store::SeriesRef> found = store.select(use.matchers);
  return std::any_of(found.begin(), found.end(), [&](const store::SeriesRef& series) {
    return agree_on_shared(result, *series.labels);
  });
}

// What is known of such a series' labels.
Labels wanted_by(const SelectorUse& use, const Labels& result) {
  Labels labels = result.without(kMetricName);
  for (const store::Matcher& matcher : use.matchers) {
    if (matcher.op == store::Matcher::Op::kEqual) labels = labels.with(matcher.name, matcher.value);
  }
  return labels;
}

std::optional<std::string> silent_source(const Labels& series, const Evaluation& evaluation) {
  const auto& ask = evaluation.settings.silent_source;
  return ask ? ask(series) : std::nullopt;
}

}  // namespace

// Beside series that were seen, a member that was not counts only until the alert has been in a
// result here: what its result was made of has been seen then, and what it vanished with is known.
std::optional<std::string> AlertingRule::unseen_source(const Instance& instance,
                                                       const Evaluation& evaluation) const {
  const Labels& result = instance.alert.sample;
  for (const SelectorUse& use : selectors_) {
    if (use.takes_away) continue;
    const bool seen = is_seen(use, result, evaluation.store);
    if (seen && instance.confirmed) continue;
    const auto& ask = seen ? evaluation.settings.silent_member : evaluation.settings.silent_source;
    if (!ask) continue;
    if (auto source = ask(wanted_by(use, result))) return source;
  }
  return std::nullopt;
}

std::string AlertingRule::hold_reason(const Instance& instance, const Evaluation& evaluation,
                                      std::int64_t at_ms) {
  const Alert& alert = instance.alert;
  if (evaluation.settings.semantics == Semantics::kPrometheus) return {};
  if (!unknown_) {
    Result<std::vector<promql::UnknownSeries>> found =
        query_.unknown_series(evaluation.store, at_ms);
    unknown_ = found ? *std::move(found) : std::vector<promql::UnknownSeries>();
  }
  for (const promql::UnknownSeries& series : *unknown_) {
    if (!agree_on_shared(alert.sample, *series.labels)) continue;
    const std::optional<std::string> source = silent_source(*series.labels, evaluation);
    return fmt::format("{} silent since {}",
                       source.value_or(std::string(series.labels->get(kMetricName))),
                       format_rfc3339(from_unix_millis(series.since_ms), 0));
  }
  if (const auto source = unseen_source(instance, evaluation)) {
    const std::string held = *source + " silent since ";
    if (alert.held.starts_with(held)) return alert.held;
    return held + format_rfc3339(evaluation.now.wall, 0);
  }
  const bool seen =
      evaluation.evidence_since && evaluation.now.steady - *evaluation.evidence_since >= look_back_;
  if (seen) return {};
  constexpr std::string_view kUnseen = "not confirmed since ";
  if (alert.held.starts_with(kUnseen)) return alert.held;
  return fmt::format("{}{}", kUnseen, format_rfc3339(evaluation.now.wall, 0));
}

void AlertingRule::write(std::vector<OutputSample>& samples) const {
  for (const auto& [labels, instance] : instances_) {
    const Alert& alert = instance.alert;
    if (alert.state == AlertState::kInactive) continue;
    samples.push_back(
        {labels.with(kMetricName, "ALERTS").with("alertstate", to_string(alert.state)), 1});
    // Whole seconds, as Prometheus has them.
    const std::int64_t since = to_unix_millis(alert.active_at.wall);
    samples.push_back({labels.with(kMetricName, "ALERTS_FOR_STATE"),
                       static_cast<double>((since - (since % 1000 + 1000) % 1000) / 1000)});
  }
}

void AlertingRule::take_notices(Instant now, Duration resend_delay, std::vector<Notice>& notices) {
  for (auto& [labels, instance] : instances_) {
    Alert& alert = instance.alert;
    if (alert.state == AlertState::kPending) continue;
    const bool due =
        !alert.last_sent_at ||
        (alert.resolved_at && alert.resolved_at->steady > alert.last_sent_at->steady) ||
        alert.held != instance.sent_held || now.steady - alert.last_sent_at->steady >= resend_delay;
    if (!due) continue;
    alert.last_sent_at = now;
    instance.sent_held = alert.held;
    notices.push_back(notice_of(alert, rule_.expr));
  }
}

std::vector<Alert> AlertingRule::end_all(Instant now, std::vector<Transition>& transitions) {
  std::vector<Alert> ended;
  for (auto& [labels, instance] : instances_) {
    Alert& alert = instance.alert;
    const AlertState before = alert.state;
    if (before != AlertState::kInactive) {
      hold(alert, {});
      alert.state = AlertState::kInactive;
      alert.resolved_at = now;
      report(transitions, alert, before, AlertState::kInactive, now, "the rule is gone");
    }
    if (before != AlertState::kPending) ended.push_back(std::move(alert));
  }
  instances_.clear();
  return ended;
}

std::vector<SavedAlert> AlertingRule::saved(Instant now) const {
  std::vector<SavedAlert> out;
  for (const auto& [labels, instance] : instances_) out.push_back(save(instance.alert, now));
  std::sort(out.begin(), out.end(),
            [](const SavedAlert& a, const SavedAlert& b) { return a.labels < b.labels; });
  return out;
}

void AlertingRule::restore(const std::vector<SavedAlert>& saved, Instant now) {
  for (const SavedAlert& alert : saved) {
    Instance instance{rules::restore(alert, now), alert.held, false, now.steady, false};
    instances_.insert_or_assign(alert.labels, std::move(instance));
  }
}

// Whether an alert of this rule can have these labels.
bool AlertingRule::may_have(const Labels& labels) const {
  if (labels.get("alertname") != rule_.name) return false;
  std::set<std::string_view> own = {"alertname"};
  for (const TemplatedText& label : rule_.labels) {
    own.insert(label.name);
    if (label.text.literal() && labels.get(label.name) != label.text.text()) return false;
  }
  const PossibleLabels possible = possible_labels(query_.expr());
  return std::all_of(labels.begin(), labels.end(), [&](const LabelView& label) {
    return own.contains(label.name) || possible.may_have(std::string(label.name));
  });
}

bool AlertingRule::take_back(const SavedAlert& seen, Instant now,
                             std::vector<Transition>& transitions) {
  if (!may_have(seen.labels)) return false;
  Instance& instance = instances_[seen.labels];
  Alert& alert = instance.alert;
  Alert taken = rules::restore(seen, now);
  const AlertState before = alert.labels.empty() ? AlertState::kInactive : alert.state;
  // What has ended here since has ended.
  if (alert.resolved_at) return true;
  if (before == AlertState::kFiring) {
    if (taken.fired_at->steady < alert.fired_at->steady) alert.fired_at = taken.fired_at;
    return true;
  }
  // Whatever startsAt was, the condition has lasted for as long as the rule wants.
  const bool cause = taken.labels.get("kind") == "cause";
  if (!cause) taken.active_at.wall -= rule_.hold;
  taken.active_at.steady = std::min(taken.active_at.steady, now.steady) - rule_.hold;
  taken.sample = taken.labels.without("alertname");
  for (const TemplatedText& label : rule_.labels) taken.sample = taken.sample.without(label.name);
  if (before == AlertState::kPending) {  // its result is newer than what was seen
    taken.annotations = alert.annotations;
    taken.held = alert.held;
    taken.sample = alert.sample;
    taken.value = alert.value;
  }
  instance.sent_held = taken.held;
  instance.seen = now.steady;
  alert = std::move(taken);
  report(transitions, alert, before, AlertState::kFiring, now, "taken back from Alertmanager");
  return true;
}

void AlertingRule::confirm() {
  for (auto& [labels, instance] : instances_) instance.confirmed = true;
}

std::vector<Alert> AlertingRule::alerts() const {
  std::vector<Alert> out;
  out.reserve(instances_.size());
  for (const auto& [labels, instance] : instances_) out.push_back(instance.alert);
  return out;
}

AlertState AlertingRule::state() const {
  AlertState worst = AlertState::kInactive;
  for (const auto& [labels, instance] : instances_) worst = std::max(worst, instance.alert.state);
  return worst;
}

}  // namespace keelwatch::rules
