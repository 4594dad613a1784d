#include "app/notifier_thread.h"

#include <pthread.h>

#include <exception>
#include <utility>

#include "base/http_client.h"
#include "base/resolver.h"
#include "notifier/take_back.h"

namespace keelwatch::app {
namespace {

// Ends the loop when the task throws. A task that is destroyed ends nothing.
Task<> stop_loop_on_failure(Task<> task, std::stop_source& ended) {
  try {
    co_await std::move(task);
  } catch (...) {
    ended.request_stop();
    throw;
  }
}

}  // namespace

struct NotifierThread::Running {
  explicit Running(NotifierThread& t)
      : thread(t),
        resolver(t.loop_),
        http(t.loop_, resolver),
        context{t.loop_, resolver, http, t.clock_, t.log_},
        notifier(context, t.self_, [&t](auto news) { t.delivery_.publish(std::move(news)); }) {
    thread.running_ = this;
  }
  ~Running() { thread.running_ = nullptr; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  NotifierThread& thread;
  Resolver resolver;
  HttpClient http;
  notifier::NotifierContext context;
  notifier::Notifier notifier;
  std::optional<notifier::Heartbeat> heartbeat;
  std::stop_source ended;
  TaskScope heart;  // the heartbeat's task alone: it begins anew with each configuration
  TaskScope scope;
};

NotifierThread::NotifierThread(const Clock& clock, Logger& log, metrics::SelfMetrics& self,
                               const config::Config& config)
    : clock_(clock),
      log_(log),
      self_(self),
      evaluated_(clock.steady().time_since_epoch().count()),
      settings_(config.alerts),
      slot_(config.step_interval),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

NotifierThread::~NotifierThread() = default;

void NotifierThread::set_config(const config::Config& config) {
  loop_.post([this, settings = config.alerts, slot = config.step_interval] {
    settings_ = settings;
    slot_ = slot;
    use_config();
  });
}

void NotifierThread::send(std::vector<rules::Notice> notices) {
  if (notices.empty()) return;
  loop_.post([this, notices = std::move(notices)] {
    if (running_ != nullptr) running_->notifier.send(notices);
  });
}

void NotifierThread::take_back(std::function<void(std::vector<rules::SavedAlert>)> found) {
  loop_.post([this, found = std::move(found)] {
    taken_back_ = found;
    start_take_back();
  });
}

namespace {

Task<> take_back_once(notifier::NotifierContext context, config::Alerts settings,
                      std::function<void(std::vector<rules::SavedAlert>)>& found) {
  co_await notifier::take_back(context, std::move(settings), found);
  found = nullptr;
}

}  // namespace

void NotifierThread::start_take_back() {
  if (running_ == nullptr || !taken_back_) return;
  running_->scope.spawn(stop_loop_on_failure(
      take_back_once(running_->context, settings_, taken_back_), running_->ended));
}

void NotifierThread::use_config() {
  if (running_ == nullptr) return;
  running_->notifier.set_config(settings_);
  running_->heart.cancel();
  running_->heartbeat.emplace(running_->context, self_, settings_.heartbeat,
                              [this] { return reason_for_silence(); });
  running_->heart.spawn(stop_loop_on_failure(running_->heartbeat->run(), running_->ended));
}

std::optional<std::string> NotifierThread::reason_for_silence() const {
  const std::shared_ptr<const notifier::Delivery> newest = delivery_.read();
  if (!newest) return "nothing is known of Alertmanagers yet";
  const SteadyTime evaluated{Duration(evaluated_.load())};
  return notifier::reason_for_silence(clock_.steady() - evaluated, slot_, *newest);
}

void NotifierThread::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "notifier");
  while (!stop.stop_requested()) {
    try {
      run_once(stop);
    } catch (const std::exception& e) {
      log_.error("notifier", "the notifier failed, starting it again",
                 {{"err", e.what()}, {"retry_seconds", to_seconds(kPauseAfterFailure)}});
      pause(stop);
    }
  }
}

void NotifierThread::run_once(const std::stop_token& stop) {
  Running running(*this);
  const std::stop_callback forward(stop, [&running] { running.ended.request_stop(); });
  use_config();
  start_take_back();
  running.scope.spawn(stop_loop_on_failure(running.notifier.run(), running.ended));
  loop_.run(running.ended.get_token());
  running.scope.rethrow_failure();
  running.heart.rethrow_failure();
  if (!loop_.block_on(running.notifier.drain(loop_.after(kDrain)))) {
    log_.warn("notifier", "not every alert could be sent before the end");
  }
}

void NotifierThread::pause(const std::stop_token& stop) {
  std::stop_source over;
  const std::stop_callback forward(stop, [&over] { over.request_stop(); });
  EventLoop::Timer timer(loop_, [&over] { over.request_stop(); });
  timer.arm(loop_.after(kPauseAfterFailure));
  loop_.run(over.get_token());
}

}  // namespace keelwatch::app
