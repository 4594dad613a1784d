// One PgBouncer process: asked every interval through its admin console, over a held connection
// and by simple queries, or through the metrics page of its pod. Facts turn unknown with the
// reason when it cannot be asked, never the last values. Where SHOW STATE is not answered (before
// 1.21), a PAUSE of everything is not seen: the detail of a connected process then says so.
//
// The held connection must not prolong an outage: a PgBouncer told to shut down when its clients
// have left (1.23) takes no new ones, so a trial connect now and then tells, and the console is
// left; so it is when the target is `terminating`.
//
// Threads: the loop's. Destroying the watch, or giving it another target, ends its connection.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/pg_client.h"
#include "base/task.h"
#include "config/config.h"
#include "discovery/poolers.h"
#include "model/pgbouncer.h"
#include "sources/backoff.h"
#include "sources/postgres/instance_watch.h"
#include "sources/source.h"

namespace keelwatch::sources {

// What a failure to log in to the console, or to fetch a pooler's page, says. PgBouncer's errors
// have but one SQLSTATE (08P01; 28P01 for passwords since 1.20) and are always English.
[[nodiscard]] model::Reachability console_reachability_of(const PgFailure& failure);
[[nodiscard]] model::Reachability page_reachability_of(const Error& error);

class PgBouncerWatch {
 public:
  // `vantage_proven` is shared by all watches and outlives them: whether any metrics page that
  // discovery found was ever reached from here. `changed` is called after each change of process()
  // or report(), from within the watch's tasks.
  PgBouncerWatch(const SourceContext& context, const config::PgBouncer& settings,
                 discovery::PgBouncerTarget target, bool& vantage_proven,
                 std::function<void(Urgency)> changed);
  PgBouncerWatch(const PgBouncerWatch&) = delete;
  PgBouncerWatch& operator=(const PgBouncerWatch&) = delete;

  void start();
  // Starts over if the target differs; counters stay.
  void set_target(discovery::PgBouncerTarget target);
  // Rethrows what ended the watch, if anything did.
  void rethrow_failure() { scope_.rethrow_failure(); }

  [[nodiscard]] std::shared_ptr<const model::PgBouncer> process() const;
  [[nodiscard]] const model::SourceReport& report() const { return report_; }

 private:
  // What is known of one console connection.
  struct Session {
    bool tells_state = true;  // until it refuses SHOW STATE
    std::optional<std::int64_t> max_clients;
    SteadyTime config_due{};
    SteadyTime trial_due{};
  };

  Task<> run();
  Task<> watch_console();
  Task<bool> hold(PgConnection& conn);  // true if it was of use: at least one round succeeded
  Task<bool> round(PgConnection& conn, Session& session);
  Task<bool> shuts_down(Session& session);
  Task<PgResult<PgRows>> show(PgConnection& conn, std::string_view what);
  Task<> watch_metrics();
  Task<> look_at_metrics();
  void take_page(const HttpResponse& response, WallTime asked);

  void describe_target();
  void answered(WallTime asked);
  void refused(const PgFailure& failure);
  void lost(const PgFailure& why);
  void cannot_be_asked(model::Reachability reachability, const Error& error);
  void set_absent(const Why& why);
  void failed(const Error& error);
  void set_reachability(model::Reachability reachability, std::string detail);
  void tell(Urgency urgency);
  template <typename T>
  Observed<T> observe(const Result<T>& answer, std::string_view what, WallTime asked);

  SourceContext context_;
  const config::PgBouncer& settings_;
  discovery::PgBouncerTarget target_;
  bool& vantage_proven_;
  std::function<void(Urgency)> changed_;
  std::string source_;  // as Observed names it: "pgbouncer default/pooler-rw-5d8f"
  model::PgBouncer process_;
  model::SourceReport report_;
  mutable std::shared_ptr<const model::PgBouncer> shared_;  // copy of process_, until it changes
  Backoff backoff_;
  TaskScope scope_;  // last: its tasks use all of the above
};

}  // namespace keelwatch::sources
