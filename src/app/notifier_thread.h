// Runs the notifier and the heartbeat on a thread of their own. If one of them throws, that is
// logged, and after a pause both begin anew; rules send what fires again within a minute.
// Threads: any may call it. Destroying it sends what waits, for kDrain at most.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/published.h"
#include "config/config.h"
#include "metrics/self.h"
#include "notifier/heartbeat.h"
#include "notifier/notifier.h"
#include "rules/alert.h"

namespace keelwatch::app {

class NotifierThread {
 public:
  static constexpr Duration kDrain = std::chrono::seconds(5);

  NotifierThread(const Clock& clock, Logger& log, metrics::SelfMetrics& self,
                 const config::Config& config);
  ~NotifierThread();
  NotifierThread(const NotifierThread&) = delete;
  NotifierThread& operator=(const NotifierThread&) = delete;

  void set_config(const config::Config& config);
  void send(std::vector<rules::Notice> notices);
  // Asks the Alertmanagers of now for the alerts of a keelwatch before us (notifier/take_back.h).
  // `found` is called on the notifier's thread, at any time, or never.
  void take_back(std::function<void(std::vector<rules::SavedAlert>)> found);
  // A step ended: the heartbeat goes on for three slots.
  void evaluated(SteadyTime at) { evaluated_.store(at.time_since_epoch().count()); }

  // The newest; nullptr before the first.
  [[nodiscard]] std::shared_ptr<const notifier::Delivery> delivery() const {
    return delivery_.read();
  }

 private:
  static constexpr Duration kPauseAfterFailure = std::chrono::seconds(5);

  void run(const std::stop_token& stop);
  void run_once(const std::stop_token& stop);
  void pause(const std::stop_token& stop);
  void use_config();
  void start_take_back();
  [[nodiscard]] std::optional<std::string> reason_for_silence() const;

  // What lives while the thread runs undisturbed.
  struct Running;

  const Clock& clock_;
  Logger& log_;
  metrics::SelfMetrics& self_;
  std::atomic<Duration::rep> evaluated_;  // SteadyTime
  Published<notifier::Delivery> delivery_;
  EventLoop loop_;
  config::Alerts settings_;  // of the thread, once it runs
  Duration slot_;            // of the thread
  // Of the thread; empty once every Alertmanager has answered.
  std::function<void(std::vector<rules::SavedAlert>)> taken_back_;
  Running* running_ = nullptr;
  std::jthread thread_;  // last: starts when all else is there, joins first
};

}  // namespace keelwatch::app
