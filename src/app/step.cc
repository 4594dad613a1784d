#include "app/step.h"

#include <algorithm>
#include <utility>

#include "collectors/collector.h"

namespace keelwatch::app {

std::shared_ptr<const Moment> step(State& state, model::World world, const config::Config& config) {
  auto moment = std::make_shared<Moment>();
  moment->sequence = ++state.sequence;
  moment->slot = config.step_interval;
  moment->assessment = analysis::assess(world, config, state.analysis);
  moment->world = std::move(world);

  metrics::Writer writer(state.series, collectors::all_families());
  const collectors::Input input{moment->world, moment->assessment, config};
  for (const collectors::Collector& collector : collectors::all()) {
    collector.collect(input, writer);
  }
  moment->samples = std::move(writer).finish();
  state.series.end_step();
  return moment;
}

namespace {

// The slowest of them decides; one that fails takes a deadline for each step.
Duration endpoints_freshness(const config::Endpoints& settings) {
  constexpr int kSteps = 4;
  Duration interval = std::max(settings.interval, settings.failure_interval);
  Duration timeout = settings.timeout;
  for (const config::Endpoint& endpoint : settings.addresses) {
    if (endpoint.interval) interval = std::max(interval, *endpoint.interval);
    if (endpoint.timeout) timeout = std::max(timeout, *endpoint.timeout);
  }
  return 3 * interval + kSteps * timeout;
}

}  // namespace

model::Freshness freshness_of(const config::Config& config) {
  return {
      .kubernetes = 3 * config.kubernetes.health_interval,
      .postgres = 3 * config.postgres.interval + config.postgres.query_timeout,
      .postgres_slow = 3 * config.postgres.slow_interval,
      .postgres_databases = 3 * config.postgres.databases_interval,
      .pgbouncer = 3 * config.pgbouncer.interval + config.pgbouncer.query_timeout,
      .filesystems = 3 * config.filesystems.interval + config.filesystems.timeout,
      .scrapes = 3 * config.scrape.interval + config.scrape.timeout,
      .endpoints = endpoints_freshness(config.endpoints),
      // A pass over a large archive may take minutes, however short the interval is.
      .archives = std::max(model::Freshness().archives, 3 * config.object_stores.listing_interval +
                                                            config.object_stores.request_timeout),
      .archive_settings = 3 * config.object_stores.full_listing_interval};
}

}  // namespace keelwatch::app
