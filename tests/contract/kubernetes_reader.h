// A KubernetesSource as a test drives it: on the test's own thread, with the newest slice at hand.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/resolver.h"
#include "sources/kubernetes/kubernetes_source.h"

namespace keelwatch::testing {

// An environment of the variables and the service account folder that a test gives.
inline sources::ProcessEnvironment process_environment(
    std::vector<std::pair<std::string, std::string>> variables, std::string service_account_dir) {
  return {[variables = std::move(variables)](const char* name) {
            for (const auto& [key, value] : variables) {
              if (key == name) return value;
            }
            return std::string();
          },
          std::move(service_account_dir)};
}

// Pauses scaled down from production's, so that no test waits for more than a second of them.
inline sources::ReflectorTiming quick_timing() {
  sources::ReflectorTiming timing;
  timing.not_installed_recheck = std::chrono::milliseconds(200);
  timing.backoff_first = std::chrono::milliseconds(10);
  timing.backoff_cap = std::chrono::milliseconds(200);
  timing.settle = std::chrono::milliseconds(50);
  return timing;
}

class KubernetesReader {
 public:
  KubernetesReader(config::Kubernetes settings, sources::ProcessEnvironment environment,
                   sources::ReflectorTiming timing = quick_timing())
      : resolver_(loop_),
        http_(loop_, resolver_),
        log_(LogLevel::kDebug, LogFormat::kLogfmt,
             [this](std::string_view line) { lines_.emplace_back(line); }),
        changed_(loop_),
        source_(std::make_unique<sources::KubernetesSource>(
            sources::SourceContext{loop_, resolver_, http_, clock_, log_}, std::move(settings),
            [this](std::shared_ptr<const model::KubernetesSlice> slice) {
              slice_ = std::move(slice);
              ++published_;
              changed_.notify_all();
            },
            timing, std::move(environment))) {
    scope_.spawn(source_->run());
  }

  // Runs until the newest slice is as wanted. False if that does not happen within the time.
  using Wanted = std::function<bool(const model::KubernetesSlice&)>;
  [[nodiscard]] bool until(Wanted wanted, Duration within = std::chrono::seconds(20)) {
    const bool found = loop_.block_on(wait(std::move(wanted), loop_.after(within)));
    scope_.rethrow_failure();
    return found;
  }
  // Runs for that long, whatever is published.
  void run_for(Duration time) {
    (void)until([](const auto&) { return false; }, time);
  }

  [[nodiscard]] const model::KubernetesSlice& slice() const { return *slice_; }
  [[nodiscard]] std::shared_ptr<const model::KubernetesSlice> shared_slice() const {
    return slice_;
  }
  [[nodiscard]] int published() const { return published_; }
  [[nodiscard]] const model::SourceReport& report(std::string_view target) const {
    static const model::SourceReport kNone;
    for (const auto& report : slice_->reports) {
      if (report.target == target) return report;
    }
    return kNone;
  }
  [[nodiscard]] std::string log() const {
    std::string all;
    for (const std::string& line : lines_) all += line + "\n";
    return all;
  }
  [[nodiscard]] EventLoop& loop() { return loop_; }

 private:
  Task<bool> wait(Wanted wanted, SteadyTime deadline) {
    for (;;) {
      if (slice_ && wanted(*slice_)) co_return true;
      const bool notified = co_await changed_.wait_until(deadline);
      if (!notified) co_return false;
    }
  }

  EventLoop loop_;
  Resolver resolver_;
  HttpClient http_;
  SystemClock clock_;
  std::vector<std::string> lines_;
  Logger log_;
  Signal changed_;
  std::shared_ptr<const model::KubernetesSlice> slice_;
  int published_ = 0;
  std::unique_ptr<sources::KubernetesSource> source_;
  TaskScope scope_;  // after the source: ends first
};

}  // namespace keelwatch::testing
