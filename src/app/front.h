// The newest Moment as HTTP shows it: /metrics, the health checks, explain, what-if. No frozen
// green: a Moment older than three slots is served by none of them, and a program whose first step
// does not end within three slots of the start is not healthy either.
//
// show() is for one thread, the step's; everything else for any.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>

#include "app/step.h"
#include "base/clock.h"
#include "base/published.h"
#include "http/message.h"
#include "metrics/page.h"
#include "metrics/self.h"

namespace keelwatch::app {

class Front {
 public:
  // A form of the page that nobody has asked for during this time is no longer made ahead.
  // Prometheus asks every 15 to 60 s.
  static constexpr Duration kWanted = std::chrono::seconds(90);

  // `slot` holds until the first Moment brings its own. `self` and `clock` outlive this.
  Front(metrics::SelfMetrics& self, const Clock& clock, Duration slot);

  // Makes the forms of its page that are wanted and then publishes it: a scrape finds bytes, and no
  // work is done while nobody scrapes.
  void show(std::shared_ptr<const Moment> moment);

  // The newest, or nullptr where there is none to be believed.
  [[nodiscard]] std::shared_ptr<const Moment> moment() const;

  // Without a Moment to be believed the page holds our own series only, as they are now.
  [[nodiscard]] http::Response serve_metrics(const http::Request& request);
  [[nodiscard]] http::Response serve_healthy() const;  // 503: no step, or none lately
  [[nodiscard]] http::Response serve_ready() const;    // 503 until the first Moment, too
  // ?series=SERIES[&format=json]; 503 as in serve_ready().
  [[nodiscard]] http::Response serve_explain(const http::Request& request) const;
  // ?lose=NODE[,NODE]&lose-zone=…&lose-host=…[&cluster=…][&format=json]; 400 for what does not
  // exist; 503 as in serve_ready(), and while nobody knows the nodes. Header Keelwatch-Survives
  // says 1 or 0.
  [[nodiscard]] http::Response serve_what_if(const http::Request& request) const;

 private:
  struct Shown {
    std::shared_ptr<const Moment> moment;
    metrics::Page page;
    SteadyTime at;
  };
  struct Look {
    std::shared_ptr<const Shown> shown;  // null before the first Moment
    Duration age{};                      // of it, or of the program
    bool overdue = false;

    [[nodiscard]] bool believed() const { return shown != nullptr && !overdue; }
    [[nodiscard]] http::Response refusal() const;  // why not
  };
  [[nodiscard]] Look look() const;

  metrics::SelfMetrics& self_;
  const Clock& clock_;
  const SteadyTime started_;
  const Duration first_slot_;
  Published<Shown> shown_;
  // By form of the page: when it was last asked for (SteadyTime).
  std::array<std::atomic<Duration::rep>, metrics::kForms.size()> asked_;
};

}  // namespace keelwatch::app
