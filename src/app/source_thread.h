// Runs one source on a thread of its own: event loop, resolver, HTTP client and the source's
// coroutine. If the source throws, that is logged, it is rebuilt after a pause, and nothing else
// stops. Destroying the SourceThread ends the source and all its connections.
#pragma once

#include <pthread.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/event_loop.h"
#include "base/log.h"
#include "sources/source.h"

namespace keelwatch::app {

template <typename Source>
class SourceThread {
 public:
  using Make = std::function<std::unique_ptr<Source>(sources::SourceContext)>;

  SourceThread(std::string name, const Clock& clock, Logger& log, Make make)
      : name_(std::move(name)),
        clock_(clock),
        log_(log),
        make_(std::move(make)),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}

  // Any thread: runs `f` on the source's thread; lost if the source is just being rebuilt, hence
  // remembered as `setup` for every rebuilt source, too.
  void configure(std::function<void(Source&)> f) {
    loop_.post([this, f = std::move(f)] {
      setup_ = f;
      if (source_) setup_(*source_);
    });
  }

 private:
  static constexpr Duration kPauseAfterFailure = std::chrono::seconds(5);

  void run(const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
    while (!stop.stop_requested()) {
      try {
        run_source(stop);
      } catch (const std::exception& e) {
        log_.error(name_, "source failed, starting it again",
                   {{"err", e.what()}, {"retry_seconds", to_seconds(kPauseAfterFailure)}});
        pause(stop);
      }
    }
  }

  void run_source(const std::stop_token& stop) {
    Resolver resolver(loop_);
    HttpClient http(loop_, resolver);
    const std::unique_ptr<Source> source = make_({loop_, resolver, http, clock_, log_});
    const Current current(source_, source.get());
    if (setup_) setup_(*source);
    std::stop_source failed;
    {
      const std::stop_callback forward(stop, [&failed] { failed.request_stop(); });
      TaskScope scope;
      scope.spawn(run_until_failure(*source, failed));
      loop_.run(failed.get_token());
      scope.rethrow_failure();
    }
  }

  // Points to the living source for configure(), and to none when it ends, however it ends.
  class Current {
   public:
    Current(Source*& slot, Source* source) : slot_(slot) { slot_ = source; }
    ~Current() { slot_ = nullptr; }
    Current(const Current&) = delete;
    Current& operator=(const Current&) = delete;

   private:
    Source*& slot_;
  };

  // Ends the loop when run() returns or throws, neither of which it should.
  static Task<> run_until_failure(Source& source, std::stop_source& failed) {
    struct Stop {
      std::stop_source& failed;
      ~Stop() { failed.request_stop(); }
    };
    const Stop stop{failed};
    co_await source.run();
  }

  void pause(const std::stop_token& stop) {
    std::stop_source over;
    const std::stop_callback forward(stop, [&over] { over.request_stop(); });
    EventLoop::Timer timer(loop_, [&over] { over.request_stop(); });
    timer.arm(loop_.after(kPauseAfterFailure));
    loop_.run(over.get_token());
  }

  std::string name_;
  const Clock& clock_;
  Logger& log_;
  Make make_;
  EventLoop loop_;
  Source* source_ = nullptr;            // on its thread
  std::function<void(Source&)> setup_;  // on its thread
  std::jthread thread_;                 // last: starts when all else is there, joins first
};

}  // namespace keelwatch::app
