// What sources that ask many targets in turn have in common: the report of one target, and a way to
// publish that gathers what happens within 50 ms.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "base/event_loop.h"
#include "model/source_report.h"
#include "sources/source.h"

namespace keelwatch::sources {

// Counts the attempts to read one target, and logs when they begin to fail and when they succeed
// again. Threads: the loop's.
class PollReport {
 public:
  PollReport(SourceContext context, std::string source, std::string target) : context_(context) {
    report_.source = std::move(source);
    report_.target = std::move(target);
    report_.pending = true;
  }

  void begin() {
    ++report_.requests;
    sent_ = context_.clock.wall();
    begun_ = context_.clock.steady();
  }
  // When the current attempt began: an answer is no younger.
  [[nodiscard]] WallTime sent() const { return sent_; }

  void succeeded() {
    if (!report_.last_error.empty()) {
      context_.log.info(report_.source, "target answers again", {{"target", report_.target}});
    }
    end();
    report_.up = true;
    report_.last_error.clear();
    report_.last_success = sent_;
  }
  void failed(const Error& error) {
    if (report_.last_error.empty()) {
      context_.log.warn(report_.source, "target cannot be read",
                        {{"target", report_.target}, {"err", error}});
    }
    end();
    report_.up = false;
    report_.last_error = error.message();
    ++report_.errors[std::string(to_string(error.code()))];
  }

  [[nodiscard]] const model::SourceReport& report() const { return report_; }

 private:
  void end() {
    report_.pending = false;
    report_.last_duration = context_.clock.steady() - begun_;
  }

  SourceContext context_;
  model::SourceReport report_;
  WallTime sent_{};
  SteadyTime begun_{};
};

// Calls back soon after changed(), at most once per 50 ms. Threads: the loop's.
class PublishSoon {
 public:
  PublishSoon(EventLoop& loop, std::function<void()> publish)
      : loop_(loop), timer_(loop, [this, publish = std::move(publish)] {
          last_ = loop_.now();
          publish();
        }) {}

  void changed() {
    if (!timer_.armed()) timer_.arm(std::max(loop_.now() + kGrace, last_ + kInterval));
  }

 private:
  static constexpr Duration kInterval = std::chrono::milliseconds(50);
  static constexpr Duration kGrace = std::chrono::milliseconds(5);  // for what comes right after

  EventLoop& loop_;
  SteadyTime last_{};
  EventLoop::Timer timer_;
};

// Whether an answer that was read before may still be shown after this failure, until it is too
// old: it says nothing against the answer, only that there is no newer one.
[[nodiscard]] inline bool is_transient(const Error& error) {
  return error.code() == ErrorCode::kUnavailable || error.code() == ErrorCode::kTimeout;
}

}  // namespace keelwatch::sources
