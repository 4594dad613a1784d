// All sources of the program, started, reconfigured and stopped together, and discovery between
// them: what Kubernetes says decides what the other sources watch.
//
// Threads: lives on the control loop's thread and outlives its run(); the sinks are called on the
// sources' threads.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "app/source_thread.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/published.h"
#include "config/config.h"
#include "discovery/targets.h"
#include "model/kubernetes.h"
#include "model/postgres.h"
#include "sources/kubernetes/kubernetes_source.h"
#include "sources/postgres/postgres_source.h"

namespace keelwatch::app {

class SourceSet {
 public:
  struct Sinks {
    sources::Publish<model::KubernetesSlice> kubernetes;
    sources::Publish<model::PostgresSlice> postgres;
  };

  SourceSet(EventLoop& control, const Clock& clock, Logger& log,
            std::shared_ptr<const config::Config> config, Sinks sinks);
  ~SourceSet();

  // Restarts only the sources whose section changed.
  void set_config(std::shared_ptr<const config::Config> config);

  // Computes the targets anew: a credential file changed.
  void rediscover();

 private:
  void start_kubernetes();
  void start_postgres();

  EventLoop& control_;
  const Clock& clock_;
  Logger& log_;
  std::shared_ptr<const config::Config> config_;
  Sinks sinks_;
  Published<model::KubernetesSlice> newest_kubernetes_;
  discovery::Targets targets_;
  bool configured_ = false;  // postgres_ has been given targets_
  std::optional<SourceThread<sources::PostgresSource>> postgres_;
  std::optional<SourceThread<sources::KubernetesSource>> kubernetes_;
};

}  // namespace keelwatch::app
