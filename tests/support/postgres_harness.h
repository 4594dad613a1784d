// Runs a PostgresSource on a loop of its own in the test's thread and keeps what it publishes.
// Failures are Catch assertions. Threads: the test's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/resolver.h"
#include "config/config.h"
#include "discovery/targets.h"
#include "model/postgres.h"
#include "sources/postgres/postgres_source.h"
#include "tests/support/postgres_server.h"

namespace keelwatch::testing {

// {"default", "pg", pod}, with the account that the server knows as keelwatch.
[[nodiscard]] discovery::InstanceTarget instance_target(const PostgresServer& server,
                                                        const std::string& pod);

class PostgresHarness {
 public:
  using Slice = std::shared_ptr<const model::PostgresSlice>;
  using Predicate = std::function<bool(const model::PostgresSlice&)>;

  explicit PostgresHarness(config::Postgres settings = quick_settings());

  // Intervals and deadlines of tenths of a second.
  static config::Postgres quick_settings();

  void watch(std::vector<discovery::InstanceTarget> targets);
  void stop() { scope_.cancel(); }  // destroys the source's task

  // Runs the loop until the newest slice satisfies `wanted`; fails the test after `limit`.
  Slice until(const Predicate& wanted, Duration limit = std::chrono::seconds(20));
  Slice until(const std::string& pod, model::Reachability reachability,
              Duration limit = std::chrono::seconds(20));
  // Runs the loop for that long; everything published in the meantime.
  std::vector<Slice> during(Duration time);

  // nullptr if the slice has no such instance.
  static const model::Instance* find(const model::PostgresSlice& slice, const std::string& pod);
  // Whether pg-2 streams from pg-1, as both say.
  static bool is_streaming(const model::PostgresSlice& slice);

  [[nodiscard]] EventLoop& loop() { return loop_; }
  [[nodiscard]] SteadyTime now() const { return loop_.now(); }
  [[nodiscard]] SteadyTime newest_at() const { return newest_at_; }
  [[nodiscard]] const std::vector<std::string>& log_lines() const { return lines_; }

 private:
  void keep(Slice slice);
  Task<> wait_until(Predicate wanted, SteadyTime deadline);
  Task<> sleep(Duration time);
  [[nodiscard]] std::string describe() const;

  EventLoop loop_;
  Resolver resolver_{loop_};
  HttpClient http_{loop_, resolver_};
  SystemClock clock_;
  std::vector<std::string> lines_;
  Logger log_;
  Signal arrived_{loop_};
  Slice newest_;
  SteadyTime newest_at_{};
  std::vector<Slice> published_;
  sources::PostgresSource source_;
  TaskScope scope_;
};

}  // namespace keelwatch::testing
