// A real PostgreSQL server of a test's own: data in a folder under /tmp, on a free port of
// 127.0.0.1, run as the account `postgres` when the test is root (PostgreSQL refuses root). The
// destructor stops it and removes everything; should the test's thread die, the kernel stops it
// (PR_SET_PDEATHSIG). Failures throw std::runtime_error with the end of the server's log.
//
// Accounts: `postgres`, the superuser, by trust; `keelwatch`, password kPassword, member of
// pg_monitor; everybody else by scram-sha-256. All servers of one version are copies of one cached
// template and so have the same system identifier, unless a fresh one is asked for.
// Threads: one at a time.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/pg_client.h"

namespace keelwatch::testing {

struct PostgresOptions {
  std::string bin = "/usr/lib/postgresql/15/bin";  // readable by the account `postgres`
  std::vector<std::string> settings;               // "name=value", at every start
  std::string certificate_pem;                     // with key_pem: ssl=on
  std::string key_pem;
  bool fresh = false;  // initdb instead of the template: a system identifier of its own
};

enum class StopMode { kSmart, kFast, kImmediate };

class PostgresServer {
 public:
  static constexpr const char* kPassword = "keelwatch-test";

  // A primary that accepts connections.
  explicit PostgresServer(PostgresOptions options = {});
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // A streaming standby of this server, as CloudNativePG makes them: application_name = `name`,
  // slot
  // `_cnpg_` + name in lower case with _ for what a slot may not contain. Accepts connections; it
  // streams soon after.
  [[nodiscard]] std::unique_ptr<PostgresServer> make_standby(const std::string& name);

  void start();  // after stop() or kill9(); same port and data
  // What `pg_ctl stop -m MODE` does. request_stop() only asks; stop() throws if the server is still
  // there after `limit`.
  void request_stop(StopMode mode);
  void stop(StopMode mode = StopMode::kFast, Duration limit = std::chrono::seconds(20));
  [[nodiscard]] bool wait_stopped(Duration limit);  // true once the server has gone
  void kill9();                                     // the postmaster; its children notice
  void freeze();                                    // SIGSTOP to postmaster and children
  void thaw();
  void promote();

  // The rows of one statement as superuser, as `psql -At` prints them: a|b, one per line.
  std::string sql(const std::string& statement);

  // For the account `keelwatch` over TCP without TLS.
  [[nodiscard]] PgTarget target() const;
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] pid_t postmaster() const { return postmaster_; }  // 0: not running
  [[nodiscard]] std::string data_directory() const { return directory_ + "/data"; }
  [[nodiscard]] std::string socket_directory() const { return directory_; }
  [[nodiscard]] std::string log() const;

 private:
  struct FromBackup {};
  PostgresServer(FromBackup, PostgresOptions options);
  void make_directory();
  void launch();
  void wait_accepting();
  void remove_leftovers();

  PostgresOptions options_;
  std::string directory_;
  int port_ = 0;
  pid_t postmaster_ = 0;
  std::vector<pid_t> children_;  // of a postmaster that was killed
  bool frozen_ = false;
};

}  // namespace keelwatch::testing
