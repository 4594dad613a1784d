#include "app/source_set.h"

#include <utility>

#include "base/file.h"
#include "config/limits.h"
#include "discovery/discover.h"
#include "discovery/poolers.h"

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
  start_pgbouncer();
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
  rediscover();
}

void SourceSet::start_pgbouncer() {
  pgbouncer_.reset();
  poolers_configured_ = false;
  pgbouncer_.emplace(
      "pgbouncer", clock_, log_,
      [settings = config_->pgbouncer,
       publish = publisher(&model::Slices::pgbouncer)](sources::SourceContext context) {
        return std::make_unique<sources::PgBouncerSource>(context, settings, publish);
      });
  rediscover_poolers();
}

void SourceSet::rediscover_poolers() {
  if (!pgbouncer_) return;  // it is told when it starts
  const std::shared_ptr<const model::KubernetesSlice> slice = newest_kubernetes_.read();
  discovery::PoolerTargets poolers =
      discovery::discover_poolers(*config_, slice.get(), read_credential, poolers_);
  if (poolers_configured_ && poolers == poolers_) return;
  poolers_configured_ = true;
  poolers_ = std::move(poolers);
  pgbouncer_->configure(
      [poolers = poolers_](sources::PgBouncerSource& source) { source.set_targets(poolers); });
}

void SourceSet::rediscover() {
  rediscover_poolers();
  const std::shared_ptr<const model::KubernetesSlice> slice = newest_kubernetes_.read();
  discovery::Targets targets =
      discovery::discover(*config_, slice.get(), read_credential, targets_);
  if (configured_ && targets == targets_) return;
  configured_ = true;
  targets_ = std::move(targets);
  postgres_->configure(
      [targets = targets_](sources::PostgresSource& source) { source.set_targets(targets); });
}

void SourceSet::set_config(std::shared_ptr<const config::Config> config) {
  const std::shared_ptr<const config::Config> old = std::exchange(config_, std::move(config));
  if (old->kubernetes != config_->kubernetes) start_kubernetes();
  // A changed list of clusters or login is a matter of targets; only the pace restarts the source.
  config::Postgres pace = old->postgres;
  pace.clusters = config_->postgres.clusters;
  pace.login = config_->postgres.login;
  pace.port = config_->postgres.port;
  // Settings of how to reach a process are a matter of targets, too.
  config::PgBouncer pooler_pace = old->pgbouncer;
  pooler_pace.via = config_->pgbouncer.via;
  pooler_pace.port = config_->pgbouncer.port;
  pooler_pace.metrics_port = config_->pgbouncer.metrics_port;
  pooler_pace.login = config_->pgbouncer.login;
  pooler_pace.poolers = config_->pgbouncer.poolers;
  if (pooler_pace != config_->pgbouncer) start_pgbouncer();
  if (pace != config_->postgres) {
    start_postgres();
  } else {
    rediscover();
  }
}

}  // namespace keelwatch::app
