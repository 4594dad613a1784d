// Watches every PostgreSQL instance for itself: one held connection each, one pipelined round of
// statements per interval, judged by its own answer. A frozen instance costs only its own facts.
// Threads: the loop's. run() holds the connections: destroying its task ends them.
#pragma once

#include <map>
#include <memory>

#include "base/event_loop.h"
#include "base/task.h"
#include "config/config.h"
#include "discovery/targets.h"
#include "model/postgres.h"
#include "sources/postgres/instance_watch.h"
#include "sources/source.h"

namespace keelwatch::sources {

class PostgresSource {
 public:
  PostgresSource(SourceContext context, config::Postgres settings,
                 Publish<model::PostgresSlice> publish);
  PostgresSource(const PostgresSource&) = delete;
  PostgresSource& operator=(const PostgresSource&) = delete;

  // Publishes after every round, at most each 50 ms, but a change of reachability or of the targets
  // at once; nothing before the first set_targets(). Throws what a watch threw.
  Task<> run();

  // Connects to new targets, reconnects to changed ones, drops the rest from the slice. Not from
  // within the publish callback.
  void set_targets(discovery::Targets targets);

 private:
  void start_watches();
  void changed(Urgency urgency);
  [[nodiscard]] std::shared_ptr<const model::PostgresSlice> make_slice() const;

  SourceContext context_;
  config::Postgres settings_;
  Publish<model::PostgresSlice> publish_;
  discovery::Targets targets_;
  bool running_ = false;
  bool dirty_ = false;
  bool urgent_ = false;
  Signal signal_;
  std::map<model::InstanceId, std::unique_ptr<InstanceWatch>> watches_;  // while running
};

}  // namespace keelwatch::sources
