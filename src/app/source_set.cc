#include "app/source_set.h"

#include <utility>

#include "app/credentials.h"
#include "discovery/archives.h"
#include "discovery/discover.h"
#include "discovery/endpoints.h"
#include "discovery/poolers.h"

namespace keelwatch::app {
SourceSet::SourceSet(EventLoop& control, const Clock& clock, Logger& log,
                     std::shared_ptr<const config::Config> config, Sink sink)
    : control_(control),
      clock_(clock),
      log_(log),
      config_(std::move(config)),
      sink_(std::move(sink)) {
  start_postgres();
  start_pgbouncer();
  start_filesystems();
  start_scrapes();
  start_object_stores();
  start_endpoints();
  rediscover();
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

template <typename Source, typename Targets>
void SourceSet::start(Targeted<Source, Targets>& source, std::string name,
                      typename SourceThread<Source>::Make make) {
  source.thread.reset();
  source.told = false;
  source.thread.emplace(std::move(name), clock_, log_, std::move(make));
}

void SourceSet::start_postgres() {
  start(postgres_, "postgres",
        [settings = config_->postgres,
         publish = publisher(&model::Slices::postgres)](sources::SourceContext context) {
          return std::make_unique<sources::PostgresSource>(context, settings, publish);
        });
}

void SourceSet::start_pgbouncer() {
  start(pgbouncer_, "pgbouncer",
        [settings = config_->pgbouncer,
         publish = publisher(&model::Slices::pgbouncer)](sources::SourceContext context) {
          return std::make_unique<sources::PgBouncerSource>(context, settings, publish);
        });
}

void SourceSet::start_filesystems() {
  start(filesystems_, "filesystem",
        [kubernetes = config_->kubernetes, settings = config_->filesystems,
         publish = publisher(&model::Slices::filesystems)](sources::SourceContext context) {
          return std::make_unique<sources::FilesystemSource>(context, kubernetes, settings,
                                                             publish);
        });
}

void SourceSet::start_scrapes() {
  start(scrapes_, "scrape",
        [settings = config_->scrape,
         publish = publisher(&model::Slices::scrapes)](sources::SourceContext context) {
          return std::make_unique<sources::ScrapeSource>(context, settings, publish);
        });
}

void SourceSet::start_object_stores() {
  start(object_stores_, "object_store",
        [settings = config_->object_stores,
         publish = publisher(&model::Slices::archives)](sources::SourceContext context) {
          return std::make_unique<sources::ObjectStoreSource>(context, settings, publish,
                                                              sources::open_over_s3(context));
        });
}

void SourceSet::start_endpoints() {
  start(endpoints_, "endpoints",
        [settings = config_->endpoints,
         publish = publisher(&model::Slices::probes)](sources::SourceContext context) {
          return std::make_unique<sources::EndpointsSource>(context, settings, publish);
        });
}

void SourceSet::rediscover() {
  const std::shared_ptr<const model::KubernetesSlice> slice = newest_kubernetes_.read();
  postgres_.tell(discovery::discover(*config_, slice.get(), read_credential, postgres_.targets));
  pgbouncer_.tell(
      discovery::discover_poolers(*config_, slice.get(), read_credential, pgbouncer_.targets));
  filesystems_.tell(discovery::discover_kubelets(slice.get(), filesystems_.targets));
  scrapes_.tell(discovery::discover_scrapes(*config_, slice.get(), scrapes_.targets));
  object_stores_.tell(discovery::discover_archives(*config_, slice.get(), read_credential,
                                                   aws_environment(), object_stores_.targets));
  endpoints_.tell(
      discovery::discover_endpoints(*config_, slice.get(), read_credential, endpoints_.targets));
}

// A changed list of clusters or poolers, or how to reach one, is a matter of targets; only the pace
// restarts a source.
void SourceSet::set_config(std::shared_ptr<const config::Config> config) {
  const std::shared_ptr<const config::Config> old = std::exchange(config_, std::move(config));
  const bool kubernetes_changed = old->kubernetes != config_->kubernetes;
  if (kubernetes_changed || old->filesystems != config_->filesystems) start_filesystems();
  if (old->scrape != config_->scrape) start_scrapes();

  config::Postgres pace = old->postgres;
  pace.clusters = config_->postgres.clusters;
  pace.login = config_->postgres.login;
  pace.port = config_->postgres.port;
  if (pace != config_->postgres) start_postgres();

  config::PgBouncer pooler_pace = old->pgbouncer;
  pooler_pace.via = config_->pgbouncer.via;
  pooler_pace.port = config_->pgbouncer.port;
  pooler_pace.metrics_port = config_->pgbouncer.metrics_port;
  pooler_pace.login = config_->pgbouncer.login;
  pooler_pace.poolers = config_->pgbouncer.poolers;
  if (pooler_pace != config_->pgbouncer) start_pgbouncer();

  config::ObjectStores listing_pace = old->object_stores;
  listing_pace.key = config_->object_stores.key;
  listing_pace.stores = config_->object_stores.stores;
  if (listing_pace != config_->object_stores) start_object_stores();

  config::Endpoints probing = old->endpoints;
  probing.discover = config_->endpoints.discover;
  probing.login = config_->endpoints.login;
  probing.addresses = config_->endpoints.addresses;
  if (probing != config_->endpoints) start_endpoints();

  rediscover();
  if (kubernetes_changed) start_kubernetes();
}

}  // namespace keelwatch::app
