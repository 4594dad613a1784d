// Lets libpq, which speaks to no proxy, use a connection that was made through one: a port of the
// loopback that takes one connection and passes it on. It listens only until that has come.
// Threads: the loop's. The destructor ends both connections.
#pragma once

#include <string>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/task.h"
#include "base/tcp.h"

namespace keelwatch::sources {

class Relay {
 public:
  // Errors: kUnavailable (no port to be had).
  [[nodiscard]] static Result<Descriptor> listen_on_loopback();

  Relay(EventLoop& loop, Descriptor listener, Descriptor upstream);
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  [[nodiscard]] int port() const { return port_; }

 private:
  Task<> accept_and_pass();
  Task<> pass(int from, int to);

  EventLoop& loop_;
  Descriptor listener_;
  Descriptor upstream_;
  Descriptor client_;
  int port_ = 0;
  TaskScope scope_;  // last: its tasks use all of the above
};

}  // namespace keelwatch::sources
