#include "sources/endpoints/endpoints_source.h"

#include <algorithm>
#include <set>
#include <utility>

namespace keelwatch::sources {

EndpointsSource::EndpointsSource(SourceContext context, config::Endpoints settings,
                                 Publish<model::ProbeSlice> publish)
    : context_(context),
      settings_(std::move(settings)),
      publish_(std::move(publish)),
      news_(context_.loop) {}

Task<> EndpointsSource::run() {
  // Ends the probes together with the task.
  struct Running {
    EndpointsSource& source;
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

void EndpointsSource::set_targets(discovery::EndpointTargets targets) {
  targets_ = std::move(targets);
  news_.changed(Urgency::kNow);
  if (running_) start_watches();
}

void EndpointsSource::start_watches() {
  std::set<model::EndpointId> wanted;
  for (const discovery::EndpointTarget& target : targets_.endpoints) {
    wanted.insert(target.id);
    std::unique_ptr<EndpointWatch>& watch = watches_[target.id];
    if (watch) {
      watch->set_target(target);
    } else {
      watch = std::make_unique<EndpointWatch>(context_, settings_, target,
                                              [this] { news_.changed(Urgency::kMayWait); });
      watch->start();
    }
  }
  std::erase_if(watches_, [&](const auto& entry) { return !wanted.contains(entry.first); });
}

// An address that is down is no failure of the source: it is what the source found out.
model::SourceReport EndpointsSource::report_of(const model::ProbeSlice& slice) const {
  model::SourceReport report;
  report.source = "endpoints";
  report.target = settings_.vantage;
  report.not_set_up =
      std::ranges::all_of(watches_, [](const auto& entry) { return entry.second->not_set_up(); });
  for (const auto& endpoint : slice.endpoints) {
    report.requests += static_cast<std::uint64_t>(endpoint->probes);
    const model::ProbeResult* last = endpoint->last.if_known();
    if (last == nullptr) continue;
    report.last_duration = std::max(report.last_duration, last->took);
    report.last_success = std::max(report.last_success.value_or(last->began), last->began);
  }
  report.up = report.last_success.has_value();
  report.pending = !report.up && !report.not_set_up;
  return report;
}

std::shared_ptr<const model::ProbeSlice> EndpointsSource::make_slice() const {
  auto slice = std::make_shared<model::ProbeSlice>();
  for (const auto& [id, watch] : watches_) slice->endpoints.push_back(watch->endpoint());
  if (!watches_.empty()) slice->reports.push_back(report_of(*slice));
  return slice;
}

}  // namespace keelwatch::sources
