#include "notifier/test_page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/time_text.h"

namespace keelwatch::notifier {
namespace {

constexpr Duration kPoll = std::chrono::milliseconds(250);
constexpr Duration kBegan = std::chrono::minutes(5);  // longer than a usual group_wait
constexpr Duration kEnds = std::chrono::minutes(5);   // by itself, should we not come to resolve it

class TestPage {
 public:
  TestPage(NotifierContext context, Endpoint endpoint, OutgoingPtr alert, TestPageOptions options)
      : context_(context),
        client_(context, std::move(endpoint)),
        alert_(std::move(alert)),
        options_(std::move(options)) {
    report_.alertmanager = client_.endpoint().url;
  }

  Task<TestReport> run() {
    if (!alert_) {
      step("accepted", Outcome::kBad, "alerts.relabel drops it");
      co_return std::move(report_);
    }
    status_ = co_await client_.status();
    before_ = co_await client_.notifications();
    // GCC 12 miscompiles a co_await within a condition.
    const bool taken = co_await accepted();
    if (!taken) co_return std::move(report_);
    const bool there = co_await present();
    const bool heard = there && routed() && not_withheld();
    if (heard) co_await notified();
    co_await resolved();
    co_return std::move(report_);
  }

 private:
  bool step(std::string what, Outcome outcome, std::string detail) {
    report_.steps.push_back({std::move(what), outcome, std::move(detail)});
    return outcome == Outcome::kGood;
  }

  [[nodiscard]] std::string body_of(const OutgoingPtr& alert) const {
    const WallTime now = context_.clock.wall();
    return to_json({&alert, 1}, now, now + kEnds);
  }
  Task<Result<void>> post(OutgoingPtr alert) { co_return co_await client_.post(body_of(alert)); }

  Task<bool> accepted() {
    const Result<void> posted = co_await post(alert_);
    co_return step("accepted", posted ? Outcome::kGood : Outcome::kBad,
                   posted ? "" : posted.error().message());
  }

  Task<Result<std::optional<SeenAlert>>> look() {
    const Result<std::vector<SeenAlert>> seen = co_await client_.alerts(false);
    if (!seen) co_return seen.error();
    const auto found = std::ranges::find(*seen, alert_->labels, &SeenAlert::labels);
    co_return found == seen->end() ? std::optional<SeenAlert>() : std::optional(*found);
  }

  Task<bool> present() {
    const SteadyTime deadline = context_.loop.after(options_.present_within);
    for (;;) {
      const Result<std::optional<SeenAlert>> seen = co_await look();
      if (seen && *seen) {
        seen_ = **seen;
        co_return step("present", Outcome::kGood, "");
      }
      if (context_.loop.now() >= deadline) {
        co_return seen ? step("present", Outcome::kBad, "accepted, but not there when read back")
                       : step("present", Outcome::kUnknown, seen.error().message());
      }
      co_await context_.loop.sleep_for(kPoll);
    }
  }

  // The receivers' integrations, as far as Alertmanager shows its configuration.
  bool routed() {
    const std::string receivers = fmt::format("{}", fmt::join(seen_.receivers, ", "));
    if (seen_.receivers.empty()) return step("routed", Outcome::kBad, "to no receiver");
    if (!*status_ || !(*status_)->receivers) {
      return step("routed", Outcome::kGood, receivers + " (its configuration is not shown)");
    }
    const auto& known = *(*status_)->receivers;
    for (const std::string& receiver : seen_.receivers) {
      const auto at = known.find(receiver);
      if (at != known.end()) integrations_.insert(at->second.begin(), at->second.end());
    }
    if (integrations_.empty()) {
      return step("routed", Outcome::kBad, receivers + ", which reaches nobody");
    }
    return step("routed", Outcome::kGood,
                fmt::format("{} (by {})", receivers, fmt::join(integrations_, ", ")));
  }

  bool not_withheld() {
    const std::pair<const char*, const std::vector<std::string>&> reasons[] = {
        {"silenced by", seen_.silenced_by},
        {"inhibited by", seen_.inhibited_by},
        {"muted by", seen_.muted_by}};
    for (const auto& [why, by] : reasons) {
      if (by.empty()) continue;
      return step("not withheld", Outcome::kBad, fmt::format("{} {}", why, fmt::join(by, ", ")));
    }
    return step("not withheld", Outcome::kGood, "");
  }

  // Requests and failures since before the page, of the integrations that are to take it.
  NotificationCounts since_before(const Notifications& now) const {
    NotificationCounts sum;
    for (const auto& [integration, counts] : now) {
      if (!integrations_.empty() && !integrations_.contains(integration)) continue;
      const auto old = (*before_)->find(integration);
      const NotificationCounts base = old == (*before_)->end() ? NotificationCounts{} : old->second;
      sum.requests += counts.requests - base.requests;
      sum.failed += counts.failed - base.failed;
    }
    return sum;
  }

  Task<> notified() {
    if (!*before_) {
      step("notified", Outcome::kUnknown, "its metrics: " + before_->error().message());
      co_return;
    }
    const SteadyTime deadline = context_.loop.after(options_.notified_within);
    for (;;) {
      const Result<Notifications> now = co_await client_.notifications();
      const NotificationCounts made = now ? since_before(*now) : NotificationCounts{};
      if (made.failed > 0) {
        step("notified", Outcome::kBad,
             fmt::format("{} of {} requests failed", made.failed, made.requests));
        co_return;
      }
      if (made.requests > 0) {
        step("notified", Outcome::kGood, "");
        co_return;
      }
      if (context_.loop.now() >= deadline) {
        step("notified", Outcome::kUnknown,
             fmt::format("no notification within {}; group_interval may delay a second test",
                         format_duration(options_.notified_within)));
        co_return;
      }
      co_await context_.loop.sleep_for(kPoll);
    }
  }

  Task<> resolved() {
    auto end = std::make_shared<Outgoing>(*alert_);
    end->ends_at = context_.clock.wall();
    const Result<void> posted = co_await post(std::move(end));
    step("resolved", posted ? Outcome::kGood : Outcome::kBad,
         posted ? "" : posted.error().message());
  }

  NotifierContext context_;
  AlertmanagerClient client_;
  OutgoingPtr alert_;
  TestPageOptions options_;
  TestReport report_;
  std::optional<Result<SeenStatus>> status_;
  std::optional<Result<Notifications>> before_;
  SeenAlert seen_;
  std::set<std::string> integrations_;
};

}  // namespace

std::string_view to_string(Outcome outcome) {
  if (outcome == Outcome::kGood) return "ok";
  return outcome == Outcome::kBad ? "failed" : "unknown";
}

bool TestReport::good() const {
  return !steps.empty() &&
         std::ranges::all_of(steps, [](const TestStep& s) { return s.outcome == Outcome::kGood; });
}

rules::Notice test_notice(const TestPageOptions& options, WallTime now) {
  rules::Notice notice;
  notice.alert.state = rules::AlertState::kFiring;
  notice.alert.labels = Labels{{"alertname", "KeelwatchTest"}, {"severity", "critical"}};
  for (const auto& [name, value] : options.labels) {
    notice.alert.labels = notice.alert.labels.with(name, value);
  }
  notice.alert.annotations = {
      {"description", "Sent by keelwatch notify test. Nothing is wrong; it is resolved at once."},
      {"summary", "Test page: whoever reads this will hear of real alerts"}};
  notice.starts_at = now - kBegan;
  return notice;
}

Task<TestReport> send_test_page(NotifierContext context, Endpoint endpoint, OutgoingPtr alert,
                                TestPageOptions options) {
  TestPage page(context, std::move(endpoint), std::move(alert), std::move(options));
  co_return co_await page.run();
}

}  // namespace keelwatch::notifier
