#include "sources/postgres/reachability.h"

#include <string_view>

namespace keelwatch::sources {

using model::Reachability;

namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// ProcessStartupPacket() in src/backend/postmaster/postmaster.c (backend_startup.c since 17).
Reachability cannot_connect_now(std::string_view message, bool was_up) {
  if (contains(message, "shutting down")) return Reachability::kShuttingDown;
  for (const std::string_view start :
       {"starting up", "recovery mode", "not yet accepting", "not accepting"}) {
    if (contains(message, start)) return Reachability::kStartingUp;
  }
  return was_up ? Reachability::kShuttingDown : Reachability::kStartingUp;
}

}  // namespace

Reachability reachability_of(const PgFailure& failure, bool was_up) {
  const std::string_view sqlstate = failure.sqlstate;
  if (sqlstate == "57P03") return cannot_connect_now(failure.error.message(), was_up);
  if (sqlstate == "53300") return Reachability::kTooManyConnections;
  if (failure.phase == PgPhase::kResolve) return Reachability::kNameUnknown;
  switch (failure.error.code()) {
    case ErrorCode::kTimeout:
      return Reachability::kSilent;
    case ErrorCode::kUnauthorized:
    case ErrorCode::kForbidden:
    case ErrorCode::kNotFound:
      return Reachability::kAuthFailed;
    default:
      if (failure.phase == PgPhase::kTls) return Reachability::kTlsFailed;
      return failure.refused ? Reachability::kRefused : Reachability::kUnreachable;
  }
}

}  // namespace keelwatch::sources
