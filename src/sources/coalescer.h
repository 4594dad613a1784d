// When to publish: many small changes together, at most every 50 ms, and an urgent one at once.
// Threads: the loop's.
#pragma once

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/task.h"
#include "sources/postgres/instance_watch.h"

namespace keelwatch::sources {

class Coalescer {
 public:
  explicit Coalescer(EventLoop& loop) : loop_(loop), signal_(loop) {}

  void changed(Urgency urgency);
  // Returns when something has changed and it is time to publish it; one task at a time.
  [[nodiscard]] Task<> due();

 private:
  EventLoop& loop_;
  Signal signal_;
  SteadyTime last_{};
  bool dirty_ = false;
  bool urgent_ = false;
};

}  // namespace keelwatch::sources
