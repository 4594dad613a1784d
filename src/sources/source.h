// A source reads one world outside and publishes what it says as an immutable slice. It lives on a
// thread of its own, in one EventLoop; nothing in it blocks, and a hung peer delays only the facts
// that come from that peer.
//
// Each source is a coroutine `Task<> run()` of a class that is constructed on the loop's thread:
//
//   class PostgresSource { PostgresSource(SourceContext, Settings, Publish<PostgresSlice>);
//                          Task<> run(); void set_targets(Targets); };
//
// run() never returns by itself; the thread's owner (app) destroys the task to stop it, which must
// end every connection at once.
#pragma once

#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/resolver.h"

namespace keelwatch::sources {

// The collaborators of every source; all outlive it.
struct SourceContext {
  EventLoop& loop;
  Resolver& resolver;
  HttpClient& http;
  const Clock& clock;  // stamps facts (wall) and measures durations (steady)
  Logger& log;
};

// Called on the source's thread with each new slice; coalesced by the source to at most one per
// 50 ms. Must be quick: app puts the pointer into a Published cell and wakes the step thread.
template <typename Slice>
using Publish = std::function<void(std::shared_ptr<const Slice>)>;

}  // namespace keelwatch::sources
