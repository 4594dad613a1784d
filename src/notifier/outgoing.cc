#include "notifier/outgoing.h"

#include <algorithm>

#include "base/http_client.h"
#include "base/json.h"
#include "base/time_text.h"

namespace keelwatch::notifier {
namespace {

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace

Result<Wording> Wording::compile(const config::Alerts& settings) {
  Result<Relabelling> relabelling = Relabelling::compile(settings.relabel);
  if (!relabelling) return relabelling.error();
  Wording made;
  made.external_labels_ = settings.external_labels;
  made.relabelling_ = *std::move(relabelling);
  made.external_url_ = without_slash(settings.external_url);
  made.runbook_base_url_ = without_slash(settings.runbook_base_url);
  return made;
}

OutgoingPtr Wording::word(const rules::Notice& notice) const {
  Labels labels = notice.alert.labels;
  if (!labels.has(kEvaluator)) labels = labels.with(kEvaluator, kEvaluatorName);
  for (const auto& [name, value] : external_labels_) {
    if (!labels.has(name)) labels = labels.with(name, value);
  }
  const bool critical = labels.get("severity") == "critical";
  std::optional<Labels> relabelled = relabelling_.apply(std::move(labels));
  if (!relabelled || relabelled->empty()) return nullptr;

  auto out = std::make_shared<Outgoing>();
  out->labels = *std::move(relabelled);
  out->annotations = notice.alert.annotations;
  for (auto& [name, value] : out->annotations) {
    if (name != "runbook_url" || runbook_base_url_.empty()) continue;
    if (!value.starts_with(kBundledRunbooks)) continue;
    value = runbook_base_url_ + "/" + value.substr(kBundledRunbooks.size());
  }
  out->starts_at = notice.starts_at;
  out->ends_at = notice.ends_at;
  if (!external_url_.empty()) {
    out->generator_url =
        external_url_ + "/graph?g0.expr=" + percent_encode(notice.expr) + "&g0.tab=1";
  }
  out->cause = notice.cause;
  out->critical = critical;
  out->held = !notice.alert.held.empty();
  return out;
}

std::string to_json(std::span<const OutgoingPtr> alerts, WallTime now, WallTime firing_until) {
  JsonWriter json;
  json.begin_array();
  for (const OutgoingPtr& alert : alerts) {
    const WallTime starts = std::min(alert->starts_at, now);
    const WallTime ends =
        alert->ends_at ? std::max(starts, std::min(*alert->ends_at, now)) : firing_until;
    json.begin_object().key("labels").begin_object();
    for (const LabelView label : alert->labels) json.member(label.name, label.value);
    json.end_object().key("annotations").begin_object();
    for (const auto& [name, value] : alert->annotations) json.member(name, value);
    json.end_object();
    json.member("startsAt", format_rfc3339(starts));
    json.member("endsAt", format_rfc3339(ends));
    if (!alert->generator_url.empty()) json.member("generatorURL", alert->generator_url);
    json.end_object();
  }
  json.end_array();
  return json.take();
}

}  // namespace keelwatch::notifier
