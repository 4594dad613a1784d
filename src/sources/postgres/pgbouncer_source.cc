#include "sources/postgres/pgbouncer_source.h"

#include <set>
#include <utility>

namespace keelwatch::sources {

PgBouncerSource::PgBouncerSource(SourceContext context, config::PgBouncer settings,
                                 Publish<model::PgBouncerSlice> publish)
    : context_(context),
      settings_(std::move(settings)),
      publish_(std::move(publish)),
      news_(context_.loop) {}

Task<> PgBouncerSource::run() {
  // Ends the connections together with the task.
  struct Running {
    PgBouncerSource& source;
    ~Running() {
      source.running_ = false;
      source.watches_.clear();
    }
  };
  const Running running{*this};
  running_ = true;
  start_watches();
  for (;;) {
    co_await news_.due();
    for (const auto& [id, watch] : watches_) watch->rethrow_failure();
    publish_(make_slice());
  }
}

void PgBouncerSource::set_targets(discovery::PoolerTargets targets) {
  targets_ = std::move(targets);
  news_.changed(Urgency::kNow);
  if (running_) start_watches();
}

void PgBouncerSource::start_watches() {
  std::set<model::PgBouncerId> wanted;
  for (const discovery::PgBouncerTarget& target : targets_.processes) {
    wanted.insert(target.id);
    std::unique_ptr<PgBouncerWatch>& watch = watches_[target.id];
    if (watch) {
      watch->set_target(target);
    } else {
      watch = std::make_unique<PgBouncerWatch>(context_, settings_, target, vantage_proven_,
                                               [this](Urgency urgency) { news_.changed(urgency); });
      watch->start();
    }
  }
  std::erase_if(watches_, [&](const auto& entry) { return !wanted.contains(entry.first); });
}

std::shared_ptr<const model::PgBouncerSlice> PgBouncerSource::make_slice() const {
  auto slice = std::make_shared<model::PgBouncerSlice>();
  for (const auto& [id, watch] : watches_) {
    slice->instances.push_back(watch->process());
    slice->reports.push_back(watch->report());
  }
  return slice;
}

}  // namespace keelwatch::sources
