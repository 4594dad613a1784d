// A real PgBouncer of a test's own, in front of a PostgreSQL server: files in a folder under /tmp,
// on a free port of 127.0.0.1, run as the account `postgres` when the test is root (PgBouncer
// refuses root). The destructor ends it; should the test's thread die, the kernel does
// (PR_SET_PDEATHSIG). Failures throw std::runtime_error with its log.
//
// Database `app` has one server connection. Users: `keelwatch` (stats_users), `admin`
// (admin_users) and `app`, all with password kPassword.
// Threads: one at a time.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/pg_client.h"
#include "tests/support/postgres_server.h"

namespace keelwatch::testing {

class PgBouncerServer {
 public:
  static constexpr const char* kPassword = "pooler-test";

  // `settings`: further lines of the section [pgbouncer]. Accepts connections.
  explicit PgBouncerServer(const PostgresServer& server, const std::string& settings = {});
  ~PgBouncerServer();
  PgBouncerServer(const PgBouncerServer&) = delete;
  PgBouncerServer& operator=(const PgBouncerServer&) = delete;

  void start();  // after stop(); same port
  void stop();
  void freeze();  // SIGSTOP
  void thaw();

  // One command on the console, as admin.
  void command(const std::string& command);
  // psql's arguments for one statement through database `app`.
  [[nodiscard]] std::vector<std::string> client(const std::string& statement) const;

  [[nodiscard]] PgTarget console() const;  // as keelwatch
  [[nodiscard]] int port() const { return port_; }

 private:
  [[noreturn]] void fail(const std::string& what) const;

  std::string directory_;
  int port_ = 0;
  pid_t pid_ = 0;
};

}  // namespace keelwatch::testing
