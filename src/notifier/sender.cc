#include "notifier/sender.h"

#include <algorithm>

#include "config/limits.h"

namespace keelwatch::notifier {
namespace {

constexpr const char* kSource = "notifier";

}  // namespace

Sender::Sender(NotifierContext context, metrics::SelfMetrics& self, Endpoint endpoint,
               SenderOptions options, std::function<void(Sender&)> restarted)
    : context_(context),
      self_(self),
      client_(context, std::move(endpoint)),
      options_(options),
      restarted_(std::move(restarted)),
      queue_(limits::kQueuedAlerts),
      work_(context.loop),
      reading_due_(context.loop) {
  count_queue();
}

Sender::~Sender() {
  scope_.cancel();
  self_.alertmanager_gone(endpoint().url);
}

void Sender::start() {
  scope_.spawn(send_all());
  scope_.spawn(read_all());
}

void Sender::put(const OutgoingPtr& alert, bool tracked) {
  const std::size_t dropped = queue_.put(alert);
  if (dropped > 0) self_.notifications_dropped(endpoint().url, dropped);
  if (tracked || !alert->firing()) tracker_.put(alert, context_.loop.now());
  count_queue();
  work_.notify_all();
}

Task<> Sender::send_all() {
  for (;;) {
    const SteadyTime now = context_.loop.now();
    const std::optional<SteadyTime> due = queue_.due();
    std::vector<SendQueue::Item> batch;
    if (due && *due <= now) batch = queue_.take(now, limits::kAlertBatch);
    if (batch.empty()) {
      co_await work_.wait_until(due ? std::max(*due, now + std::chrono::milliseconds(1))
                                    : now + std::chrono::hours(1));
    } else {
      co_await deliver(std::move(batch));
    }
  }
}

Task<> Sender::deliver(std::vector<SendQueue::Item> batch) {
  std::vector<std::vector<SendQueue::Item>> parts;
  parts.push_back(co_await without_ended(std::move(batch)));
  while (!parts.empty()) {
    const std::vector<SendQueue::Item> part = std::move(parts.back());
    parts.pop_back();
    if (part.empty()) continue;
    const Result<void> posted = co_await post(part);
    if (posted) {
      queue_.accepted(part, context_.loop.now());
      for (const SendQueue::Item& item : part) {
        tracker_.accepted(*item.alert, context_.loop.now());
      }
      reading_due_.notify_all();
    } else if (posted.error().code() == ErrorCode::kInvalid && part.size() > 1) {
      // One of them, at least, is refused; which one shows when they come apart.
      const auto middle = part.begin() + static_cast<std::ptrdiff_t>(part.size() / 2);
      parts.emplace_back(middle, part.end());
      parts.emplace_back(part.begin(), middle);
    } else if (posted.error().code() == ErrorCode::kInvalid) {
      refuse(part.front(), posted.error());
    } else {
      queue_.failed(part, context_.loop.now());
      parts.clear();
    }
  }
  count_queue();
}

Task<Result<void>> Sender::post(const std::vector<SendQueue::Item>& part) {
  std::vector<OutgoingPtr> alerts;
  for (const SendQueue::Item& item : part) alerts.push_back(item.alert);
  const WallTime now = context_.clock.wall();
  const SteadyTime begun = context_.loop.now();
  Result<void> posted = co_await client_.post(to_json(alerts, now, now + options_.end_after));
  self_.notifications_sent(endpoint().url, part.size(), posted.has_value(),
                           context_.loop.now() - begun);
  if (posted || posted.error().code() == ErrorCode::kInvalid) {
    went_well();
  } else {
    failed(posted.error());
  }
  co_return posted;
}

void Sender::refuse(const SendQueue::Item& item, const Error& error) {
  queue_.refused(item);
  tracker_.refused(*item.alert, error.message());
  self_.notifications_dropped(endpoint().url, 1);
  // The same alert comes again every minute, and is refused again.
  const std::string refusal = item.alert->labels.text() + error.message();
  if (refusal == last_refusal_) return;
  last_refusal_ = refusal;
  context_.log.error(
      kSource, "alertmanager refuses an alert",
      {{"alertmanager", endpoint().url}, {"alert", item.alert->labels.text()}, {"err", error}});
}

Task<std::vector<SendQueue::Item>> Sender::without_ended(std::vector<SendQueue::Item> batch) {
  const auto in_question = [this](const SendQueue::Item& item) {
    return item.alert->held && item.alert->firing() &&
           tracker_.knew(*item.alert, context_.loop.now(), options_.end_after);
  };
  if (std::ranges::none_of(batch, in_question)) co_return batch;
  // What cannot be asked is sent: rather opened again than lost.
  if (const Result<void> status = co_await read_status(); !status) co_return batch;
  if (const Result<void> alerts = co_await read_alerts(); !alerts) co_return batch;
  std::vector<SendQueue::Item> rest;
  for (SendQueue::Item& item : batch) {
    if (!in_question(item) || tracker_.present(*item.alert)) {
      rest.push_back(std::move(item));
      continue;
    }
    tracker_.ended_elsewhere(*item.alert);
    queue_.withdraw(item);
  }
  co_return rest;
}

Task<> Sender::read_all() {
  for (;;) {
    read_at_once_ = false;
    last_reading_ = context_.loop.now();
    if (const Result<void> status = co_await read_status(); status) {
      (void)co_await read_alerts();
      co_await read_notifications();
    }
    while (next_reading() > context_.loop.now()) {
      co_await reading_due_.wait_until(next_reading());
    }
  }
}

SteadyTime Sender::next_reading() const {
  if (read_at_once_) return last_reading_ + std::chrono::milliseconds(200);
  const std::optional<SteadyTime> unproven = tracker_.unproven_since();
  if (!unproven) return last_reading_ + (error_.empty() ? kNowAndThen : kUnproven);
  const bool young = last_reading_ - *unproven < 2 * kGrace;
  return last_reading_ + (young ? kSoon : kUnproven);
}

Task<Result<void>> Sender::read_status() {
  Result<SeenStatus> status = co_await client_.status();
  if (!status) {
    read_error_ = status.error().message();
    failed(status.error());
    co_return status.error();
  }
  went_well();
  if (tracker_.read_status(*std::move(status))) {
    context_.log.info(kSource, "alertmanager has restarted, telling it again",
                      {{"alertmanager", endpoint().url}});
    restarted_(*this);
  }
  co_return Result<void>();
}

Task<Result<void>> Sender::read_alerts() {
  const SteadyTime sent = context_.loop.now();
  const Result<std::vector<SeenAlert>> seen = co_await client_.alerts(options_.only_ours);
  if (!seen) {
    read_error_ = seen.error().message();
    co_return seen.error();
  }
  read_error_.clear();
  tracker_.read_alerts(*seen, sent);
  co_return Result<void>();
}

Task<> Sender::read_notifications() {
  const Result<Notifications> counts = co_await client_.notifications();
  if (counts) {
    tracker_.read_notifications(*counts);
  } else {
    tracker_.notifications_unreadable();
  }
}

void Sender::went_well() {
  if (contacted_ && !error_.empty()) {
    context_.log.info(kSource, "alertmanager answers again", {{"alertmanager", endpoint().url}});
    read_at_once_ = true;  // it may be another process
    reading_due_.notify_all();
  }
  contacted_ = true;
  error_.clear();
}

void Sender::failed(const Error& error) {
  if (error_.empty()) {
    context_.log.warn(kSource, "alertmanager takes no alerts",
                      {{"alertmanager", endpoint().url}, {"err", error}});
  }
  contacted_ = true;
  error_ = error.message();
  last_failure_ = context_.loop.now();
}

void Sender::count_queue() {
  self_.notification_queue(endpoint().url, queue_.size(), queue_.capacity());
}

AlertmanagerReport Sender::report() const {
  AlertmanagerReport report;
  report.name = endpoint().url;
  report.up = contacted_ && error_.empty();
  report.error = error_.empty() ? read_error_ : error_;
  report.queued = queue_.size();
  tracker_.describe(report);
  return report;
}

bool Sender::drained(SteadyTime since) const {
  return queue_.size() == 0 || (!error_.empty() && last_failure_ >= since);
}

}  // namespace keelwatch::notifier
