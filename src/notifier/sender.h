// Tells one Alertmanager, and asks it what it has made of that. Two coroutines: one empties the
// queue, in batches; one reads back, soon after something new was acknowledged and else now and
// then.
// Threads: the loop's. Destroying it ends both.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/task.h"
#include "metrics/self.h"
#include "notifier/client.h"
#include "notifier/delivery.h"
#include "notifier/send_queue.h"

namespace keelwatch::notifier {

struct SenderOptions {
  Duration end_after = std::chrono::minutes(30);
  bool only_ours = true;  // every alert of ours carries our label: no need to read those of others

  bool operator==(const SenderOptions&) const = default;
};

class Sender {
 public:
  // `restarted` is called when the Alertmanager turns out to be another process than before, which
  // knows none of the alerts.
  Sender(NotifierContext context, metrics::SelfMetrics& self, Endpoint endpoint,
         SenderOptions options, std::function<void(Sender&)> restarted);
  ~Sender();
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  void start();
  void rethrow_failure() { scope_.rethrow_failure(); }

  // `tracked`: whether its delivery is watched.
  void put(const OutgoingPtr& alert, bool tracked);
  void forget(const Labels& labels) { tracker_.forget(labels); }
  // What waits for a pause is tried at once.
  void hurry() {
    queue_.hurry();
    work_.notify_all();
  }
  void set_options(SenderOptions options) { options_ = options; }

  [[nodiscard]] const Endpoint& endpoint() const { return client_.endpoint(); }
  [[nodiscard]] const Tracker& tracker() const { return tracker_; }
  [[nodiscard]] AlertmanagerReport report() const;
  // Nothing waits, or an attempt since then has failed.
  [[nodiscard]] bool drained(SteadyTime since) const;

 private:
  static constexpr Duration kSoon = std::chrono::seconds(1);
  static constexpr Duration kUnproven = std::chrono::seconds(10);
  static constexpr Duration kNowAndThen = std::chrono::seconds(30);

  [[nodiscard]] Task<> send_all();
  [[nodiscard]] Task<> deliver(std::vector<SendQueue::Item> batch);
  [[nodiscard]] Task<Result<void>> post(const std::vector<SendQueue::Item>& part);
  // Takes out those of a batch that are held here and were resolved by another.
  [[nodiscard]] Task<std::vector<SendQueue::Item>> without_ended(
      std::vector<SendQueue::Item> batch);
  void refuse(const SendQueue::Item& item, const Error& error);

  [[nodiscard]] Task<> read_all();
  [[nodiscard]] Task<Result<void>> read_status();
  [[nodiscard]] Task<Result<void>> read_alerts();
  [[nodiscard]] Task<> read_notifications();
  [[nodiscard]] SteadyTime next_reading() const;

  void went_well();
  void failed(const Error& error);
  void count_queue();

  NotifierContext context_;
  metrics::SelfMetrics& self_;
  AlertmanagerClient client_;
  SenderOptions options_;
  std::function<void(Sender&)> restarted_;
  SendQueue queue_;
  Tracker tracker_;
  Signal work_;
  Signal reading_due_;
  SteadyTime last_reading_{};
  bool read_at_once_ = false;
  bool contacted_ = false;  // an exchange has ended, well or not
  std::string error_;       // of the last exchange; empty if it went well
  std::string read_error_;  // of the last reading back
  std::string last_refusal_;
  SteadyTime last_failure_{};
  TaskScope scope_;  // last: its tasks use all of the above
};

}  // namespace keelwatch::notifier
