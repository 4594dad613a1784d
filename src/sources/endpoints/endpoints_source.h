// Probes every address for itself, at most one probe of each at a time. Threads: the loop's. run()
// holds the probes and canary sessions: destroying its task ends them.
#pragma once

#include <map>
#include <memory>

#include "base/task.h"
#include "config/config.h"
#include "discovery/endpoints.h"
#include "model/endpoint.h"
#include "sources/coalescer.h"
#include "sources/endpoints/endpoint_watch.h"
#include "sources/source.h"

namespace keelwatch::sources {

class EndpointsSource {
 public:
  EndpointsSource(SourceContext context, config::Endpoints settings,
                  Publish<model::ProbeSlice> publish);
  EndpointsSource(const EndpointsSource&) = delete;
  EndpointsSource& operator=(const EndpointsSource&) = delete;

  // Publishes after each probe, at most every 50 ms; nothing before the first set_targets(). Throws
  // what a watch threw.
  Task<> run();

  // Probes new targets, starts over with changed ones, drops the rest from the slice. Not from
  // within the publish callback.
  void set_targets(discovery::EndpointTargets targets);

 private:
  void start_watches();
  [[nodiscard]] std::shared_ptr<const model::ProbeSlice> make_slice() const;
  [[nodiscard]] model::SourceReport report_of(const model::ProbeSlice& slice) const;

  SourceContext context_;
  config::Endpoints settings_;
  Publish<model::ProbeSlice> publish_;
  discovery::EndpointTargets targets_;
  bool running_ = false;
  Coalescer news_;
  std::map<model::EndpointId, std::unique_ptr<EndpointWatch>> watches_;  // while running
};

}  // namespace keelwatch::sources
