#include "base/pg_connect.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace keelwatch {
namespace {

std::string_view or_empty(const char* text) { return text ? std::string_view(text) : ""; }

// libpq 15 keeps no result of a refused connection, only a text, and the server's part of it may be
// in any language. But with verbose errors libpq itself writes "SEVERITY:  SQLSTATE: message" with
// the code of the ErrorResponse's 'C' field, so two blanks and five characters are found in all of
// them. With sslmode=prefer there may be several refusals: the last one counts.
struct Refusal {
  std::string sqlstate;
  std::string message;
};

Refusal parse_refusal(std::string_view text) {
  constexpr std::size_t kCodeLength = 5;
  const auto is_code = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); };
  for (auto at = text.rfind(":  "); at != std::string_view::npos && at > 0;
       at = text.rfind(":  ", at - 1)) {
    const std::string_view rest = text.substr(at + 3);
    const std::string_view code = rest.substr(0, kCodeLength);
    if (code.size() == kCodeLength && std::ranges::all_of(code, is_code) &&
        rest.substr(kCodeLength).starts_with(": ")) {
      return {std::string(code), pg_one_line(rest.substr(kCodeLength + 2))};
    }
  }
  return {"", pg_one_line(text)};
}

PgPhase phase_of(ConnStatusType status) {
  switch (status) {
    case CONNECTION_SSL_STARTUP:
      return PgPhase::kTls;
    case CONNECTION_AWAITING_RESPONSE:
    case CONNECTION_AUTH_OK:
    case CONNECTION_CHECK_WRITABLE:
    case CONNECTION_CHECK_STANDBY:
    case CONNECTION_CHECK_TARGET:
      return PgPhase::kLogin;
    default:
      return PgPhase::kConnect;
  }
}

std::string_view doing(PgPhase phase) {
  switch (phase) {
    case PgPhase::kResolve:
      return "resolve";
    case PgPhase::kConnect:
      return "connect";
    case PgPhase::kTls:
      return "TLS";
    case PgPhase::kLogin:
      return "log in";
    case PgPhase::kStatement:
      return "statement";
  }
  return "";
}

// The peer has hung up or reset the connection and left nothing to read.
bool hung_up(int socket) {
  char byte = 0;
  const auto n = recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

// ECONNREFUSED, which libpq keeps only as a text.
bool is_refused(std::string_view message) {
  return message.find(std::strerror(ECONNREFUSED)) != std::string_view::npos;
}

// `phase` and `gone` are of before the poll that failed. Without a SQLSTATE the text is libpq's
// own, which is English: this program never sets a locale.
PgFailure connect_failure(PGconn* conn, PgPhase phase, bool gone) {
  const Refusal refusal = parse_refusal(or_empty(PQerrorMessage(conn)));
  if (!refusal.sqlstate.empty()) {
    return {Error(pg_error_code(refusal.sqlstate), refusal.message), refusal.sqlstate,
            PgPhase::kLogin};
  }
  ErrorCode code = ErrorCode::kUnavailable;
  if (gone) {
    phase = std::min(phase, PgPhase::kConnect);
  } else if (phase == PgPhase::kLogin && PQconnectionNeedsPassword(conn)) {
    code = ErrorCode::kUnauthorized;
  } else if (phase == PgPhase::kLogin && refusal.message.find("SSL error") != std::string::npos) {
    phase =
        PgPhase::kTls;  // TLS 1.3: the refusal of a client certificate comes after the handshake
  }
  return {Error(code, refusal.message), "", phase, is_refused(refusal.message)};
}

bool is_numeric(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  return inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

bool is_socket_directory(const PgTarget& target) { return target.host.starts_with('/'); }

std::string address_text(const PgTarget& target, const std::string& hostaddr) {
  const std::string& host = hostaddr.empty() ? target.host : hostaddr;
  const std::string port = ":" + std::to_string(target.port);
  return host.find(':') == std::string::npos ? host + port : "[" + host + "]" + port;
}

// libpq leaves out parameters with an empty value.
PgHandle start_connection(const PgTarget& target, const std::string& hostaddr) {
  const std::string port = std::to_string(target.port);
  std::string options;
  if (target.statement_timeout > Duration::zero()) {
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(target.statement_timeout).count();
    options = "-c statement_timeout=" + std::to_string(ms);
  }
  const std::array<std::pair<const char*, const char*>, 15> parameters{{
      {"host", target.host.c_str()},
      {"hostaddr", hostaddr.c_str()},
      {"port", port.c_str()},
      {"dbname", target.dbname.c_str()},
      {"user", target.user.c_str()},
      {"password", target.password.reveal().c_str()},
      {"passfile", target.passfile.c_str()},
      {"sslmode", target.sslmode.c_str()},
      {"sslrootcert", target.sslrootcert.c_str()},
      {"sslcert", target.sslcert.c_str()},
      {"sslkey", target.sslkey.c_str()},
      {"gssencmode", "disable"},
      {"application_name", "keelwatch"},
      {"client_encoding", "UTF8"},
      {"options", options.c_str()},
  }};
  std::array<const char*, parameters.size() + 1> keywords{};
  std::array<const char*, parameters.size() + 1> values{};
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    keywords[i] = parameters[i].first;
    values[i] = parameters[i].second;
  }
  return PgHandle(PQconnectStartParams(keywords.data(), values.data(), 0));
}

void ignore_notice(void*, const PGresult*) {}

std::string name_text(const X509_NAME* name) {
  struct Free {
    void operator()(BIO* bio) const { BIO_free(bio); }
  };
  const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
  // Not XN_FLAG_RFC2253 as it is: that would escape every byte beyond ASCII.
  constexpr unsigned long kFlags =
      XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
  if (!bio || X509_NAME_print_ex(bio.get(), name, 0, kFlags) < 0) return "";
  char* text = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(std::max(length, 0L))};
}

std::optional<WallTime> time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  // A year beyond what our clock counts in (nanoseconds, until 2262) is far enough.
  constexpr std::time_t kLast = std::numeric_limits<Duration::rep>::max() / 1'000'000'000;
  return WallTime(std::chrono::seconds(std::min(timegm(&parts), kLast)));
}

// nullopt without TLS, or before its handshake has ended.
std::optional<PgCertificate> certificate_of(PGconn* conn) {
  auto* ssl = static_cast<SSL*>(PQsslStruct(conn, "OpenSSL"));
  if (ssl == nullptr) return std::nullopt;
  struct Free {
    void operator()(X509* certificate) const { X509_free(certificate); }
  };
  const std::unique_ptr<X509, Free> certificate(SSL_get1_peer_certificate(ssl));
  if (!certificate) return std::nullopt;
  const std::optional<WallTime> not_before = time_of(X509_get0_notBefore(certificate.get()));
  const std::optional<WallTime> not_after = time_of(X509_get0_notAfter(certificate.get()));
  if (!not_before || !not_after) return std::nullopt;
  return PgCertificate{name_text(X509_get_subject_name(certificate.get())),
                       name_text(X509_get_issuer_name(certificate.get())), *not_before, *not_after};
}

// The TLS of a connection, kept beyond the failure with which libpq lets go of it: of a certificate
// libpq says only that it was not accepted.
class Handshake {
 public:
  void hold(PGconn* conn) {
    if (ssl_) return;
    auto* ssl = static_cast<SSL*>(PQsslStruct(conn, "OpenSSL"));
    if (ssl == nullptr || SSL_up_ref(ssl) != 1) return;
    ssl_.reset(ssl);
  }
  // Whether libpq made the TLS and lost it in one step, so that what is wrong was not to be seen:
  // on a loaded machine the answer of a near server is there at once.
  [[nodiscard]] bool missed(const PgFailure& failure) const {
    return !ssl_ && failure.phase == PgPhase::kTls &&
           failure.error.message().find("certificate verify failed") != std::string::npos;
  }
  // The failure with what is wrong with the certificate, if anything is.
  [[nodiscard]] PgFailure explain(PgFailure failure) const {
    const long verdict = ssl_ ? SSL_get_verify_result(ssl_.get()) : X509_V_OK;
    if (failure.phase != PgPhase::kTls || verdict == X509_V_OK) return failure;
    failure.error = Error(failure.error.code(),
                          failure.error.message() + ": " + X509_verify_cert_error_string(verdict));
    return failure;
  }

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  std::unique_ptr<SSL, Free> ssl_;
};

void note_progress(PGconn* conn, SteadyTime now, PgTrace& trace) {
  const ConnStatusType status = PQstatus(conn);
  const bool secured = PQsslInUse(conn) == 1 && status != CONNECTION_SSL_STARTUP;
  // Not the first byte: after a handshake of TLS 1.3 come session tickets.
  const bool answered = PQconnectionUsedPassword(conn) == 1 || status == CONNECTION_AUTH_OK ||
                        status == CONNECTION_OK;
  if (status != CONNECTION_STARTED && !trace.connected) trace.connected = now;
  if (secured && !trace.secured) trace.secured = now;
  if (answered && !trace.answered) trace.answered = now;
}

Task<PgResult<PgHandle>> connect_once(EventLoop& loop, const PgTarget& target,
                                      const std::string& hostaddr, PgGoal goal, SteadyTime deadline,
                                      PgTrace& trace, Handshake& handshake) {
  trace = PgTrace{};
  trace.begun = loop.now();
  PgHandle conn = start_connection(target, hostaddr);
  if (!conn) co_return PgFailure{Error(ErrorCode::kUnavailable, "out of memory"), "", {}};
  PQsetErrorVerbosity(conn.get(), PQERRORS_VERBOSE);
  PQsetNoticeReceiver(conn.get(), ignore_notice, nullptr);
  if (PQstatus(conn.get()) == CONNECTION_BAD) {
    PgFailure failure = connect_failure(conn.get(), PgPhase::kConnect, false);
    // Without a socket libpq has not come to the network: it refuses a setting.
    if (PQsocket(conn.get()) < 0 && !is_socket_directory(target)) {
      failure.error = Error(ErrorCode::kInvalid, failure.error.message());
    }
    co_return failure;
  }
  PostgresPollingStatusType next = PGRES_POLLING_WRITING;
  while (next != PGRES_POLLING_OK) {
    const PgPhase phase = phase_of(PQstatus(conn.get()));
    const int socket = PQsocket(conn.get());  // a fallback of sslmode opens another one
    const Interest interest = next == PGRES_POLLING_READING ? Interest::kRead : Interest::kWrite;
    const Interest ready = co_await loop.wait_fd(socket, interest, deadline);
    if (ready == Interest::kNone) {
      co_return PgFailure{Error(ErrorCode::kTimeout, "no answer").context(doing(phase)), "", phase};
    }
    const bool gone = next == PGRES_POLLING_READING && hung_up(socket);
    // Before the poll: libpq lets go of it with a refusal.
    if (phase == PgPhase::kTls) handshake.hold(conn.get());
    if (phase == PgPhase::kLogin && !trace.certificate) {
      trace.certificate = certificate_of(conn.get());
    }
    next = PQconnectPoll(conn.get());
    if (next == PGRES_POLLING_FAILED) {
      co_return handshake.explain(connect_failure(conn.get(), phase, gone));
    }
    note_progress(conn.get(), loop.now(), trace);
    // The server has answered the startup packet, and not with a refusal.
    if (goal == PgGoal::kAdmission && phase == PgPhase::kLogin) break;
  }
  PQsetErrorVerbosity(conn.get(), PQERRORS_DEFAULT);
  PQsetnonblocking(conn.get(), 1);
  co_return conn;
}

// One address, up to the goal.
Task<PgResult<PgHandle>> connect_to(EventLoop& loop, PgTarget target, std::string hostaddr,
                                    PgGoal goal, SteadyTime deadline, PgTrace& trace) {
  constexpr int kTries = 3;
  for (int i = 1;; ++i) {
    Handshake handshake;
    PgResult<PgHandle> conn =
        co_await connect_once(loop, target, hostaddr, goal, deadline, trace, handshake);
    if (conn || i == kTries || !handshake.missed(conn.failure())) co_return conn;
  }
}

// The addresses to try in turn; one empty text for a unix socket.
Task<PgResult<std::vector<std::string>>> addresses_of(Resolver& resolver, PgTarget target,
                                                      SteadyTime deadline) {
  if (is_socket_directory(target)) co_return std::vector<std::string>{""};
  if (!target.hostaddr.empty()) co_return std::vector<std::string>{target.hostaddr};
  if (is_numeric(target.host)) co_return std::vector<std::string>{target.host};
  if (target.host.empty()) {
    co_return PgFailure{Error(ErrorCode::kInvalid, "no host given"), "", PgPhase::kResolve};
  }
  const Result<std::vector<IpAddress>> resolved = co_await resolver.resolve(target.host, deadline);
  if (!resolved) co_return PgFailure{resolved.error(), "", PgPhase::kResolve};
  std::vector<std::string> addresses;
  for (const IpAddress& address : *resolved) addresses.push_back(address.text);
  co_return addresses;
}

}  // namespace

void PgFinish::operator()(pg_conn* conn) const { PQfinish(conn); }

ErrorCode pg_error_code(std::string_view sqlstate) {
  if (sqlstate == "42501") return ErrorCode::kForbidden;  // insufficient_privilege
  if (sqlstate == "57014") return ErrorCode::kTimeout;    // query_canceled: statement_timeout
  if (sqlstate == "3D000") return ErrorCode::kNotFound;   // no such database
  const std::string_view error_class = sqlstate.substr(0, 2);
  if (error_class == "28") return ErrorCode::kUnauthorized;
  if (error_class == "42" || error_class == "0A") return ErrorCode::kUnsupported;
  return ErrorCode::kUnavailable;
}

std::string pg_one_line(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    part.remove_prefix(std::min(part.find_first_not_of(" \t"), part.size()));  // its hints
    if (part.empty() || part.starts_with("LOCATION:")) continue;
    if (!line.empty()) line += "; ";
    line += part;
  }
  return line;
}

Task<PgResult<PgOpened>> pg_open(EventLoop& loop, Resolver& resolver, PgTarget target, PgGoal goal,
                                 SteadyTime deadline, PgTrace& trace) {
  const PgResult<std::vector<std::string>> addresses =
      co_await addresses_of(resolver, target, deadline);
  if (!addresses) co_return addresses.failure();
  std::optional<PgFailure> failure;
  std::size_t left = addresses->size();
  for (const std::string& hostaddr : *addresses) {
    const SteadyTime now = loop.now();
    const SteadyTime share = now + (deadline - now) / static_cast<Duration::rep>(left--);
    PgResult<PgHandle> conn = co_await connect_to(loop, target, hostaddr, goal, share, trace);
    if (conn) co_return PgOpened{std::move(*conn), address_text(target, hostaddr)};
    failure = conn.failure();
    // A server that answered would say the same at its other addresses, or is another server.
    if (!failure->sqlstate.empty()) break;
  }
  if (!failure) {
    failure = PgFailure{Error(ErrorCode::kNotFound, "no address"), "", PgPhase::kResolve};
  }
  co_return *std::move(failure);
}

}  // namespace keelwatch
