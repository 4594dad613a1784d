// What an alert is: made by rules/, sent by the notifier, kept by the state file, shown by the API.
// Values without behaviour; whoever holds a copy owns it.
//
// Every time is read from both clocks: the wall time is what people and Alertmanager are told,
// intervals ("for", retention, resending) are measured on the steady clock alone, so that a clock
// step neither fires nor resolves anything. Over a restart an interval survives as its length
// (SavedTime), to which the downtime does not count.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/labels.h"

namespace keelwatch::rules {

// One reading of both clocks.
struct Instant {
  WallTime wall{};
  SteadyTime steady{};

  bool operator==(const Instant&) const = default;
};

enum class AlertState { kInactive, kPending, kFiring };
[[nodiscard]] std::string_view to_string(AlertState state);  // "inactive", "pending", "firing"

// Sorted by name, names unique. Unlike a label's, an annotation's value may be empty.
using Annotations = std::vector<std::pair<std::string, std::string>>;

// The annotation of a held alert: "SOURCE silent since 2026-11-25T02:56:43Z".
inline constexpr std::string_view kUnverified = "unverified";

// One instance of an alerting rule: a label set for which its expression gave, or gave until
// lately, a result. kInactive means resolved; it is kept and sent for kResolvedRetention more.
struct Alert {
  AlertState state = AlertState::kPending;
  // Identity: those of the result without __name__, the rule's, and alertname. External labels are
  // not in here; the notifier adds those that are absent.
  Labels labels;
  // As the rule has them, expanded, and kUnverified while the alert is held.
  Annotations annotations;
  double value = 0;  // of the newest result; frozen while keep_firing_for or a hold lasts

  Instant active_at;                   // the condition began (pending since); never moves
  std::optional<Instant> fired_at;     // became firing; absent while pending
  std::optional<Instant> resolved_at;  // only of kInactive
  // The result has vanished and keep_firing_for runs since then.
  std::optional<Instant> keep_firing_since;
  // Handed to the notifier last (queued, not delivered).
  std::optional<Instant> last_sent_at;
  // The result has vanished because a series that the expression selects fell silent, not because
  // the fact became healthy: why and since when. Such an alert is firing and sent. Empty if not
  // held.
  std::string held;

  // The labels of the expression's result, with __name__.
  Labels sample;
};

inline constexpr Duration kResolvedRetention = std::chrono::minutes(15);

// An alert as it is handed to the notifier, with what Alertmanager wants to know of its rule. Only
// kFiring and kInactive ones are; each alert again every resend delay, a resolved one until its
// retention ends, and at once when it fires, resolves, or is held.
struct Notice {
  Alert alert;
  // startsAt. The moment the alert fired; of a cause the moment its condition began: Alertmanager
  // then skips group_wait.
  WallTime starts_at{};
  std::optional<WallTime>
      ends_at;       // resolved_at; absent while firing (the notifier sets one ahead)
  std::string expr;  // for the generator URL: /graph?g0.expr=...
  // Labelled `kind: cause`: nothing inhibits it, and it goes out ahead of its symptoms.
  bool cause = false;
};

// A firing or resolved alert's.
[[nodiscard]] Notice notice_of(const Alert& alert, const std::string& expr);

// A time as it is stored: the length counts up to the moment of saving.
struct SavedTime {
  WallTime wall{};
  Duration ago{};

  bool operator==(const SavedTime&) const = default;
};

// An alert as it is stored.
struct SavedAlert {
  AlertState state = AlertState::kPending;
  Labels labels;
  Labels sample;
  Annotations annotations;
  double value = 0;
  SavedTime active_at;
  std::optional<SavedTime> fired_at;
  std::optional<SavedTime> resolved_at;
  std::optional<SavedTime> keep_firing_since;
  std::optional<SavedTime> last_sent_at;
  std::string held;

  bool operator==(const SavedAlert&) const = default;
};

// All instances of a rule. The key names the rule over restarts and reloads: file, group, name and
// configured labels, so that a rule whose expression, `for` or annotations changed keeps its
// alerts. A rule that has moved to another file keeps them too.
struct SavedRule {
  std::string key;
  std::vector<SavedAlert> alerts;

  bool operator==(const SavedRule&) const = default;
};

[[nodiscard]] SavedAlert save(const Alert& alert, Instant now);
[[nodiscard]] Alert restore(const SavedAlert& saved, Instant now);

// A change of one alert's state, for the history.
struct Transition {
  Labels labels;
  AlertState from = AlertState::kInactive;  // kInactive: new, or returned
  AlertState to = AlertState::kInactive;    // of a pending one: gone without having fired
  WallTime at{};
  double value = 0;
  std::string reason;  // "" the expression's result; else "held: ...", "rule removed", ...
};

}  // namespace keelwatch::rules
