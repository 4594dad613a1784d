// The thread that steps: at every slot of step_interval, soon after a slice changed, and when the
// last step's listener asked for it, but never more often than every kMinimumGap. It never does I/O
// and never waits for a source.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "app/step.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/published.h"
#include "config/config.h"

namespace keelwatch::app {

class StepThread {
 public:
  static constexpr Duration kMinimumGap = std::chrono::milliseconds(250);

  // Called on the step thread with each new Moment and how long its step took. Returns when there
  // is to be another one at the latest, slots apart; what has passed already asks for nothing.
  using OnMoment =
      std::function<std::optional<SteadyTime>(std::shared_ptr<const Moment>, Duration)>;

  StepThread(const Clock& clock, Logger& log, std::shared_ptr<const config::Config> config,
             OnMoment on_moment);
  ~StepThread();  // after one last step

  // Any thread.
  void set_config(std::shared_ptr<const config::Config> config) EXCLUDES(mutex_);
  void publish(const model::Slices& news) EXCLUDES(mutex_);

 private:
  void run(const std::stop_token& stop);
  std::optional<SteadyTime> step_once();

  const Clock& clock_;
  Logger& log_;
  OnMoment on_moment_;
  const WallTime started_;
  State state_;  // of the thread

  Mutex mutex_;
  ConditionVariable changed_;
  bool dirty_ GUARDED_BY(mutex_) = false;
  model::Slices slices_ GUARDED_BY(mutex_);
  std::shared_ptr<const config::Config> config_ GUARDED_BY(mutex_);

  std::jthread thread_;  // last: starts when all else is there
};

}  // namespace keelwatch::app
