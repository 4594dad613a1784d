// What a failure on the way to an address means: in which step it happened, and why.
#pragma once

#include <string>

#include "base/pg_client.h"
#include "base/result.h"
#include "model/endpoint.h"

namespace keelwatch::sources {

// Why a connection to PostgreSQL or PgBouncer did not come about, or a statement failed. `phase` is
// that of fault_phase(), or kQuery.
[[nodiscard]] model::ProbeFault fault_of(const PgFailure& failure, model::ProbePhase phase);

// Where a connect ended. `tls`: it was demanded, or at least tried.
[[nodiscard]] model::ProbePhase fault_phase(const PgFailure& failure, const PgTrace& trace,
                                            bool tls);

// Of tcp_connect(), socks5_connect(), tls_handshake(), Resolver and HttpClient.
[[nodiscard]] model::ProbeFault resolve_fault(const Error& error);
[[nodiscard]] model::ProbeFault connect_fault(const Error& error);
[[nodiscard]] model::ProbeFault proxy_fault(const Error& error);
[[nodiscard]] model::ProbeFault tls_fault(const Error& error);

}  // namespace keelwatch::sources
