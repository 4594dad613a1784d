// A page that proves the way to somebody's ear: sent through one Alertmanager, followed from hop to
// hop, and resolved.
// Threads: the loop's.
#pragma once

#include <string>
#include <vector>

#include "base/task.h"
#include "notifier/client.h"

namespace keelwatch::notifier {

enum class Outcome { kGood, kBad, kUnknown };
[[nodiscard]] std::string_view to_string(Outcome outcome);  // "ok", "failed", "unknown"

struct TestStep {
  std::string what;  // "accepted", "present", "routed", "not withheld", "notified", "resolved"
  Outcome outcome = Outcome::kGood;
  std::string detail;
};

// Ends at the first step that failed, but for "resolved", which is always tried.
struct TestReport {
  std::string alertmanager;
  std::vector<TestStep> steps;

  // Somebody was told, provably; what is unknown is not good.
  [[nodiscard]] bool good() const;
};

struct TestPageOptions {
  std::vector<std::pair<std::string, std::string>> labels =
      {};  // more, or others, than the usual ones
  Duration present_within = std::chrono::seconds(10);
  Duration notified_within = std::chrono::minutes(1);
};

// A critical alert KeelwatchTest that began five minutes ago, so that no group_wait delays it.
[[nodiscard]] rules::Notice test_notice(const TestPageOptions& options, WallTime now);

// Nothing is sent if relabelling drops the notice: one step that says so.
[[nodiscard]] Task<TestReport> send_test_page(NotifierContext context, Endpoint endpoint,
                                              OutgoingPtr alert, TestPageOptions options);

}  // namespace keelwatch::notifier
