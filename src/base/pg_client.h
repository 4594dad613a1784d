// One PostgreSQL (or PgBouncer) connection as coroutines: libpq, non-blocking, on the loop. Names
// go through Resolver and libpq gets hostaddr; every step has a deadline; a connection that misses
// one is dropped, not cancelled (PQcancel opens a second, blocking connection). Threads: the
// loop's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/either.h"
#include "base/event_loop.h"
#include "base/resolver.h"
#include "base/result.h"
#include "base/secret.h"

namespace keelwatch {

struct PgTarget {
  std::string host;      // a name, an address, or a directory of unix sockets
  std::string hostaddr;  // numeric address to connect to; empty: host is resolved
  int port = 5432;
  std::string dbname = "postgres";
  std::string user;
  Secret password;
  std::string passfile;
  std::string sslmode = "verify-full";                   // libpq's words
  std::string sslrootcert;                               // file
  std::string sslcert;                                   // file
  std::string sslkey;                                    // file
  Duration statement_timeout = std::chrono::seconds(2);  // zero: not set (PgBouncer refuses it)

  bool operator==(const PgTarget&) const = default;
};

// How far a connection had come when it failed.
enum class PgPhase { kResolve, kConnect, kTls, kLogin, kStatement };

// A refused connection or statement. ErrorCode says what to do, the SQLSTATE why: "53300" too many
// connections, "57P03" starting up / shutting down (told apart only by `message`, which is in the
// server's language), "28P01" password. Empty when the failure was not the server's answer.
struct PgFailure {
  Error error;
  std::string sqlstate;
  PgPhase phase = PgPhase::kStatement;
  bool refused = false;  // nobody listens there (ECONNREFUSED)
};

// What a server showed in the TLS handshake; subject and issuer as RFC 2253 writes them.
struct PgCertificate {
  std::string subject;
  std::string issuer;
  WallTime not_before;
  WallTime not_after;
};

// When the steps of a connect ended, at the address that was tried last. What is not set was not
// reached, or is not part of it.
struct PgTrace {
  SteadyTime begun;
  std::optional<SteadyTime> connected;  // TCP
  std::optional<SteadyTime> secured;    // TLS
  std::optional<SteadyTime> answered;   // the server's first word about the startup packet
  std::optional<PgCertificate> certificate;
};

// How a trial connect went.
struct PgKnock {
  std::optional<PgFailure> failure;          // none: the server admits connections
  std::optional<PgCertificate> certificate;  // TLS came about
};

class PgRows {
 public:
  // Rows that no server sent: what the tests of a decoder feed it. Each row has a value per column.
  static PgRows of(const std::vector<std::string>& columns,
                   const std::vector<std::vector<std::optional<std::string>>>& rows);

  [[nodiscard]] std::size_t rows() const;
  [[nodiscard]] std::size_t columns() const;
  // Column index by name; nullopt if the result has no such column.
  [[nodiscard]] std::optional<std::size_t> column(std::string_view name) const;
  // Text of the value; nullopt for NULL.
  [[nodiscard]] std::optional<std::string_view> get(std::size_t row, std::size_t column) const;

  PgRows(PgRows&&) noexcept;
  PgRows& operator=(PgRows&&) noexcept;
  ~PgRows();

 private:
  friend class PgConnection;
  struct Impl;
  explicit PgRows(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// An outcome with the SQLSTATE kept (Result<T> has only Error).
template <typename T>
class [[nodiscard]] PgResult {
 public:
  PgResult(T value) : state_(std::move(value)) {}              // NOLINT: implicit
  PgResult(PgFailure failure) : state_(std::move(failure)) {}  // NOLINT: implicit
  [[nodiscard]] bool has_value() const { return state_.is_first(); }
  explicit operator bool() const { return has_value(); }
  [[nodiscard]] T& operator*() { return state_.first(); }
  [[nodiscard]] const T& operator*() const { return state_.first(); }
  [[nodiscard]] T* operator->() { return &state_.first(); }
  [[nodiscard]] const T* operator->() const { return &state_.first(); }
  [[nodiscard]] const PgFailure& failure() const { return state_.second(); }

 private:
  Either<T, PgFailure> state_;
};

// One operation at a time; the connection outlives the tasks that it hands out. A task destroyed
// before its end leaves the connection unusable, not half-read.
class PgConnection {
 public:
  // application_name=keelwatch, gssencmode=disable, client_encoding=UTF8.
  // The deadline covers resolve, connect, TLS and authentication; a name with several addresses
  // shares it between them. Errors, beside a SQLSTATE where the server gave one: kNotFound (name,
  // database), kTimeout, kUnavailable (refused, reset, TLS, 53300, 57P03), kUnauthorized (28xxx, no
  // password), kForbidden, kInvalid (settings that libpq refuses). `trace`, which must outlive the
  // task, is filled in as far as it came, also when it fails or is destroyed.
  [[nodiscard]] static Task<PgResult<std::unique_ptr<PgConnection>>> connect(
      EventLoop& loop, Resolver& resolver, PgTarget target, SteadyTime deadline,
      PgTrace* trace = nullptr);
  // Whether the server admits connections now, up to its first answer: no login, as PQping() does
  // it. Failures are those of connect(); a server that refuses behind TLS shows its certificate,
  // too.
  [[nodiscard]] static Task<PgKnock> knock(EventLoop& loop, Resolver& resolver, PgTarget target,
                                           SteadyTime deadline);
  ~PgConnection();
  PgConnection(const PgConnection&) = delete;
  PgConnection& operator=(const PgConnection&) = delete;

  // One simple-protocol statement (all that PgBouncer's console understands).
  [[nodiscard]] Task<PgResult<PgRows>> query(std::string sql, SteadyTime deadline);

  // All statements together, a Sync after each, so that a refused one does not abort the rest: one
  // outcome per statement, in order. After a broken connection the remaining ones carry it. Each is
  // prepared at its first use and kept as long as the connection: meant for a fixed set of texts,
  // and not for PgBouncer.
  [[nodiscard]] Task<std::vector<PgResult<PgRows>>> pipeline(std::vector<std::string> statements,
                                                             SteadyTime deadline);

  // Suspends while the idle connection is alive: returns true as soon as the server closes it or
  // sends something unexpected (a killed standby is seen within milliseconds), false at the
  // deadline.
  [[nodiscard]] Task<bool> wait_closed(SteadyTime deadline);

  // Lets go of the server from another coroutine: a pending wait_closed() returns true at once.
  void close();
  // Why the connection is no longer usable; nullptr while it is, or after our own close().
  [[nodiscard]] const PgFailure* closed_by() const;

  [[nodiscard]] bool usable() const;
  [[nodiscard]] const std::string& address()
      const;                                 // "10.0.0.1:5432", "[fd7a::1]:5432", "/run/x:5432"
  [[nodiscard]] int server_version() const;  // 150007 = 15.7; PgBouncer reports what it emulates
  [[nodiscard]] std::string_view parameter_status(const char* name) const;  // "" if unknown
  // nullopt: the connection uses no TLS.
  [[nodiscard]] const std::optional<PgCertificate>& certificate() const;
  // What the kernel has received for it so far, TLS included; nullopt for a unix socket.
  [[nodiscard]] std::optional<std::uint64_t> received_bytes() const;

 private:
  struct Impl;
  explicit PgConnection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelwatch
