// For arbitrary bytes: what is read back of an Alertmanager's alerts, status and metrics is
// bounded, errors have a code and a short text, and a verdict can be found about whatever came.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/limits.h"
#include "notifier/delivery.h"
#include "notifier/read_back.h"

namespace keelwatch::notifier {
namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_alerts(std::string_view text, Tracker& tracker) {
  const auto alerts = decode_alerts(text);
  if (!alerts) return require(alerts.error().message().size() < 2000);
  require(alerts->size() <= limits::kAlertmanagerAlerts);
  const WallTime now{std::chrono::seconds(1'764'040'000)};
  for (const rules::SavedAlert& alert : taken_back(*alerts, {}, now)) {
    require(alert.active_at.ago >= Duration::zero() && alert.active_at.wall <= now);
    require(!alert.labels.has(kEvaluator));
  }
  if (alerts->empty()) return;
  auto ours = std::make_shared<Outgoing>();
  ours->labels = alerts->front().labels;
  tracker.put(ours, SteadyTime{});
  tracker.accepted(*ours, SteadyTime{});
  tracker.read_alerts(*alerts, SteadyTime(std::chrono::seconds(1)));
  require(tracker.present(*ours));
  const Hop hop = tracker.verdict(ours->labels).first;
  require(hop != Hop::kQueued && hop != Hop::kAbsent && hop != Hop::kUnread);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Tracker tracker;
  if (auto status = decode_status(text)) (void)tracker.read_status(*std::move(status));
  if (const auto counts = decode_notifications(text, "text/plain")) {
    tracker.read_notifications(*counts);
    tracker.read_notifications(*counts);
  }
  check_alerts(text, tracker);
  AlertmanagerReport report;
  tracker.describe(report);
  require(report.failing.empty());  // nothing has happened between the two readings
  return 0;
}

}  // namespace keelwatch::notifier
