// One address: probed again and again, for itself, so that one that hangs delays no other. After a
// failure the next probe comes sooner or later as the settings say, so that a failover of the
// address is not taken for its end.
// Threads: the loop's. Destroying the watch, or giving it another target, ends what is under way.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>

#include "base/task.h"
#include "config/config.h"
#include "discovery/endpoints.h"
#include "model/endpoint.h"
#include "sources/endpoints/canary.h"
#include "sources/source.h"

namespace keelwatch::sources {

class EndpointWatch {
 public:
  // `changed` is called after each change of endpoint(), from within the watch's tasks.
  EndpointWatch(const SourceContext& context, const config::Endpoints& settings,
                discovery::EndpointTarget target, std::function<void()> changed);
  EndpointWatch(const EndpointWatch&) = delete;
  EndpointWatch& operator=(const EndpointWatch&) = delete;

  // Begins after a part of the interval that differs from watch to watch.
  void start();
  // Starts over if the target differs; counters and the last success stay.
  void set_target(discovery::EndpointTarget target);
  // Rethrows what ended the watch, if anything did.
  void rethrow_failure();

  [[nodiscard]] std::shared_ptr<const model::EndpointProbe> endpoint() const;
  [[nodiscard]] bool not_set_up() const { return !target_.not_set_up_reason.empty(); }

 private:
  Task<> run();
  void describe_target();
  void take(model::ProbeResult result);
  void log_change(const model::ProbeResult& result);
  void tell();
  [[nodiscard]] Duration spread(Duration over);

  SourceContext context_;
  const config::Endpoints& settings_;
  discovery::EndpointTarget target_;
  std::function<void()> changed_;
  model::EndpointProbe endpoint_;
  mutable std::shared_ptr<const model::EndpointProbe> shared_;  // copy of it, until it changes
  int failures_ = 0;                                            // in a row
  model::ProbeFault logged_ = model::ProbeFault::kNone;
  std::minstd_rand random_;
  std::unique_ptr<CanarySession> canary_;
  TaskScope scope_;  // last: its task uses all of the above
};

}  // namespace keelwatch::sources
