#include "app/step_thread.h"

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace keelwatch::app {

StepThread::StepThread(const Clock& clock, Logger& log,
                       std::shared_ptr<const config::Config> config, OnMoment on_moment)
    : clock_(clock),
      log_(log),
      on_moment_(std::move(on_moment)),
      started_(clock.wall()),
      config_(std::move(config)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

StepThread::~StepThread() {
  thread_.request_stop();
  thread_.join();
}

void StepThread::set_config(std::shared_ptr<const config::Config> config) {
  MutexLock lock(mutex_);
  config_ = std::move(config);
  dirty_ = true;
  changed_.notify_one();
}

void StepThread::publish(const model::Slices& news) {
  MutexLock lock(mutex_);
  slices_.update(news);
  dirty_ = true;
  changed_.notify_one();
}

void StepThread::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "step");
  SteadyTime slot = clock_.steady();
  while (!stop.stop_requested()) {
    const SteadyTime started = clock_.steady();
    const std::optional<SteadyTime> asked = step_once();
    Duration interval;
    {
      MutexLock lock(mutex_);
      interval = config_->step_interval;
    }
    // Slots keep their distance, whenever the thread woke up for them; those that passed are lost.
    if (started >= slot) slot += interval * ((started - slot) / interval);
    SteadyTime next = slot + interval;
    if (asked && *asked > started) next = std::min(next, *asked);
    // First the gap that nothing shortens but stop, then whatever comes first: slot or change.
    std::unique_lock<Mutex> lock(mutex_);
    changed_.wait_until(lock, stop, started + kMinimumGap, [] { return false; });
    changed_.wait_until(lock, stop, next, [this]() REQUIRES(mutex_) { return dirty_; });
  }
  (void)step_once();
}

std::optional<SteadyTime> StepThread::step_once() {
  model::Slices slices;
  std::shared_ptr<const config::Config> config;
  {
    MutexLock lock(mutex_);
    dirty_ = false;
    slices = slices_;
    config = config_;
  }
  const SteadyTime started = clock_.steady();
  try {
    model::World world = model::assemble(slices, freshness_of(*config), clock_.wall(), started_);
    std::shared_ptr<const Moment> moment = step(state_, std::move(world), *config);
    return on_moment_(std::move(moment), clock_.steady() - started);
  } catch (const std::exception& e) {
    // Nothing is published: after three slots the last Moment counts as stale, and an alert says
    // so.
    log_.error("app", "a step failed", {{"err", e.what()}});
    return std::nullopt;
  }
}

}  // namespace keelwatch::app
