// What an Alertmanager says of itself: which alerts it has and to whom it takes them, since when it
// runs, which receivers reach anybody, and how its notifications fare. Decoding only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/labels.h"
#include "base/result.h"
#include "rules/alert.h"

namespace keelwatch::notifier {

// One alert of GET /api/v2/alerts, which leaves out those that have ended.
struct SeenAlert {
  Labels labels;
  rules::Annotations annotations;
  WallTime starts_at{};
  std::vector<std::string> receivers;     // names
  std::vector<std::string> silenced_by;   // ids of silences
  std::vector<std::string> inhibited_by;  // fingerprints of alerts
  std::vector<std::string> muted_by;      // names of time intervals; since 0.28
};

// Errors: kMalformed, kTooLarge (beyond limits::kAlertmanagerAlerts).
[[nodiscard]] Result<std::vector<SeenAlert>> decode_alerts(std::string_view json);

// GET /api/v2/status.
struct SeenStatus {
  WallTime started_at{};  // "uptime"
  std::string version;
  // Receiver to the integrations that it has ("webhook", "email"); one without any tells nobody.
  // Absent if the configuration is not shown or not understood.
  std::optional<std::map<std::string, std::set<std::string>>> receivers;
};
// Errors: kMalformed.
[[nodiscard]] Result<SeenStatus> decode_status(std::string_view json);

// Requests that notifications made, from its /metrics, by integration. Attempts, not notifications:
// one that is tried again and again counts as failed only after minutes.
struct NotificationCounts {
  double requests = 0;
  double failed = 0;  // of them, or of whole notifications where those are more

  bool operator==(const NotificationCounts&) const = default;
};
using Notifications = std::map<std::string, NotificationCounts>;
// Errors: kMalformed (also a page without these series: it is nobody's whom we know).
[[nodiscard]] Result<Notifications> decode_notifications(std::string_view page,
                                                         std::string_view content_type);

// The alerts that carry our label and are firing, as the state of their rules, for a start without
// a state file: without the labels that the configuration adds. Their rule is not told; pending
// ones are not known.
[[nodiscard]] std::vector<rules::SavedAlert> taken_back(const std::vector<SeenAlert>& seen,
                                                        const Labels& added, WallTime now);

}  // namespace keelwatch::notifier
