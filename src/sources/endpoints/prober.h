// One probe of one address, as a client would use it: resolve, connect, TLS, startup, login, query,
// each timed and each failing for itself. Every step has a deadline of its own, so a probe ends
// after a few of them whatever hangs. Threads: the loop's. Destroying the task closes what it
// opened.
#pragma once

#include <memory>
#include <string>

#include "base/pg_client.h"
#include "discovery/endpoints.h"
#include "model/endpoint.h"
#include "sources/endpoints/relay.h"
#include "sources/source.h"

namespace keelwatch::sources {

// With kind postgres a session is opened at the first address that gives one and closed at once:
// behind PgBouncer it holds one of the pool's connections. Of the other addresses only whether they
// can be connected to.
[[nodiscard]] Task<model::ProbeResult> probe(SourceContext context,
                                             discovery::EndpointTarget target);

// A session with what it goes through, in the order in which they are taken down.
struct ProbeSession {
  std::unique_ptr<Relay> relay;  // null without a proxy
  std::unique_ptr<PgConnection> conn;
};

// A session with one address, each step noted in `probe`, which must outlive the task. Null: the
// last step of it says why.
[[nodiscard]] Task<ProbeSession> open_session(SourceContext context,
                                              discovery::EndpointTarget target,
                                              model::AddressProbe& probe);

}  // namespace keelwatch::sources
