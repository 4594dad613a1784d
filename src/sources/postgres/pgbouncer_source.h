// Watches every PgBouncer process for itself, each judged by its own answer: one that hangs costs
// only its own facts. Threads: the loop's. run() holds the connections: destroying its task ends
// them.
#pragma once

#include <map>
#include <memory>

#include "base/task.h"
#include "config/config.h"
#include "discovery/poolers.h"
#include "model/pgbouncer.h"
#include "sources/coalescer.h"
#include "sources/postgres/pgbouncer_watch.h"
#include "sources/source.h"

namespace keelwatch::sources {

class PgBouncerSource {
 public:
  PgBouncerSource(SourceContext context, config::PgBouncer settings,
                  Publish<model::PgBouncerSlice> publish);
  PgBouncerSource(const PgBouncerSource&) = delete;
  PgBouncerSource& operator=(const PgBouncerSource&) = delete;

  // Publishes after every round, at most each 50 ms, but a change of reachability or of the targets
  // at once; nothing before the first set_targets(). Throws what a watch threw.
  Task<> run();

  // Connects to new targets, reconnects to changed ones, drops the rest from the slice. Not from
  // within the publish callback.
  void set_targets(discovery::PoolerTargets targets);

 private:
  void start_watches();
  [[nodiscard]] std::shared_ptr<const model::PgBouncerSlice> make_slice() const;

  SourceContext context_;
  config::PgBouncer settings_;
  Publish<model::PgBouncerSlice> publish_;
  discovery::PoolerTargets targets_;
  bool running_ = false;
  bool vantage_proven_ = false;
  Coalescer news_;
  std::map<model::PgBouncerId, std::unique_ptr<PgBouncerWatch>> watches_;  // while running
};

}  // namespace keelwatch::sources
