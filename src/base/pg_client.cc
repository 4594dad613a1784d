#include "base/pg_client.h"

#include <libpq-fe.h>
#include <linux/tcp.h>  // <netinet/tcp.h> has a tcp_info that ends before the bytes
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <map>
#include <utility>

#include "base/pg_connect.h"

namespace keelwatch {
namespace {

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Answer = std::unique_ptr<PGresult, Clear>;

std::string_view or_empty(const char* text) { return text ? std::string_view(text) : ""; }

std::string_view field(const PGresult* result, int code) {
  return or_empty(PQresultErrorField(result, code));
}

// PgBouncer leaves out the field that no server translates.
bool is_fatal(const PGresult* result) {
  std::string_view severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity.empty()) severity = field(result, PG_DIAG_SEVERITY);
  return severity == "FATAL" || severity == "PANIC";
}

PgFailure result_failure(const PGresult* result) {
  const std::string sqlstate(field(result, PG_DIAG_SQLSTATE));
  std::string_view message = field(result, PG_DIAG_MESSAGE_PRIMARY);
  if (message.empty()) message = or_empty(PQresultErrorMessage(result));
  const ErrorCode code = sqlstate.empty() ? ErrorCode::kUnavailable : pg_error_code(sqlstate);
  return {Error(code, pg_one_line(message)), sqlstate, PgPhase::kStatement};
}

}  // namespace

struct PgRows::Impl {
  Answer answer;
};

PgRows::PgRows(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PgRows::PgRows(PgRows&&) noexcept = default;
PgRows& PgRows::operator=(PgRows&&) noexcept = default;
PgRows::~PgRows() = default;

PgRows PgRows::of(const std::vector<std::string>& columns,
                  const std::vector<std::vector<std::optional<std::string>>>& rows) {
  auto impl = std::make_unique<Impl>();
  impl->answer.reset(PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK));
  std::vector<std::string> names = columns;
  std::vector<PGresAttDesc> attributes;
  for (std::string& name : names) attributes.push_back({name.data(), 0, 0, 0, 0, 0, 0});
  PQsetResultAttrs(impl->answer.get(), static_cast<int>(attributes.size()), attributes.data());
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (std::size_t column = 0; column < columns.size(); ++column) {
      std::optional<std::string> value = rows[row].at(column);
      PQsetvalue(impl->answer.get(), static_cast<int>(row), static_cast<int>(column),
                 value ? value->data() : nullptr, value ? static_cast<int>(value->size()) : -1);
    }
  }
  return PgRows(std::move(impl));
}

std::size_t PgRows::rows() const {
  return static_cast<std::size_t>(PQntuples(impl_->answer.get()));
}

std::size_t PgRows::columns() const {
  return static_cast<std::size_t>(PQnfields(impl_->answer.get()));
}

std::optional<std::size_t> PgRows::column(std::string_view name) const {
  // Not PQfnumber: it folds case and takes quotes for syntax.
  for (int i = 0; i < PQnfields(impl_->answer.get()); ++i) {
    if (or_empty(PQfname(impl_->answer.get(), i)) == name) return static_cast<std::size_t>(i);
  }
  return std::nullopt;
}

std::optional<std::string_view> PgRows::get(std::size_t row, std::size_t column) const {
  if (row >= rows() || column >= columns()) return std::nullopt;
  const int r = static_cast<int>(row);
  const int c = static_cast<int>(column);
  if (PQgetisnull(impl_->answer.get(), r, c)) return std::nullopt;
  return std::string_view(PQgetvalue(impl_->answer.get(), r, c),
                          static_cast<std::size_t>(PQgetlength(impl_->answer.get(), r, c)));
}

struct PgConnection::Impl {
  Impl(EventLoop& l, PgHandle c, std::string a)
      : loop(l), conn(std::move(c)), address(std::move(a)) {
    PQsetNoticeReceiver(conn.get(), on_notice, this);
  }

  // Outside of a statement libpq takes even a FATAL error for a notice.
  static void on_notice(void* self, const PGresult* notice) {
    auto& impl = *static_cast<Impl*>(self);
    const std::string_view sqlstate = field(notice, PG_DIAG_SQLSTATE);
    // An immediate stop and a crash say their last word as a warning.
    const bool last_word = sqlstate == "57P01" || sqlstate == "57P02";
    if (!is_fatal(notice) && !last_word) return;
    impl.farewell = result_failure(notice);
    impl.ended = impl.ended || is_fatal(notice);
  }

  // What the server said before it hung up, or that it said nothing.
  PgFailure lost(std::string_view text) {
    PgFailure failure{Error(ErrorCode::kUnavailable, std::string(text)), "", PgPhase::kStatement};
    return farewell.value_or(std::move(failure));
  }

  void drop(std::optional<PgFailure> why) {
    if (!closed_by && !closing) closed_by = std::move(why);
    conn.reset();
  }

  [[nodiscard]] bool usable() const { return conn && !closing && !busy; }

  // Waits until a result can be taken without blocking.
  Task<std::optional<PgFailure>> wait_result(SteadyTime deadline);
  // All results of the one simple-protocol statement under way.
  Task<PgResult<PgRows>> take_query(SteadyTime deadline);
  // The results up to the next Sync.
  Task<PgResult<PgRows>> take_synced(SteadyTime deadline);
  PgResult<PgRows> outcome(Answer answer);
  // Queues one statement with its Sync, prepared at its first use: parsing and planning a
  // monitoring query costs the server several times what running it does.
  bool send_prepared(const std::string& sql);

  EventLoop& loop;
  PgHandle conn;  // null: dropped
  std::string address;
  std::optional<PgCertificate> certificate;
  std::optional<PgFailure> farewell;
  std::optional<PgFailure> closed_by;
  std::map<std::string, std::string> prepared;  // statement → its name on the server
  std::uint64_t prepared_count = 0;
  bool ended = false;    // a FATAL message has come
  bool closing = false;  // our own close()
  bool busy = false;     // a statement is under way
};

namespace {

// A task that is destroyed between its statements and their results leaves a connection that nobody
// can read any more.
template <typename Impl>
class Statement {
 public:
  explicit Statement(Impl& impl) : impl_(impl) { impl_.busy = true; }
  ~Statement() {
    if (!done_) impl_.drop(PgFailure{Error(ErrorCode::kCancelled, "statement abandoned"), "", {}});
    impl_.busy = false;
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  void done() { done_ = true; }

 private:
  Impl& impl_;
  bool done_ = false;
};

PgFailure not_usable(const PgFailure* closed_by) {
  if (closed_by) return *closed_by;
  return {Error(ErrorCode::kCancelled, "connection closed"), "", PgPhase::kStatement};
}

}  // namespace

Task<std::optional<PgFailure>> PgConnection::Impl::wait_result(SteadyTime deadline) {
  for (;;) {
    // A failed flush is not the end: the server's reason may be waiting to be read.
    const bool unsent = PQflush(conn.get()) == 1;
    if (!PQisBusy(conn.get())) co_return std::nullopt;
    if (PQstatus(conn.get()) == CONNECTION_BAD)
      co_return lost(pg_one_line(PQerrorMessage(conn.get())));
    const Interest interest = unsent ? Interest::kReadWrite : Interest::kRead;
    const Interest ready = co_await loop.wait_fd(PQsocket(conn.get()), interest, deadline);
    if (ready == Interest::kNone) {
      co_return PgFailure{Error(ErrorCode::kTimeout, "no answer to a statement"), "", {}};
    }
    if (ready != Interest::kWrite) PQconsumeInput(conn.get());
  }
}

bool PgConnection::Impl::send_prepared(const std::string& sql) {
  auto [entry, is_new] = prepared.try_emplace(sql);
  if (is_new) {
    entry->second = "keelwatch_" + std::to_string(++prepared_count);
    if (!PQsendPrepare(conn.get(), entry->second.c_str(), sql.c_str(), 0, nullptr)) return false;
  }
  return PQsendQueryPrepared(conn.get(), entry->second.c_str(), 0, nullptr, nullptr, nullptr, 0) &&
         PQpipelineSync(conn.get());
}

PgResult<PgRows> PgConnection::Impl::outcome(Answer answer) {
  switch (PQresultStatus(answer.get())) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY: {
      auto rows = std::make_unique<PgRows::Impl>();
      rows->answer = std::move(answer);
      return PgRows(std::move(rows));
    }
    case PGRES_FATAL_ERROR:
      if (is_fatal(answer.get())) ended = true;
      return result_failure(answer.get());
    default:
      ended = true;  // COPY and the like: not ours, and nobody would end it
      return PgFailure{Error(ErrorCode::kUnsupported, "unexpected kind of result"), "", {}};
  }
}

Task<PgResult<PgRows>> PgConnection::Impl::take_query(SteadyTime deadline) {
  std::optional<PgResult<PgRows>> last;
  for (;;) {
    std::optional<PgFailure> failure = co_await wait_result(deadline);
    if (failure) {
      drop(failure);
      co_return *std::move(failure);
    }
    Answer answer(PQgetResult(conn.get()));
    if (!answer) break;
    // What comes behind a refusal is libpq's own about a connection that is gone.
    if (!last || *last) last.emplace(outcome(std::move(answer)));
    if (ended) break;
  }
  if (!last) last.emplace(lost("connection lost"));
  if (ended || PQstatus(conn.get()) == CONNECTION_BAD) {
    drop(*last ? lost("connection lost") : last->failure());
  }
  co_return *std::move(last);
}

Task<PgResult<PgRows>> PgConnection::Impl::take_synced(SteadyTime deadline) {
  std::optional<PgResult<PgRows>> first;
  // Per statement libpq gives its result, a null and the Sync; more nulls than that mean that
  // nothing is coming any more.
  for (int nulls = 0; nulls < 3;) {
    std::optional<PgFailure> failure = co_await wait_result(deadline);
    if (failure) {
      drop(failure);
      co_return *std::move(failure);
    }
    Answer answer(PQgetResult(conn.get()));
    if (!answer) {
      ++nulls;
      continue;
    }
    if (PQresultStatus(answer.get()) == PGRES_PIPELINE_SYNC) {
      if (first) co_return *std::move(first);
      break;
    }
    // Of a preparation and its statement: the statement's, or the first refusal.
    if (!first || *first) first.emplace(outcome(std::move(answer)));
    if (ended) {
      drop(*first ? lost("connection lost") : first->failure());
      co_return *std::move(first);
    }
  }
  const PgFailure failure = lost("connection lost");
  drop(failure);
  co_return failure;
}

Task<PgResult<std::unique_ptr<PgConnection>>> PgConnection::connect(
    EventLoop& loop, Resolver& resolver, PgTarget target, SteadyTime deadline, PgTrace* trace) {
  PgTrace own;
  PgTrace& steps = trace != nullptr ? *trace : own;
  PgResult<PgOpened> opened =
      co_await pg_open(loop, resolver, std::move(target), PgGoal::kSession, deadline, steps);
  if (!opened) co_return opened.failure();
  auto impl = std::make_unique<Impl>(loop, std::move(opened->conn), std::move(opened->address));
  impl->certificate = steps.certificate;
  co_return std::unique_ptr<PgConnection>(new PgConnection(std::move(impl)));
}

Task<PgKnock> PgConnection::knock(EventLoop& loop, Resolver& resolver, PgTarget target,
                                  SteadyTime deadline) {
  PgKnock knock;
  PgTrace trace;
  const PgResult<PgOpened> opened =
      co_await pg_open(loop, resolver, std::move(target), PgGoal::kAdmission, deadline, trace);
  if (!opened) knock.failure = opened.failure();
  knock.certificate = std::move(trace.certificate);
  co_return knock;
}

PgConnection::PgConnection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PgConnection::~PgConnection() = default;

Task<PgResult<PgRows>> PgConnection::query(std::string sql, SteadyTime deadline) {
  if (!usable()) co_return not_usable(closed_by());
  Statement<Impl> statement(*impl_);
  if (!PQsendQuery(impl_->conn.get(), sql.c_str())) {
    const PgFailure failure = impl_->lost(pg_one_line(PQerrorMessage(impl_->conn.get())));
    impl_->drop(failure);
    co_return failure;
  }
  PgResult<PgRows> result = co_await impl_->take_query(deadline);
  statement.done();
  co_return result;
}

Task<std::vector<PgResult<PgRows>>> PgConnection::pipeline(std::vector<std::string> statements,
                                                           SteadyTime deadline) {
  std::vector<PgResult<PgRows>> results;
  results.reserve(statements.size());
  if (usable() && PQenterPipelineMode(impl_->conn.get())) {
    Statement<Impl> pipeline(*impl_);
    bool sent = true;
    for (const std::string& sql : statements) sent = sent && impl_->send_prepared(sql);
    while (sent && impl_->conn && results.size() < statements.size()) {
      PgResult<PgRows> result = co_await impl_->take_synced(deadline);
      // Whatever refused it (a view that was replaced: "cached plan must not change result type"),
      // the next time it is prepared anew.
      if (!result) impl_->prepared.erase(statements[results.size()]);
      results.push_back(std::move(result));
    }
    if (impl_->conn && (!sent || !PQexitPipelineMode(impl_->conn.get()))) {
      impl_->drop(impl_->lost(pg_one_line(PQerrorMessage(impl_->conn.get()))));
    }
    pipeline.done();
  }
  while (results.size() < statements.size()) results.emplace_back(not_usable(closed_by()));
  co_return results;
}

Task<bool> PgConnection::wait_closed(SteadyTime deadline) {
  for (;;) {
    if (!impl_->conn || impl_->closing) {
      impl_->drop(std::nullopt);
      co_return true;
    }
    // PQisBusy takes in what has been read: notices and parameters stay, a FATAL ends it.
    PQisBusy(impl_->conn.get());
    if (impl_->ended || PQstatus(impl_->conn.get()) == CONNECTION_BAD) {
      impl_->drop(impl_->lost("server closed the connection"));
      co_return true;
    }
    const Interest ready =
        co_await impl_->loop.wait_fd(PQsocket(impl_->conn.get()), Interest::kRead, deadline);
    if (ready == Interest::kNone) co_return false;
    if (!impl_->closing) PQconsumeInput(impl_->conn.get());
  }
}

void PgConnection::close() {
  if (!impl_->conn || impl_->closing) return;
  impl_->closing = true;
  // Wakes whoever waits for the socket, whose end then says good-bye: our side may still write.
  shutdown(PQsocket(impl_->conn.get()), SHUT_RD);
}

const PgFailure* PgConnection::closed_by() const {
  return impl_->closed_by ? &*impl_->closed_by : nullptr;
}

bool PgConnection::usable() const { return impl_->usable(); }

const std::string& PgConnection::address() const { return impl_->address; }

int PgConnection::server_version() const {
  return impl_->conn ? PQserverVersion(impl_->conn.get()) : 0;
}

const std::optional<PgCertificate>& PgConnection::certificate() const { return impl_->certificate; }

std::optional<std::uint64_t> PgConnection::received_bytes() const {
  if (!impl_->conn) return std::nullopt;
  tcp_info info{};
  socklen_t length = sizeof(info);
  const int socket = PQsocket(impl_->conn.get());
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return std::nullopt;
  constexpr auto kEnd = offsetof(tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received);
  if (length < kEnd) return std::nullopt;
  return info.tcpi_bytes_received;
}

std::string_view PgConnection::parameter_status(const char* name) const {
  return impl_->conn ? or_empty(PQparameterStatus(impl_->conn.get(), name)) : "";
}

}  // namespace keelwatch
