// All sources of the program, started, reconfigured and stopped together, and discovery between
// them: what Kubernetes says decides what the other sources watch.
//
// Threads: lives on the control loop's thread and outlives its run(); the sink is called on the
// sources' threads.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "app/source_thread.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/published.h"
#include "config/config.h"
#include "discovery/poolers.h"
#include "discovery/targets.h"
#include "model/world.h"
#include "sources/kubernetes/kubernetes_source.h"
#include "sources/postgres/pgbouncer_source.h"
#include "sources/postgres/postgres_source.h"

namespace keelwatch::app {

class SourceSet {
 public:
  // Called with what a source has just published, on that source's thread.
  using Sink = std::function<void(const model::Slices& news)>;

  SourceSet(EventLoop& control, const Clock& clock, Logger& log,
            std::shared_ptr<const config::Config> config, Sink sink);
  ~SourceSet();

  // Restarts only the sources whose section changed.
  void set_config(std::shared_ptr<const config::Config> config);

  // Computes the targets anew: a credential file changed.
  void rediscover();

 private:
  // A source's way to the sink.
  template <typename Slice>
  [[nodiscard]] sources::Publish<Slice> publisher(
      std::shared_ptr<const Slice> model::Slices::* place) const {
    return [sink = sink_, place](std::shared_ptr<const Slice> slice) {
      model::Slices news;
      news.*place = std::move(slice);
      sink(news);
    };
  }

  void start_kubernetes();
  void start_postgres();
  void start_pgbouncer();
  void rediscover_poolers();

  EventLoop& control_;
  const Clock& clock_;
  Logger& log_;
  std::shared_ptr<const config::Config> config_;
  Sink sink_;
  Published<model::KubernetesSlice> newest_kubernetes_;
  discovery::Targets targets_;
  bool configured_ = false;  // postgres_ has been given targets_
  discovery::PoolerTargets poolers_;
  bool poolers_configured_ = false;  // pgbouncer_ has been given poolers_
  std::optional<SourceThread<sources::PostgresSource>> postgres_;
  std::optional<SourceThread<sources::PgBouncerSource>> pgbouncer_;
  std::optional<SourceThread<sources::KubernetesSource>> kubernetes_;
};

}  // namespace keelwatch::app
