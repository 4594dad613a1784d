#include "notifier/delivery.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace keelwatch::notifier {
namespace {

// Somebody was told, or that nobody is was somebody's decision.
bool is_settled(Hop hop) {
  return hop == Hop::kTold || hop == Hop::kWithheld || hop == Hop::kEnded;
}

}  // namespace

std::string_view to_string(Hop hop) {
  switch (hop) {
    case Hop::kQueued:
      return "queued";
    case Hop::kRefused:
      return "refused";
    case Hop::kUnread:
      return "unread";
    case Hop::kAbsent:
      return "absent";
    case Hop::kNoReceiver:
      return "no receiver";
    case Hop::kFailing:
      return "failing";
    case Hop::kWithheld:
      return "withheld";
    case Hop::kTold:
      return "told";
    case Hop::kEnded:
      return "ended";
  }
  return "queued";
}

bool Delivery::can_tell() const {
  return std::ranges::any_of(alertmanagers,
                             [](const AlertmanagerReport& a) { return a.up && a.reaches; });
}

std::vector<std::string> Delivery::nobody_was_told() const {
  std::vector<std::string> lines;
  for (const AlertDelivery& alert : alerts) {
    if (!alert.untold || !alert.critical) continue;
    std::vector<std::string> reasons;
    for (const AlertHop& hop : alert.hops) {
      reasons.push_back(fmt::format("{}: {}{}{}", hop.alertmanager, to_string(hop.hop),
                                    hop.detail.empty() ? "" : ", ", hop.detail));
    }
    if (reasons.empty()) reasons.push_back("no Alertmanager is found");
    lines.push_back(fmt::format("{}: {}", alert.labels.text(), fmt::join(reasons, "; ")));
  }
  return lines;
}

void Tracker::put(const OutgoingPtr& alert, SteadyTime now) {
  if (!alert->firing()) {
    alerts_.erase(alert->labels);
    return;
  }
  const auto [at, is_new] = alerts_.try_emplace(alert->labels);
  at->second.alert = alert;
  if (is_new) at->second.since = now;
}

void Tracker::accepted(const Outgoing& alert, SteadyTime now) {
  const auto at = alerts_.find(alert.labels);
  if (at == alerts_.end()) return;
  Tracked& tracked = at->second;
  tracked.accepted_at = now;
  tracked.accepted_by = process_;
  tracked.refusal.clear();
  tracked.ended = false;
}

void Tracker::refused(const Outgoing& alert, std::string reason) {
  const auto at = alerts_.find(alert.labels);
  if (at != alerts_.end()) at->second.refusal = std::move(reason);
}

void Tracker::ended_elsewhere(const Outgoing& alert) {
  const auto at = alerts_.find(alert.labels);
  if (at != alerts_.end()) at->second.ended = true;
}

void Tracker::read_alerts(const std::vector<SeenAlert>& seen, SteadyTime sent) {
  std::map<Labels, const SeenAlert*> there;
  for (const SeenAlert& alert : seen) there.emplace(alert.labels, &alert);
  for (auto& [labels, tracked] : alerts_) {
    const auto found = there.find(labels);
    if (found != there.end()) {
      tracked.seen = *found->second;
      tracked.absent = false;
      tracked.ended = false;
    } else if (tracked.accepted_at && *tracked.accepted_at < sent) {
      tracked.seen.reset();
      tracked.absent = true;
    }
  }
}

bool Tracker::read_status(SeenStatus status) {
  const bool other = status_ && status_->started_at != status.started_at;
  if (!status_ || other) ++process_;
  if (other) counts_.reset();
  status_ = std::move(status);
  return other;
}

void Tracker::read_notifications(const Notifications& counts) {
  for (const auto& [integration, now] : counts) {
    if (!counts_) break;
    const auto known = counts_->find(integration);
    NotificationCounts before = known == counts_->end() ? NotificationCounts{} : known->second;
    if (now.requests < before.requests || now.failed < before.failed) before = {};  // started anew
    const double failed = now.failed - before.failed;
    const double made = now.requests - before.requests;
    if (failed > 0) {
      failing_.insert(integration);
    } else if (made > 0) {
      failing_.erase(integration);
    }
  }
  counts_ = counts;
}

void Tracker::notifications_unreadable() { counts_.reset(); }

bool Tracker::knew(const Outgoing& alert, SteadyTime now, Duration end_after) const {
  const auto at = alerts_.find(alert.labels);
  if (at == alerts_.end() || process_ == 0) return false;
  const Tracked& tracked = at->second;
  return tracked.accepted_by == process_ && tracked.accepted_at &&
         now - *tracked.accepted_at < end_after;
}

bool Tracker::present(const Outgoing& alert) const {
  const auto at = alerts_.find(alert.labels);
  return at != alerts_.end() && at->second.seen.has_value();
}

std::optional<SteadyTime> Tracker::unproven_since() const {
  std::optional<SteadyTime> youngest;
  for (const auto& [labels, tracked] : alerts_) {
    if (is_settled(judge(tracked).first)) continue;
    if (!youngest || tracked.since > *youngest) youngest = tracked.since;
  }
  return youngest;
}

std::pair<Hop, std::string> Tracker::judge(const Tracked& tracked) const {
  if (tracked.ended) return {Hop::kEnded, "resolved by another"};
  if (!tracked.refusal.empty()) return {Hop::kRefused, tracked.refusal};
  if (tracked.seen) return judge_seen(*tracked.seen);
  if (tracked.absent) return {Hop::kAbsent, "accepted, but not there when read back"};
  if (tracked.accepted_at) return {Hop::kUnread, "accepted, not read back"};
  return {Hop::kQueued, ""};
}

std::pair<Hop, std::string> Tracker::judge_seen(const SeenAlert& seen) const {
  if (!seen.silenced_by.empty()) {
    return {Hop::kWithheld, fmt::format("silenced by {}", fmt::join(seen.silenced_by, ", "))};
  }
  if (!seen.inhibited_by.empty()) {
    return {Hop::kWithheld, fmt::format("inhibited by {}", fmt::join(seen.inhibited_by, ", "))};
  }
  if (!seen.muted_by.empty()) {
    return {Hop::kWithheld, fmt::format("muted by {}", fmt::join(seen.muted_by, ", "))};
  }
  if (seen.receivers.empty()) return {Hop::kNoReceiver, "no receiver"};
  const std::string receivers = fmt::format("receivers {}", fmt::join(seen.receivers, ", "));
  if (!status_ || !status_->receivers) {
    return {failing_.empty() ? Hop::kTold : Hop::kFailing, receivers};
  }
  std::set<std::string> integrations;
  for (const std::string& receiver : seen.receivers) {
    const auto known = status_->receivers->find(receiver);
    if (known != status_->receivers->end()) {
      integrations.insert(known->second.begin(), known->second.end());
    }
  }
  if (integrations.empty()) return {Hop::kNoReceiver, receivers + " reach nobody"};
  const bool all_fail = std::ranges::all_of(
      integrations, [this](const std::string& i) { return failing_.contains(i); });
  if (!all_fail) return {Hop::kTold, receivers};
  return {Hop::kFailing,
          fmt::format("{}: notifications fail by {}", receivers, fmt::join(integrations, ", "))};
}

std::pair<Hop, std::string> Tracker::verdict(const Labels& labels) const {
  const auto at = alerts_.find(labels);
  return at == alerts_.end() ? std::pair(Hop::kQueued, std::string()) : judge(at->second);
}

bool Tracker::reaches() const {
  if (!status_ || !status_->receivers) return failing_.empty();
  return std::ranges::any_of(*status_->receivers, [this](const auto& receiver) {
    return std::ranges::any_of(receiver.second,
                               [this](const std::string& i) { return !failing_.contains(i); });
  });
}

void Tracker::describe(AlertmanagerReport& report) const {
  if (status_) {
    report.started_at = status_->started_at;
    report.version = status_->version;
  }
  report.failing.assign(failing_.begin(), failing_.end());
  report.reaches = reaches();
  report.notifications_known = counts_.has_value();
  report.present = static_cast<std::size_t>(std::ranges::count_if(
      alerts_, [](const auto& entry) { return entry.second.seen.has_value(); }));
}

std::vector<AlertDelivery> combine(const std::map<Labels, Current>& alerts,
                                   const std::vector<const Tracker*>& trackers,
                                   const std::vector<std::string>& names, SteadyTime now) {
  std::vector<AlertDelivery> out;
  for (const auto& [labels, current] : alerts) {
    AlertDelivery& delivery = out.emplace_back();
    delivery.labels = labels;
    delivery.critical = current.alert->critical;
    delivery.since = current.since_wall;
    bool settled = false;
    for (std::size_t i = 0; i < trackers.size(); ++i) {
      auto [hop, detail] = trackers[i]->verdict(labels);
      settled = settled || is_settled(hop);
      delivery.hops.push_back({names[i], hop, std::move(detail)});
    }
    delivery.untold = !settled && now - current.since > kGrace;
  }
  return out;
}

}  // namespace keelwatch::notifier
