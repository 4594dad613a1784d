// Signals as callbacks on the control loop: blocked in every thread, read from a signalfd. Make it
// before any other thread starts, so that all of them inherit the mask. SIGPIPE is ignored.
#pragma once

#include <csignal>
#include <functional>
#include <map>
#include <optional>

#include "base/event_loop.h"

namespace keelwatch::app {

class Signals {
 public:
  explicit Signals(EventLoop& loop);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // SIGTERM, SIGINT or SIGHUP.
  void on(int signal, std::function<void()> callback);

 private:
  void read_pending();

  int fd_;
  sigset_t before_{};
  std::map<int, std::function<void()>> callbacks_;
  std::optional<EventLoop::FdWatch> watch_;
};

}  // namespace keelwatch::app
