#include "sources/endpoints/faults.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "sources/postgres/reachability.h"

namespace keelwatch::sources {
namespace {

using model::ProbeFault;
using model::ProbePhase;

struct Sign {
  std::string_view text;
  ProbeFault fault;
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

template <std::size_t N>
ProbeFault first_sign(std::string_view text, const std::array<Sign, N>& signs,
                      ProbeFault otherwise) {
  for (const Sign& sign : signs) {
    if (contains(text, sign.text)) return sign.fault;
  }
  return otherwise;
}

// PgBouncer's errors have but one SQLSTATE and are always English (src/client.c, src/objects.c,
// src/janitor.c, src/server.c). What it passes on from its database comes first: that may speak of
// logins and shutdowns, too.
constexpr std::array<Sign, 14> kPoolerSigns = {{
    {"server login failed", ProbeFault::kPoolerNoServer},
    {"server login has been failing", ProbeFault::kPoolerNoServer},
    {"cannot connect to server", ProbeFault::kPoolerNoServer},
    {"query_wait_timeout", ProbeFault::kPoolerNoServer},
    {"server down", ProbeFault::kPoolerNoServer},
    {"no working server connection", ProbeFault::kPoolerNoServer},
    {"connect failed", ProbeFault::kPoolerNoServer},
    {"no more connections allowed", ProbeFault::kTooManyConnections},
    {"shutting down", ProbeFault::kShuttingDown},
    {"no such database", ProbeFault::kNoSuchDatabase},
    {"authentication failed", ProbeFault::kAuthFailed},
    {"no such user", ProbeFault::kAuthFailed},
    {"not allowed", ProbeFault::kAuthFailed},
    {"login rejected", ProbeFault::kAuthFailed},
}};

// libpq's words (src/interfaces/libpq/fe-secure*.c, fe-connect.c) and OpenSSL's.
constexpr std::array<Sign, 11> kTlsSigns = {{
    {"does not support SSL", ProbeFault::kTlsNotOffered},
    {"does not match host name", ProbeFault::kCertificateName},
    {"ostname mismatch", ProbeFault::kCertificateName},
    {"IP address mismatch", ProbeFault::kCertificateName},
    {"certificate has expired", ProbeFault::kCertificateExpired},
    {"not yet valid", ProbeFault::kCertificateExpired},
    {"certificate verify failed", ProbeFault::kCertificateUntrusted},
    {"TLS: certificate:", ProbeFault::kCertificateUntrusted},
    {"received invalid response to SSL negotiation", ProbeFault::kNotPostgres},
    {"root certificate file", ProbeFault::kSettings},
    {"CA file holds no certificate", ProbeFault::kSettings},
}};

bool is_refused(std::string_view message) { return contains(message, std::strerror(ECONNREFUSED)); }

ProbeFault of_sqlstate(const PgFailure& failure, ProbePhase phase) {
  const std::string_view sqlstate = failure.sqlstate;
  if (sqlstate.starts_with("08")) {
    const ProbeFault otherwise =
        phase == ProbePhase::kQuery ? ProbeFault::kQueryFailed : ProbeFault::kHungUp;
    return first_sign(failure.error.message(), kPoolerSigns, otherwise);
  }
  if (sqlstate.starts_with("28")) return ProbeFault::kAuthFailed;
  if (sqlstate == "53300") return ProbeFault::kTooManyConnections;
  if (sqlstate == "3D000") return ProbeFault::kNoSuchDatabase;
  // admin_shutdown and crash_shutdown end a session that was there.
  if (sqlstate == "57P01" || sqlstate == "57P02") return ProbeFault::kShuttingDown;
  if (sqlstate == "57P03") {
    const model::Reachability reachability = reachability_of(failure, false);
    return reachability == model::Reachability::kShuttingDown ? ProbeFault::kShuttingDown
                                                              : ProbeFault::kStartingUp;
  }
  if (phase == ProbePhase::kQuery) return ProbeFault::kQueryFailed;
  return sqlstate == "42501" ? ProbeFault::kAuthFailed : ProbeFault::kQueryFailed;
}

}  // namespace

ProbePhase fault_phase(const PgFailure& failure, const PgTrace& trace, bool tls) {
  if (failure.phase == PgPhase::kStatement) return ProbePhase::kQuery;
  if (failure.sqlstate.starts_with("28")) return ProbePhase::kAuth;
  if (!trace.connected) return ProbePhase::kConnect;
  if (failure.phase == PgPhase::kTls) return ProbePhase::kTls;
  if (tls && !trace.secured && failure.phase != PgPhase::kLogin) return ProbePhase::kTls;
  // A refused password is an answer to one.
  return trace.answered || failure.error.code() == ErrorCode::kUnauthorized ? ProbePhase::kAuth
                                                                            : ProbePhase::kStartup;
}

ProbeFault fault_of(const PgFailure& failure, ProbePhase phase) {
  if (!failure.sqlstate.empty()) return of_sqlstate(failure, phase);
  const std::string_view message = failure.error.message();
  switch (failure.error.code()) {
    case ErrorCode::kTimeout:
      return ProbeFault::kTimeout;
    case ErrorCode::kInvalid:
      return ProbeFault::kSettings;
    case ErrorCode::kUnauthorized:
      return ProbeFault::kAuthFailed;
    default:
      break;
  }
  if (failure.refused && phase == ProbePhase::kConnect) return ProbeFault::kRefused;
  if (contains(message, "expected authentication request")) return ProbeFault::kNotPostgres;
  if (phase == ProbePhase::kConnect) return ProbeFault::kUnreachable;
  if (contains(message, "closed the connection") || contains(message, std::strerror(ECONNRESET))) {
    return ProbeFault::kHungUp;
  }
  if (phase == ProbePhase::kTls) return tls_fault(failure.error);
  return ProbeFault::kHungUp;
}

ProbeFault resolve_fault(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kNotFound:
    case ErrorCode::kInvalid:
      return ProbeFault::kNameUnknown;
    case ErrorCode::kTimeout:
      return ProbeFault::kTimeout;
    default:
      return ProbeFault::kDnsFailed;
  }
}

ProbeFault connect_fault(const Error& error) {
  if (error.code() == ErrorCode::kTimeout) return ProbeFault::kTimeout;
  if (is_refused(error.message())) return ProbeFault::kRefused;
  return ProbeFault::kUnreachable;
}

ProbeFault proxy_fault(const Error& error) {
  if (error.code() == ErrorCode::kTimeout) return ProbeFault::kTimeout;
  if (!error.message().starts_with("the proxy says")) return ProbeFault::kProxyFailed;
  return is_refused(error.message()) ? ProbeFault::kRefused : ProbeFault::kUnreachable;
}

ProbeFault tls_fault(const Error& error) {
  if (error.code() == ErrorCode::kTimeout) return ProbeFault::kTimeout;
  if (contains(error.message(), "closed the connection")) return ProbeFault::kHungUp;
  return first_sign(error.message(), kTlsSigns, ProbeFault::kTlsFailed);
}

}  // namespace keelwatch::sources
