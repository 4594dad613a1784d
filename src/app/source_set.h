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
#include "discovery/kubelets.h"
#include "discovery/scrapes.h"
#include "discovery/targets.h"
#include "model/world.h"
#include "sources/filesystem/filesystem_source.h"
#include "sources/kubernetes/kubernetes_source.h"
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

  void start_kubernetes();
  void start_postgres();
  void start_filesystems();
  void start_scrapes();
  void rediscover_instances(const model::KubernetesSlice* kubernetes);
  void rediscover_kubelets(const model::KubernetesSlice* kubernetes);
  void rediscover_scrapes(const model::KubernetesSlice* kubernetes);

  EventLoop& control_;
  const Clock& clock_;
  Logger& log_;
  std::shared_ptr<const config::Config> config_;
  Sink sink_;
  Published<model::KubernetesSlice> newest_kubernetes_;
  discovery::Targets targets_;
  bool configured_ = false;  // postgres_ has been given targets_
  std::optional<SourceThread<sources::PostgresSource>> postgres_;
  discovery::KubeletTargets kubelets_;
  bool kubelets_given_ = false;  // filesystems_ has been given kubelets_
  std::optional<SourceThread<sources::FilesystemSource>> filesystems_;
  discovery::ScrapeTargets pages_;
  bool pages_given_ = false;  // scrapes_ has been given pages_
  std::optional<SourceThread<sources::ScrapeSource>> scrapes_;
  std::optional<SourceThread<sources::KubernetesSource>> kubernetes_;
};

}  // namespace keelwatch::app
