#include "rules/alert.h"

namespace keelwatch::rules {
namespace {

SavedTime save(Instant time, Instant now) { return {time.wall, now.steady - time.steady}; }
Instant restore(const SavedTime& saved, Instant now) {
  return {saved.wall, now.steady - saved.ago};
}

template <typename T>
auto each(const std::optional<T>& time, Instant now, auto convert)
    -> std::optional<decltype(convert(*time, now))> {
  if (!time) return std::nullopt;
  return convert(*time, now);
}

}  // namespace

std::string_view to_string(AlertState state) {
  if (state == AlertState::kFiring) return "firing";
  return state == AlertState::kPending ? "pending" : "inactive";
}

Notice notice_of(const Alert& alert, const std::string& expr) {
  Notice notice;
  notice.alert = alert;
  notice.expr = expr;
  notice.cause = alert.labels.get("kind") == "cause";
  const bool since_active = notice.cause || !alert.fired_at;
  notice.starts_at = since_active ? alert.active_at.wall : alert.fired_at->wall;
  if (alert.resolved_at) notice.ends_at = alert.resolved_at->wall;
  return notice;
}

SavedAlert save(const Alert& alert, Instant now) {
  const auto time = [now](const std::optional<Instant>& at) {
    return each(at, now, [](Instant t, Instant n) { return save(t, n); });
  };
  return {.state = alert.state,
          .labels = alert.labels,
          .sample = alert.sample,
          .annotations = alert.annotations,
          .value = alert.value,
          .active_at = save(alert.active_at, now),
          .fired_at = time(alert.fired_at),
          .resolved_at = time(alert.resolved_at),
          .keep_firing_since = time(alert.keep_firing_since),
          .last_sent_at = time(alert.last_sent_at),
          .held = alert.held};
}

Alert restore(const SavedAlert& saved, Instant now) {
  const auto time = [now](const std::optional<SavedTime>& at) {
    return each(at, now, [](const SavedTime& t, Instant n) { return restore(t, n); });
  };
  Alert alert;
  alert.state = saved.state;
  alert.labels = saved.labels;
  alert.sample = saved.sample;
  alert.annotations = saved.annotations;
  alert.value = saved.value;
  alert.active_at = restore(saved.active_at, now);
  alert.fired_at = time(saved.fired_at);
  alert.resolved_at = time(saved.resolved_at);
  alert.keep_firing_since = time(saved.keep_firing_since);
  alert.last_sent_at = time(saved.last_sent_at);
  alert.held = saved.held;
  return alert;
}

}  // namespace keelwatch::rules
