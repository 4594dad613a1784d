#include "notifier/notifier.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "config/limits.h"

namespace keelwatch::notifier {
namespace {

constexpr const char* kSource = "notifier";
constexpr Duration kRenewal = std::chrono::minutes(2);  // rules renew each alert every minute

OutgoingPtr resolved_now(const Outgoing& alert, WallTime now) {
  auto resolved = std::make_shared<Outgoing>(alert);
  resolved->ends_at = now;
  return resolved;
}

}  // namespace

Notifier::Notifier(NotifierContext context, metrics::SelfMetrics& self, Publish publish)
    : context_(context), self_(self), publish_(std::move(publish)) {}

Notifier::~Notifier() = default;

Task<> Notifier::run() {
  struct AtExit {
    Notifier& notifier;
    ~AtExit() {
      notifier.running_ = false;
      notifier.discoveries_.cancel();
      notifier.senders_.clear();
    }
  };
  const AtExit end_requests{*this};
  running_ = true;
  start_discovery();
  match_senders();
  for (;;) {
    publish_now();
    co_await context_.loop.sleep_for(std::chrono::seconds(1));
    discoveries_.rethrow_failure();
    for (const auto& [url, sender] : senders_) sender->rethrow_failure();
    forget_silent();
  }
}

void Notifier::set_config(const config::Alerts& settings) {
  Result<Wording> wording = Wording::compile(settings);
  if (!wording) {  // config/ has checked the expressions
    context_.log.error(kSource, "the new settings cannot be used", {{"err", wording.error()}});
    return;
  }
  discoveries_.cancel();
  std::vector<std::unique_ptr<Configured>> before = std::move(configured_);
  configured_.clear();
  for (const config::Alertmanager& one : settings.alertmanagers) {
    const auto known =
        std::ranges::find_if(before, [&](const auto& old) { return old && old->settings == one; });
    if (known != before.end()) {
      configured_.push_back(std::move(*known));
      continue;
    }
    configured_.push_back(std::make_unique<Configured>(Configured{one, {}, "not resolved yet"}));
    if (!one.discover) configured_.back()->endpoints = {endpoint_of(one)};
  }
  settings_ = settings;
  wording_ = *std::move(wording);
  reword_all();
  if (!running_) return;
  start_discovery();
  match_senders();
}

void Notifier::start_discovery() {
  for (const auto& one : configured_) {
    if (one->settings.discover) discoveries_.spawn(discover(*one));
  }
}

// The addresses of a headless Service are those of its ready Pods. A failed question changes
// nothing: that a Pod is gone is known only from an answer without it.
Task<> Notifier::discover(Configured& one) {
  for (;;) {
    Result<std::vector<Endpoint>> found = co_await find_endpoints(context_, one.settings);
    const std::string error = found ? "" : found.error().message();
    if (!found && one.error != error) {
      context_.log.warn(kSource, "alertmanagers cannot be found", {{"err", found.error()}});
    }
    one.error = error;
    if (found && *found != one.endpoints) {
      one.endpoints = *std::move(found);
      match_senders();
    }
    co_await context_.loop.sleep_for(error.empty() ? kResolveInterval : kResolveAgain);
  }
}

void Notifier::match_senders() {
  std::map<std::string, const Endpoint*> wanted;
  for (const auto& one : configured_) {
    for (const Endpoint& endpoint : one->endpoints) {
      if (wanted.size() < limits::kAlertmanagers) wanted.emplace(endpoint.url, &endpoint);
    }
  }
  std::erase_if(senders_, [&](const auto& entry) {
    const auto at = wanted.find(entry.first);
    return at == wanted.end() || *at->second != entry.second->endpoint();
  });
  for (const auto& [url, endpoint] : wanted) {
    std::unique_ptr<Sender>& sender = senders_[url];
    if (sender) {
      sender->set_options(options());
      continue;
    }
    sender = std::make_unique<Sender>(context_, self_, *endpoint, options(),
                                      [this](Sender& restarted) { resend_all(restarted); });
    resend_all(*sender);
    sender->start();
  }
  self_.alertmanagers_discovered(senders_.size());
}

void Notifier::resend_all(Sender& to) const {
  for (const auto& [labels, current] : current_) to.put(current.alert, true);
}

SenderOptions Notifier::options() const {
  // Where relabelling may take our label away, only reading all alerts finds ours.
  return {settings_.end_after, settings_.relabel.empty()};
}

void Notifier::send(const std::vector<rules::Notice>& notices) {
  for (const rules::Notice& notice : notices) {
    if (const OutgoingPtr alert = wording_.word(notice)) put(alert, notice);
  }
}

void Notifier::put(const OutgoingPtr& alert, const rules::Notice& notice) {
  bool tracked = true;
  if (!alert->firing()) {
    current_.erase(alert->labels);
  } else if (current_.size() >= limits::kQueuedAlerts && !current_.contains(alert->labels)) {
    ++untracked_;
    tracked = false;
  } else {
    const auto [at, is_new] = current_.try_emplace(alert->labels);
    Current& current = at->second;
    current.notice = notice;
    current.alert = alert;
    current.renewed = context_.loop.now();
    if (is_new) {
      current.since = current.renewed;
      current.since_wall = context_.clock.wall();
    }
  }
  for (const auto& [url, sender] : senders_) sender->put(alert, tracked);
}

void Notifier::reword_all() {
  const std::map<Labels, Current> before = std::exchange(current_, {});
  std::vector<OutgoingPtr> gone;
  for (const auto& [labels, old] : before) {
    const OutgoingPtr alert = wording_.word(old.notice);
    if (alert) {
      Current& current = current_[alert->labels];
      current = old;
      current.alert = alert;
    }
    if (!alert || alert->labels != labels) gone.push_back(old.alert);
  }
  for (const OutgoingPtr& alert : gone) {
    if (current_.contains(alert->labels)) continue;
    const OutgoingPtr resolved = resolved_now(*alert, context_.clock.wall());
    for (const auto& [url, sender] : senders_) sender->put(resolved, false);
  }
  for (const auto& [url, sender] : senders_) resend_all(*sender);
}

// An alert that nobody renews ends at Alertmanager as well.
void Notifier::forget_silent() {
  const SteadyTime now = context_.loop.now();
  for (auto at = current_.begin(); at != current_.end();) {
    if (now - at->second.renewed < settings_.end_after) {
      ++at;
      continue;
    }
    for (const auto& [url, sender] : senders_) sender->forget(at->first);
    at = current_.erase(at);
  }
  if (now - untracked_since_ > kRenewal) {
    untracked_ = 0;
    untracked_since_ = now;
  }
}

Task<bool> Notifier::drain(SteadyTime deadline) {
  const SteadyTime begun = context_.loop.now();
  for (const auto& [url, sender] : senders_) sender->hurry();
  for (;;) {
    const bool drained = std::ranges::all_of(
        senders_, [&](const auto& entry) { return entry.second->drained(begun); });
    if (drained) co_return true;
    if (context_.loop.now() >= deadline) co_return false;
    co_await context_.loop.sleep_for(std::chrono::milliseconds(10));
  }
}

std::shared_ptr<const Delivery> Notifier::delivery() const {
  auto delivery = std::make_shared<Delivery>();
  delivery->at = context_.clock.wall();
  delivery->set_up = !configured_.empty();
  std::vector<const Tracker*> trackers;
  std::vector<std::string> names;
  for (const auto& [url, sender] : senders_) {
    trackers.push_back(&sender->tracker());
    names.push_back(url);
    delivery->alertmanagers.push_back(sender->report());
  }
  for (const auto& one : configured_) {
    if (!one->endpoints.empty()) continue;
    AlertmanagerReport& report = delivery->alertmanagers.emplace_back();
    report.name = one->settings.url;
    report.error = one->error;
  }
  if (delivery->set_up) {
    delivery->alerts = combine(current_, trackers, names, context_.loop.now());
    delivery->untracked = untracked_;
  }
  return delivery;
}

void Notifier::publish_now() {
  std::shared_ptr<const Delivery> delivery = this->delivery();
  const std::vector<std::string> untold = delivery->nobody_was_told();
  self_.alerts_untold(delivery->set_up ? std::optional(untold.size()) : std::nullopt);
  const std::string told = fmt::format("{}", fmt::join(untold, " | "));
  if (told != told_untold_ && !untold.empty()) {
    context_.log.error(kSource, "nobody was told of a critical alert", {{"alerts", told}});
  } else if (told != told_untold_) {
    context_.log.info(kSource, "somebody was told of every critical alert");
  }
  told_untold_ = told;
  publish_(std::move(delivery));
}

}  // namespace keelwatch::notifier
