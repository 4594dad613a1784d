// A notifier on a loop that a test turns until something has happened.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/resolver.h"
#include "metrics/self.h"
#include "notifier/notifier.h"
#include "tests/notifier/notices.h"

namespace keelwatch::notifier {

struct NotifierFixture {
  explicit NotifierFixture(config::Alerts settings, std::vector<std::string> dns_servers = {})
      : resolver(loop, std::move(dns_servers)) {
    notifier.set_config(settings);
    scope.spawn(notifier.run());
  }

  // Turns the loop until `condition` holds; false if it has not after `patience`.
  [[nodiscard]] bool turn_until(const std::function<bool()>& condition,
                                Duration patience = std::chrono::seconds(30)) {
    const bool held = loop.block_on(wait(loop, condition, loop.after(patience)));
    scope.rethrow_failure();
    return held;
  }
  void turn_for(Duration time) {
    (void)turn_until([] { return false; }, time);
  }

  [[nodiscard]] Hop hop(const std::string& alertname, std::size_t alertmanager = 0) const {
    const auto delivery = notifier.delivery();
    for (const AlertDelivery& alert : delivery->alerts) {
      if (alert.labels.get("alertname") == alertname) return alert.hops.at(alertmanager).hop;
    }
    return Hop::kQueued;
  }
  [[nodiscard]] std::string page() const {
    std::string text;
    self.append(text, metrics::Format::kText004);
    return text;
  }

  static Task<bool> wait(EventLoop& loop, const std::function<bool()>& condition,
                         SteadyTime deadline) {
    while (!condition()) {
      if (loop.now() >= deadline) co_return false;
      co_await loop.sleep_for(std::chrono::milliseconds(5));
    }
    co_return true;
  }

  std::vector<std::string> lines;
  Logger log{LogLevel::kInfo, LogFormat::kLogfmt,
             [this](std::string_view line) { lines.emplace_back(line); }};
  EventLoop loop;
  Resolver resolver;
  HttpClient http{loop, resolver};
  SystemClock clock;
  metrics::SelfMetrics self{{"0", "0"}, clock};
  std::shared_ptr<const Delivery> published;
  Notifier notifier{{loop, resolver, http, clock, log},
                    self,
                    [this](std::shared_ptr<const Delivery> d) { published = std::move(d); }};
  TaskScope scope;
};

inline config::Alerts to(const std::vector<std::string>& urls) {
  config::Alerts settings;
  for (const std::string& url : urls) {
    config::Alertmanager one;
    one.url = url;
    settings.alertmanagers.push_back(one);
  }
  return settings;
}

// Of an alert that fires now.
inline rules::Notice fires(const std::string& name, const std::string& severity = "critical") {
  rules::Notice n = notice(name, severity);
  n.starts_at = SystemClock().wall();
  return n;
}

}  // namespace keelwatch::notifier
