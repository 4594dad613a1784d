// One instance: a held connection, a round of statements every interval, slower ones between the
// rounds, a look into each database beside them, and what came of it.
// Between rounds the connection is watched, so that a killed server is noticed at once; facts then
// turn unknown with the reason, never the last values.
//
// The held connection must not prolong an outage: one idle session blocks a smart shutdown. It ends
// when the target is `terminating`, or when a trial connect (every probe_interval) is answered
// "shutting down"; further trials follow with the backoff, and the first that is accepted is held.
//
// Threads: the loop's. Destroying the watch, or giving it another target, ends its connections.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/pg_client.h"
#include "base/task.h"
#include "config/config.h"
#include "discovery/targets.h"
#include "model/postgres.h"
#include "sources/backoff.h"
#include "sources/postgres/database_looks.h"
#include "sources/postgres/questions.h"
#include "sources/postgres/reachability.h"
#include "sources/postgres/slow_pace.h"
#include "sources/source.h"

namespace keelwatch::sources {

// Whether a change may wait to be published together with others.
enum class Urgency { kMayWait, kNow };

class InstanceWatch {
 public:
  // `changed` is called after each change of instance() or report(), from within the watch's tasks.
  InstanceWatch(const SourceContext& context, const config::Postgres& settings,
                discovery::InstanceTarget target, std::function<void(Urgency)> changed);
  InstanceWatch(const InstanceWatch&) = delete;
  InstanceWatch& operator=(const InstanceWatch&) = delete;

  void start();
  // Starts over with another connection if the target differs; counters stay.
  void set_target(discovery::InstanceTarget target);
  // Rethrows what ended the watch, if anything did.
  void rethrow_failure() { scope_.rethrow_failure(); }

  [[nodiscard]] std::shared_ptr<const model::Instance> instance() const;
  [[nodiscard]] const model::SourceReport& report() const { return report_; }

 private:
  Task<> run();
  Task<> watch();
  Task<bool> hold(PgConnection& conn);  // true if it was of use: at least one round succeeded
  Task<bool> round(PgConnection& conn);
  Task<> probe_for_shutdown(PgConnection& conn);

  void describe_target();
  Task<bool> ask_slowly(PgConnection& conn);
  [[nodiscard]] Asked asked_at(WallTime at) const;
  void take_answers(const std::vector<PgResult<PgRows>>& answers, WallTime at, Duration took);
  void take_certificate(const std::optional<PgCertificate>& certificate);
  void looked(const std::optional<Error>& error);
  void count_received(const PgConnection& conn);
  void refused(const PgFailure& failure);
  void lost(const PgConnection& conn, const PgFailure& otherwise);
  void cannot_be_asked(model::Reachability reachability, const Error& error, Urgency urgency);
  void set_unknown(const Error& error);
  void set_absent(const Why& why);
  void failed(const Error& error);
  void set_reachability(model::Reachability reachability, std::string detail);
  void tell(Urgency urgency);

  SourceContext context_;
  const config::Postgres& settings_;
  discovery::InstanceTarget target_;
  std::function<void(Urgency)> changed_;
  std::string source_;  // as Observed names it: "postgres default/pg-1"
  model::Instance instance_;
  model::SourceReport report_;
  mutable std::shared_ptr<const model::Instance> shared_;  // copy of instance_, until it changes
  std::optional<PgFailure> let_go_;  // why probe_for_shutdown() closed the held connection
  bool was_up_ = false;              // it has answered, and its port has not been closed since
  DatabaseLooks looks_;
  std::optional<bool> may_read_stats_;  // as the last round said
  SlowPace slow_;
  std::uint64_t received_ = 0;               // bytes, over the held connection
  std::uint64_t received_before_ = 0;        // over those before it
  std::optional<SteadyTime> asked_at_once_;  // the last reconnect without a pause
  Backoff backoff_;
  TaskScope scope_;  // last: its tasks use all of the above
};

}  // namespace keelwatch::sources
