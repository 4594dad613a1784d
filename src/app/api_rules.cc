#include <algorithm>
#include <optional>

#include "app/api.h"
#include "app/api_answer.h"
#include "base/json.h"
#include "base/time_text.h"

namespace keelwatch::app {
namespace {

using http::Response;

// Go's zero time: Prometheus' word for "not yet".
constexpr std::string_view kNever = "0001-01-01T00:00:00Z";

// Which rules an answer is about.
struct Wanted {
  explicit Wanted(const Parameters& parameters)
      : type(parameters.get("type")),
        names(parameters.all("rule_name[]")),
        groups(parameters.all("rule_group[]")),
        files(parameters.all("file[]")),
        alerts(parameters.get("exclude_alerts") != "true") {}

  [[nodiscard]] bool group(const GroupView& one) const {
    return holds(groups, one.name) && holds(files, one.file);
  }
  [[nodiscard]] bool rule(const RuleView& one) const {
    return (type.empty() || (type == "alert") == one.alerting) && holds(names, one.name);
  }

  std::string_view type;
  std::vector<std::string_view> names, groups, files;
  bool alerts;

 private:
  static bool holds(const std::vector<std::string_view>& wanted, const std::string& name) {
    return wanted.empty() || std::ranges::find(wanted, name) != wanted.end();
  }
};

void write_pairs(JsonWriter& json, std::string_view name,
                 const std::vector<std::pair<std::string, std::string>>& pairs) {
  json.key(name).begin_object();
  for (const auto& [key, text] : pairs) json.member(key, text);
  json.end_object();
}

void write_alert(JsonWriter& json, const rules::Alert& alert) {
  json.begin_object().key("labels");
  write_labels(json, alert.labels);
  write_pairs(json, "annotations", alert.annotations);
  json.member("state", to_string(alert.state));
  json.member("activeAt", format_rfc3339(alert.active_at.wall));
  if (alert.keep_firing_since) {
    json.member("keepFiringSince", format_rfc3339(alert.keep_firing_since->wall));
  }
  json.member("value", text_of(alert.value)).end_object();
}

void write_rule(JsonWriter& json, const RuleView& rule, bool alerts) {
  json.begin_object();
  if (rule.alerting) json.member("state", to_string(rule.state));
  json.member("name", rule.name).member("query", rule.expr);
  if (rule.alerting) {
    json.member("duration", to_seconds(rule.hold));
    json.member("keepFiringFor", to_seconds(rule.keep_firing_for));
  }
  write_pairs(json, "labels", rule.labels);
  if (rule.alerting) {
    write_pairs(json, "annotations", rule.annotations);
    json.key("alerts").begin_array();
    for (std::size_t i = 0; alerts && i < rule.alerts.size(); ++i) {
      write_alert(json, rule.alerts[i]);
    }
    json.end_array();
  }
  json.member("health", to_string(rule.health));
  const rules::EvaluationRecord* newest = rule.newest();
  if (newest != nullptr && !newest->error.empty()) json.member("lastError", newest->error);
  json.member("evaluationTime", newest == nullptr ? 0.0 : to_seconds(newest->duration));
  json.member("lastEvaluation",
              newest == nullptr ? std::string(kNever) : format_rfc3339(newest->at));
  json.member("type", rule.alerting ? "alerting" : "recording").end_object();
}

void write_group(JsonWriter& json, const GroupView& group, const Wanted& wanted) {
  json.begin_object().member("name", group.name).member("file", group.file);
  json.key("rules").begin_array();
  for (const RuleView& rule : group.rules) {
    if (wanted.rule(rule)) write_rule(json, rule, wanted.alerts);
  }
  json.end_array();
  json.member("interval", to_seconds(group.interval));
  if (group.query_offset != Duration::zero()) {
    json.member("queryOffset", to_seconds(group.query_offset));
  }
  json.member("limit", static_cast<std::int64_t>(group.limit));
  json.member("evaluationTime", to_seconds(group.last_duration));
  json.member("lastEvaluation", group.last_evaluation == WallTime{}
                                    ? std::string(kNever)
                                    : format_rfc3339(group.last_evaluation));
  json.end_object();
}

void write_evaluations(JsonWriter& json, const GroupView& group, const RuleView& rule) {
  json.begin_object().member("group", group.name).member("file", group.file);
  json.member("name", rule.name).key("evaluations").begin_array();
  for (const rules::EvaluationRecord& one : *rule.evaluations) {
    json.begin_object().member("at", format_rfc3339(one.at));
    json.member("durationSeconds", to_seconds(one.duration));
    json.member("results", static_cast<std::int64_t>(one.results));
    json.member("betweenSlots", !one.on_slot);
    if (!one.error.empty()) json.member("error", one.error);
    write_list(json, "warnings", one.warnings);
    json.end_object();
  }
  json.end_array().end_object();
}

Response refuse_type(std::string_view type) {
  return refuse(400, "bad_data", "not supported value \"" + std::string(type) + "\"");
}

bool is_type(std::string_view type) { return type.empty() || type == "alert" || type == "record"; }

}  // namespace

Response serve_alerts(const AlertsView* view) {
  if (view == nullptr) return not_evaluated_yet();
  JsonWriter json;
  json.begin_object().member("status", "success").key("data").begin_object();
  json.key("alerts").begin_array();
  for (const GroupView& group : view->groups) {
    for (const RuleView& rule : group.rules) {
      for (const rules::Alert& alert : rule.alerts) write_alert(json, alert);
    }
  }
  json.end_array().end_object().end_object();
  return json_response(200, json.take());
}

Response serve_rules(const AlertsView* view, const http::Request& request) {
  if (view == nullptr) return not_evaluated_yet();
  const Parameters parameters(request);
  const Wanted wanted(parameters);
  if (!is_type(wanted.type)) return refuse_type(wanted.type);
  JsonWriter json;
  json.begin_object().member("status", "success").key("data").begin_object();
  json.key("groups").begin_array();
  for (const GroupView& group : view->groups) {
    const bool any =
        std::ranges::any_of(group.rules, [&](const auto& r) { return wanted.rule(r); });
    if (any && wanted.group(group)) write_group(json, group, wanted);
  }
  json.end_array().end_object();
  write_list(json, "warnings", view->problems);
  json.end_object();
  return json_response(200, json.take());
}

Response serve_evaluations(const AlertsView* view, const http::Request& request) {
  if (view == nullptr) return not_evaluated_yet();
  const Parameters parameters(request);
  const Wanted wanted(parameters);
  if (!is_type(wanted.type)) return refuse_type(wanted.type);
  JsonWriter json;
  json.begin_object().member("status", "success").key("data").begin_object();
  json.key("rules").begin_array();
  for (const GroupView& group : view->groups) {
    if (!wanted.group(group)) continue;
    for (const RuleView& rule : group.rules) {
      if (wanted.rule(rule)) write_evaluations(json, group, rule);
    }
  }
  json.end_array().end_object().end_object();
  return json_response(200, json.take());
}

}  // namespace keelwatch::app
