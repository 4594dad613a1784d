// One session to an address that is held for long and asked a trifle now and then. When what
// carries old sessions is replaced without a word (a proxy, a NAT entry, a node), it stays open on
// our side and never answers again, while probes pass: that is counted as a silent death. An outage
// of the whole way is not: the question is left with the kernel, which sends it again.
//
// It must not prolong an outage: told that the server shuts down, or that nobody listens there any
// more, it leaves.
// Threads: the loop's. Destroying it ends the session.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/resolver.h"
#include "base/task.h"
#include "discovery/endpoints.h"
#include "model/endpoint.h"
#include "sources/source.h"

namespace keelwatch::sources {

class CanarySession {
 public:
  // `changed` is called after each change of state().
  CanarySession(const SourceContext& context, discovery::EndpointTarget target,
                std::function<void()> changed);
  CanarySession(const CanarySession&) = delete;
  CanarySession& operator=(const CanarySession&) = delete;

  // A probe that began at that time ended: opens a session if there is none, or lets go of it, or
  // finds it dead.
  void probe_ended(const model::ProbeResult& result, SteadyTime began);

  [[nodiscard]] const model::Canary& state() const { return state_; }
  // Rethrows what ended its task, if anything did.
  void rethrow_failure() { scope_.rethrow_failure(); }

 private:
  Task<std::vector<IpAddress>> addresses();
  Task<> hold();
  void ended(std::string why, bool told);
  [[nodiscard]] bool is_dead(SteadyTime now) const;

  SourceContext context_;
  discovery::EndpointTarget target_;
  std::function<void()> changed_;
  model::Canary state_;
  std::optional<SteadyTime> asked_;         // a question without an answer yet
  std::optional<SteadyTime> passed_since_;  // the first probe that passed while it was silent
  TaskScope scope_;                         // last: its task uses all of the above
};

}  // namespace keelwatch::sources
