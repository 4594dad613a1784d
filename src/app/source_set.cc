#include "app/source_set.h"

#include <utility>

#include "base/file.h"
#include "config/limits.h"
#include "discovery/discover.h"

namespace keelwatch::app {
namespace {

Result<std::string> read_credential(const std::string& path) {
  return read_file(path, limits::kSecretFileBytes);
}

}  // namespace

SourceSet::SourceSet(EventLoop& control, const Clock& clock, Logger& log,
                     std::shared_ptr<const config::Config> config, Sink sink)
    : control_(control),
      clock_(clock),
      log_(log),
      config_(std::move(config)),
      sink_(std::move(sink)) {
  start_postgres();
  start_filesystems();
  start_scrapes();
  start_kubernetes();
}

SourceSet::~SourceSet() = default;

void SourceSet::start_kubernetes() {
  kubernetes_.reset();
  const auto publish = [this, to_sink = publisher(&model::Slices::kubernetes)](
                           std::shared_ptr<const model::KubernetesSlice> slice) {
    newest_kubernetes_.publish(slice);
    to_sink(std::move(slice));
    control_.post([this] { rediscover(); });
  };
  kubernetes_.emplace("kubernetes", clock_, log_,
                      [settings = config_->kubernetes, publish](sources::SourceContext context) {
                        return std::make_unique<sources::KubernetesSource>(context, settings,
                                                                           publish);
                      });
}

void SourceSet::start_postgres() {
  postgres_.reset();
  configured_ = false;
  postgres_.emplace("postgres", clock_, log_,
                    [settings = config_->postgres, publish = publisher(&model::Slices::postgres)](
                        sources::SourceContext context) {
                      return std::make_unique<sources::PostgresSource>(context, settings, publish);
                    });
  rediscover_instances(newest_kubernetes_.read().get());
}

void SourceSet::start_filesystems() {
  filesystems_.reset();
  kubelets_given_ = false;
  filesystems_.emplace(
      "filesystem", clock_, log_,
      [kubernetes = config_->kubernetes, settings = config_->filesystems,
       publish = publisher(&model::Slices::filesystems)](sources::SourceContext context) {
        return std::make_unique<sources::FilesystemSource>(context, kubernetes, settings, publish);
      });
  rediscover_kubelets(newest_kubernetes_.read().get());
}

void SourceSet::start_scrapes() {
  scrapes_.reset();
  pages_given_ = false;
  scrapes_.emplace("scrape", clock_, log_,
                   [settings = config_->scrape,
                    publish = publisher(&model::Slices::scrapes)](sources::SourceContext context) {
                     return std::make_unique<sources::ScrapeSource>(context, settings, publish);
                   });
  rediscover_scrapes(newest_kubernetes_.read().get());
}

void SourceSet::rediscover() {
  const std::shared_ptr<const model::KubernetesSlice> slice = newest_kubernetes_.read();
  rediscover_instances(slice.get());
  rediscover_kubelets(slice.get());
  rediscover_scrapes(slice.get());
}

void SourceSet::rediscover_scrapes(const model::KubernetesSlice* kubernetes) {
  if (!scrapes_) return;
  discovery::ScrapeTargets targets = discovery::discover_scrapes(*config_, kubernetes, pages_);
  if (std::exchange(pages_given_, true) && targets == pages_) return;
  pages_ = std::move(targets);
  scrapes_->configure(
      [targets = pages_](sources::ScrapeSource& source) { source.set_targets(targets); });
}

void SourceSet::rediscover_kubelets(const model::KubernetesSlice* kubernetes) {
  if (!filesystems_) return;
  discovery::KubeletTargets targets = discovery::discover_kubelets(kubernetes, kubelets_);
  if (std::exchange(kubelets_given_, true) && targets == kubelets_) return;
  kubelets_ = std::move(targets);
  filesystems_->configure(
      [targets = kubelets_](sources::FilesystemSource& source) { source.set_targets(targets); });
}

void SourceSet::rediscover_instances(const model::KubernetesSlice* kubernetes) {
  discovery::Targets targets = discovery::discover(*config_, kubernetes, read_credential, targets_);
  if (configured_ && targets == targets_) return;
  configured_ = true;
  targets_ = std::move(targets);
  postgres_->configure(
      [targets = targets_](sources::PostgresSource& source) { source.set_targets(targets); });
}

void SourceSet::set_config(std::shared_ptr<const config::Config> config) {
  const std::shared_ptr<const config::Config> old = std::exchange(config_, std::move(config));
  if (old->kubernetes != config_->kubernetes) start_kubernetes();
  if (old->kubernetes != config_->kubernetes || old->filesystems != config_->filesystems) {
    start_filesystems();
  }
  if (old->scrape != config_->scrape) start_scrapes();
  // A changed list of clusters or login is a matter of targets; only the pace restarts the source.
  config::Postgres pace = old->postgres;
  pace.clusters = config_->postgres.clusters;
  pace.login = config_->postgres.login;
  pace.port = config_->postgres.port;
  if (pace != config_->postgres) {
    start_postgres();
  } else {
    rediscover();
  }
}

}  // namespace keelwatch::app
