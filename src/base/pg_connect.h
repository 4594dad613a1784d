// How PgConnection comes to a server: addresses, TLS, login, and what a refusal means. Part of
// base/pg_client; no other file includes this one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/pg_client.h"

struct pg_conn;  // libpq's PGconn

namespace keelwatch {

struct PgFinish {
  void operator()(pg_conn* conn) const;
};
using PgHandle = std::unique_ptr<pg_conn, PgFinish>;

struct PgOpened {
  PgHandle conn;
  std::string address;  // "10.0.0.1:5432"
};

// How far to go: to a session, or only to the server's first answer that is not a refusal.
enum class PgGoal { kSession, kAdmission };

// As PgConnection::connect(); with kAdmission the handle is good for nothing but to be closed.
// `trace`, which must outlive the task, gets how far it came, and what the last server showed,
// refusal or not.
[[nodiscard]] Task<PgResult<PgOpened>> pg_open(EventLoop& loop, Resolver& resolver, PgTarget target,
                                               PgGoal goal, SteadyTime deadline, PgTrace& trace);

// PostgreSQL's errcodes.txt, as far as what to do differs.
[[nodiscard]] ErrorCode pg_error_code(std::string_view sqlstate);

// One line out of libpq's several; its "LOCATION:" line is of use to PostgreSQL's developers only.
[[nodiscard]] std::string pg_one_line(std::string_view text);

}  // namespace keelwatch
