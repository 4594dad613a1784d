// Notices as rules hand them over, for tests.
#pragma once

#include <string>

#include "notifier/outgoing.h"
#include "rules/alert.h"

namespace keelwatch::notifier {

inline constexpr WallTime kNow{std::chrono::seconds(1'764'040'000)};

inline rules::Notice notice(const std::string& name, const std::string& severity = "critical") {
  rules::Notice n;
  n.alert.state = rules::AlertState::kFiring;
  n.alert.labels = Labels{{"alertname", name}, {"severity", severity}};
  n.alert.annotations = {{"summary", name + " fires"}};
  n.starts_at = kNow;
  n.expr = "up == 0";
  return n;
}

inline rules::Notice resolved(rules::Notice n, WallTime at) {
  n.alert.state = rules::AlertState::kInactive;
  n.ends_at = at;
  return n;
}

inline OutgoingPtr outgoing(const rules::Notice& n, const config::Alerts& settings = {}) {
  return Wording::compile(settings)->word(n);
}

inline OutgoingPtr cause(const std::string& name) {
  rules::Notice n = notice(name);
  n.cause = true;
  return outgoing(n);
}

}  // namespace keelwatch::notifier
