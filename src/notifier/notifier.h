// Tells every Alertmanager of every alert until it has acknowledged the alert's newest state, and
// finds out whether somebody was told. A dead Alertmanager delays no other one.
// Threads: the loop's. run() holds the requests: destroying its task ends them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "metrics/self.h"
#include "notifier/client.h"
#include "notifier/delivery.h"
#include "notifier/sender.h"
#include "rules/alert.h"

namespace keelwatch::notifier {

class Notifier {
 public:
  // Called after changes, at most once a second.
  using Publish = std::function<void(std::shared_ptr<const Delivery>)>;

  Notifier(NotifierContext context, metrics::SelfMetrics& self, Publish publish);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // Never returns. Throws what a task below it threw.
  [[nodiscard]] Task<> run();

  // Alertmanagers that stay keep their queues; new ones are told of all that fires. An alert whose
  // labels come out otherwise than before is resolved under the old ones.
  void set_config(const config::Alerts& settings);

  void send(const std::vector<rules::Notice>& notices);

  // Waits until nothing is left to be sent that could be. False at the deadline.
  [[nodiscard]] Task<bool> drain(SteadyTime deadline);

  [[nodiscard]] std::shared_ptr<const Delivery> delivery() const;

 private:
  static constexpr Duration kResolveInterval = std::chrono::seconds(30);
  static constexpr Duration kResolveAgain = std::chrono::seconds(5);  // after a failure

  // One of the configuration, with the addresses that it stands for.
  struct Configured {
    config::Alertmanager settings;
    std::vector<Endpoint> endpoints;
    std::string error;  // why there are none
  };

  [[nodiscard]] Task<> discover(Configured& one);
  void start_discovery();
  void match_senders();
  void resend_all(Sender& to) const;
  void put(const OutgoingPtr& alert, const rules::Notice& notice);
  void reword_all();
  void forget_silent();
  [[nodiscard]] SenderOptions options() const;
  void publish_now();

  NotifierContext context_;
  metrics::SelfMetrics& self_;
  Publish publish_;
  config::Alerts settings_;
  Wording wording_;
  bool running_ = false;
  std::vector<std::unique_ptr<Configured>> configured_;
  std::map<std::string, std::unique_ptr<Sender>> senders_;  // by URL
  std::map<Labels, Current> current_;                       // firing, by outgoing labels
  std::size_t untracked_ = 0;
  SteadyTime untracked_since_{};
  std::string told_untold_;  // what was logged last
  TaskScope discoveries_;    // last: its tasks use all of the above
};

}  // namespace keelwatch::notifier
