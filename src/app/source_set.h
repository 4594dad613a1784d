// All sources of the program, started, reconfigured and stopped together, and discovery between
// them: what Kubernetes says decides what the other sources watch.
//
// Threads: lives on the control loop's thread and outlives its run(); the sink is called on the
// sources' threads.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "app/source_thread.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/published.h"
#include "config/config.h"
#include "discovery/archives.h"
#include "discovery/endpoints.h"
#include "discovery/kubelets.h"
#include "discovery/poolers.h"
#include "discovery/scrapes.h"
#include "discovery/targets.h"
#include "model/world.h"
#include "sources/endpoints/endpoints_source.h"
#include "sources/filesystem/filesystem_source.h"
#include "sources/kubernetes/kubernetes_source.h"
#include "sources/object_store/object_store_source.h"
#include "sources/postgres/pgbouncer_source.h"
#include "sources/postgres/postgres_source.h"
#include "sources/scrape/scrape_source.h"

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

  // A source that is told what to watch, and what it was told last.
  template <typename Source, typename Targets>
  struct Targeted {
    Targets targets;
    bool told = false;
    std::optional<SourceThread<Source>> thread;

    void tell(Targets newer) {
      if (std::exchange(told, true) && newer == targets) return;
      targets = std::move(newer);
      thread->configure([t = targets](Source& source) { source.set_targets(t); });
    }
  };
  template <typename Source, typename Targets>
  void start(Targeted<Source, Targets>& source, std::string name,
             typename SourceThread<Source>::Make make);

  void start_kubernetes();
  void start_postgres();
  void start_pgbouncer();
  void start_filesystems();
  void start_scrapes();
  void start_object_stores();
  void start_endpoints();

  EventLoop& control_;
  const Clock& clock_;
  Logger& log_;
  std::shared_ptr<const config::Config> config_;
  Sink sink_;
  Published<model::KubernetesSlice> newest_kubernetes_;
  Targeted<sources::PostgresSource, discovery::Targets> postgres_;
  Targeted<sources::PgBouncerSource, discovery::PoolerTargets> pgbouncer_;
  Targeted<sources::FilesystemSource, discovery::KubeletTargets> filesystems_;
  Targeted<sources::ScrapeSource, discovery::ScrapeTargets> scrapes_;
  Targeted<sources::ObjectStoreSource, discovery::ArchiveTargets> object_stores_;
  Targeted<sources::EndpointsSource, discovery::EndpointTargets> endpoints_;
  std::optional<SourceThread<sources::KubernetesSource>> kubernetes_;
};

}  // namespace keelwatch::app
