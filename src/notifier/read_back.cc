#include "notifier/read_back.h"

#include <algorithm>

#include "base/diagnostics.h"
#include "base/json.h"
#include "base/time_text.h"
#include "base/yaml.h"
#include "config/limits.h"
#include "metrics/exposition.h"
#include "notifier/outgoing.h"

namespace keelwatch::notifier {
namespace {

constexpr Duration kOldest = std::chrono::hours(24 * 365 * 10);

std::vector<std::string> texts(JsonValue list) {
  std::vector<std::string> out;
  list.for_each([&](JsonValue item) {
    if (const auto text = item.string()) out.emplace_back(*text);
  });
  return out;
}

Labels labels_of(JsonValue object) {
  std::vector<std::pair<std::string, std::string>> pairs;
  object.for_each_member([&](std::string_view name, JsonValue value) {
    pairs.emplace_back(name, value.string().value_or(""));
  });
  std::vector<LabelView> views;
  for (const auto& [name, value] : pairs) views.push_back({name, value});
  return Labels(std::move(views));
}

SeenAlert alert_of(JsonValue json, JsonReader& reader) {
  SeenAlert alert;
  alert.labels = labels_of(json["labels"]);
  json["annotations"].for_each_member([&](std::string_view name, JsonValue value) {
    alert.annotations.emplace_back(name, value.string().value_or(""));
  });
  std::ranges::sort(alert.annotations);
  const Result<WallTime> starts = parse_rfc3339(json["startsAt"].string().value_or(""));
  if (starts) {
    alert.starts_at = *starts;
  } else {
    reader.fail("startsAt: " + starts.error().message());
  }
  json["receivers"].for_each([&](JsonValue receiver) {
    if (const auto name = receiver["name"].string()) alert.receivers.emplace_back(*name);
  });
  const JsonValue status = json["status"];
  alert.silenced_by = texts(status["silencedBy"]);
  alert.inhibited_by = texts(status["inhibitedBy"]);
  alert.muted_by = texts(status["mutedBy"]);
  return alert;
}

// "webhook_configs" → "webhook".
std::string integration_of(std::string_view key) {
  constexpr std::string_view kEnd = "_configs";
  if (!key.ends_with(kEnd)) return {};
  return std::string(key.substr(0, key.size() - kEnd.size()));
}

std::optional<std::map<std::string, std::set<std::string>>> receivers_of(std::string_view yaml) {
  Diagnostics problems(
      SourceFile("alertmanager.yml", std::string(yaml), SourceFile::Text::kHidden));
  const auto root = parse_yaml(problems);
  if (!root || !(*root)["receivers"].is_sequence()) return std::nullopt;
  std::map<std::string, std::set<std::string>> receivers;
  for (const YamlNode& receiver : (*root)["receivers"].items()) {
    std::set<std::string>& integrations = receivers[receiver["name"].text()];
    for (const YamlNode::Entry& entry : receiver.entries()) {
      const std::string integration = integration_of(entry.key);
      if (!integration.empty() && !entry.value.items().empty()) integrations.insert(integration);
    }
  }
  return receivers;
}

}  // namespace

Result<std::vector<SeenAlert>> decode_alerts(std::string_view json) {
  JsonReader reader;
  const JsonValue root = reader.parse(json);
  std::vector<SeenAlert> alerts;
  bool too_many = false;
  root.for_each([&](JsonValue item) {
    too_many = too_many || alerts.size() == limits::kAlertmanagerAlerts;
    if (!too_many) alerts.push_back(alert_of(item, reader));
  });
  if (too_many) {
    return Error(ErrorCode::kTooLarge,
                 "more than " + std::to_string(limits::kAlertmanagerAlerts) + " alerts");
  }
  if (!root.present()) reader.fail("no list of alerts");
  if (const Result<void> whole = reader.finish(); !whole) return whole.error();
  return alerts;
}

Result<SeenStatus> decode_status(std::string_view json) {
  JsonReader reader;
  const JsonValue root = reader.parse(json);
  SeenStatus status;
  const Result<WallTime> started = parse_rfc3339(root["uptime"].string().value_or(""));
  status.version = root["versionInfo"]["version"].string().value_or("");
  const std::string config(root["config"]["original"].string().value_or(""));
  if (const Result<void> whole = reader.finish(); !whole) return whole.error();
  if (!started) return started.error().context("uptime");
  status.started_at = *started;
  status.receivers = receivers_of(config);
  return status;
}

Result<Notifications> decode_notifications(std::string_view page, std::string_view content_type) {
  const Result<metrics::ParsedPage> parsed =
      metrics::parse_page(page, content_type, limits::kAlertmanagerPageSamples);
  if (!parsed) return parsed.error();
  Notifications counts;
  std::map<std::string, double> given_up;
  bool known = false;
  for (const metrics::ParsedSample& sample : parsed->samples) {
    const std::string_view name = sample.labels.get(kMetricName);
    const std::string integration(sample.labels.get("integration"));
    if (!name.starts_with("alertmanager_notification") || !(sample.value >= 0)) continue;
    // Later versions have a series for each reason, and older ones one alone.
    if (name == "alertmanager_notification_requests_total") {
      known = true;
      counts[integration].requests += sample.value;
    } else if (name == "alertmanager_notification_requests_failed_total") {
      counts[integration].failed += sample.value;
    } else if (name == "alertmanager_notifications_failed_total") {
      known = true;
      given_up[integration] += sample.value;
    }
  }
  if (!known) return Error(ErrorCode::kMalformed, "no metrics of an Alertmanager");
  for (const auto& [integration, failed] : given_up) {
    counts[integration].failed = std::max(counts[integration].failed, failed);
  }
  return counts;
}

std::vector<rules::SavedAlert> taken_back(const std::vector<SeenAlert>& seen, const Labels& added,
                                          WallTime now) {
  std::vector<rules::SavedAlert> alerts;
  for (const SeenAlert& one : seen) {
    if (one.labels.get(kEvaluator) != kEvaluatorName) continue;
    rules::SavedAlert alert;
    alert.state = rules::AlertState::kFiring;
    alert.labels = one.labels.without(kEvaluator);
    for (const LabelView label : added) {
      if (alert.labels.get(label.name) == label.value) {
        alert.labels = alert.labels.without(label.name);
      }
    }
    alert.annotations = one.annotations;
    const auto held = std::ranges::find(alert.annotations, rules::kUnverified,
                                        [](const auto& annotation) { return annotation.first; });
    if (held != alert.annotations.end()) alert.held = held->second;
    // No alert of ours is older than that; the clock of whoever claims it is wrong.
    const WallTime since = std::clamp(one.starts_at, now - kOldest, now);
    alert.active_at = {since, now - since};
    alert.fired_at = alert.active_at;
    alert.last_sent_at = alert.active_at;
    alerts.push_back(std::move(alert));
  }
  return alerts;
}

}  // namespace keelwatch::notifier
