#include "sources/endpoints/prober.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/host_port.h"
#include "base/tcp.h"
#include "config/limits.h"
#include "sources/endpoints/faults.h"
#include "sources/postgres/row.h"

namespace keelwatch::sources {
namespace {

using discovery::EndpointTarget;
using model::AddressProbe;
using model::PhaseResult;
using model::ProbeAnswer;
using model::ProbeFault;
using model::ProbePhase;
using model::ProbeResult;

// All of it by functions that every role may call, and by one statement, so that a promotion does
// not fall between two answers; through PgBouncer in any mode.
constexpr const char* kFacts =
    "select r.in_recovery"
    ", current_setting('transaction_read_only')::boolean as read_only"
    ", host(inet_server_addr()) as server_host"
    ", inet_server_port() as server_port"
    ", (select system_identifier from pg_control_system())::text as system_identifier"
    ", case when r.in_recovery then greatest(c.timeline_id,"
    " (select min_recovery_end_timeline from pg_control_recovery()))::bigint"
    " else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint"
    " end as timeline"
    ", case when r.in_recovery then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end"
    " as position"
    " from (select pg_is_in_recovery() as in_recovery offset 0) r, pg_control_checkpoint() c";

// More than any MTU carries in one packet.
constexpr const char* kLargeResult = "select repeat('keelwatch', 911)";

ProbeAnswer read_answer(Row& row) {
  ProbeAnswer answer;
  answer.in_recovery = row.flag("in_recovery");
  answer.read_only = row.flag("read_only");
  const std::string host = row.text_or_empty("server_host");
  const auto port = row.integer("server_port");
  if (!host.empty() && port) answer.server_address = host_port_text(host, static_cast<int>(*port));
  answer.system_identifier = row.text_or_empty("system_identifier");
  answer.timeline = row.integer("timeline");
  answer.position = row.lsn("position");
  return answer;
}

// Why the server is not what must be found at an address with that role; empty: it is.
std::string role_problem(const std::string& role, const ProbeAnswer& answer) {
  if (role == "rw" && answer.in_recovery) return "a standby is found, which cannot be written to";
  if (role == "rw" && answer.read_only) return "transactions are read-only here";
  if (role == "ro" && !answer.in_recovery) return "the primary is found, not a standby";
  return "";
}

bool uses_tls(const EndpointTarget& target) { return target.login.sslmode != "disable"; }

// The steps of a connect. Without a fault the last one ends at `end`.
void note_steps(AddressProbe& probe, const PgTrace& trace, SteadyTime end, bool proxied) {
  SteadyTime begin = trace.begun;
  const auto step = [&](ProbePhase phase, const std::optional<SteadyTime>& done) {
    if (!done) return;
    probe.phases.push_back({phase, *done - begin, ProbeFault::kNone, ""});
    begin = *done;
  };
  // Through a proxy the way to it was timed before.
  if (proxied) {
    begin = trace.connected.value_or(begin);
  } else {
    step(ProbePhase::kConnect, trace.connected);
  }
  step(ProbePhase::kTls, trace.secured);
  step(ProbePhase::kStartup, trace.answered);
  probe.phases.push_back({ProbePhase::kAuth, end - begin, ProbeFault::kNone, ""});
}

void note_failure(AddressProbe& probe, const PgTrace& trace, SteadyTime end, bool proxied,
                  const PgFailure& failure, bool tls) {
  const ProbePhase phase = fault_phase(failure, trace, tls);
  note_steps(probe, trace, end, proxied);
  // What came after the step that failed, or stands for it, gives way to it.
  while (!probe.phases.empty() && probe.phases.back().phase >= phase &&
         !(proxied && probe.phases.back().phase == ProbePhase::kConnect)) {
    probe.phases.pop_back();
  }
  Duration passed{};
  for (const PhaseResult& step : probe.phases) {
    if (!(proxied && step.phase == ProbePhase::kConnect)) passed += step.took;
  }
  probe.phases.push_back(
      {phase, end - trace.begun - passed, fault_of(failure, phase), failure.error.message()});
}

// Connects to an address, through the proxy if there is one, and notes that as the first step.
Task<std::optional<Descriptor>> reach(SourceContext context, const EndpointTarget& target,
                                      AddressProbe& probe) {
  EventLoop& loop = context.loop;
  const SteadyTime begun = loop.now();
  const SteadyTime deadline = begun + target.timeout;
  const auto note = [&](ProbeFault fault, std::string detail) {
    probe.phases.push_back({ProbePhase::kConnect, loop.now() - begun, fault, std::move(detail)});
  };
  if (target.socks5_host.empty()) {
    const IpAddress address{probe.address, probe.v6};
    Result<Descriptor> fd = co_await tcp_connect(loop, address, target.port, deadline);
    note(fd ? ProbeFault::kNone : connect_fault(fd.error()), fd ? "" : fd.error().message());
    if (!fd) co_return std::nullopt;
    co_return std::optional<Descriptor>(*std::move(fd));
  }
  const std::string proxy = host_port_text(target.socks5_host, target.socks5_port);
  const auto addresses = co_await context.resolver.resolve(target.socks5_host, deadline);
  if (!addresses) {
    note(ProbeFault::kProxyFailed, "proxy " + proxy + ": " + addresses.error().message());
    co_return std::nullopt;
  }
  Result<Descriptor> fd =
      co_await tcp_connect(loop, addresses->front(), target.socks5_port, deadline);
  if (!fd) {
    note(ProbeFault::kProxyFailed, "proxy " + proxy + ": " + fd.error().message());
    co_return std::nullopt;
  }
  const Result<void> reached =
      co_await socks5_connect(loop, fd->get(), probe.address, target.port, deadline);
  note(reached ? ProbeFault::kNone : proxy_fault(reached.error()),
       reached ? "" : reached.error().message());
  if (!reached) co_return std::nullopt;
  co_return std::optional<Descriptor>(*std::move(fd));
}

// True if the address is what was asked for; else the last step says why not.
Task<bool> ask(SourceContext context, const EndpointTarget& target, PgConnection& conn,
               AddressProbe& probe, ProbeResult& result) {
  EventLoop& loop = context.loop;
  const SteadyTime begun = loop.now();
  const auto note = [&](ProbeFault fault, std::string detail) {
    probe.phases.push_back({ProbePhase::kQuery, loop.now() - begun, fault, std::move(detail)});
    return fault == ProbeFault::kNone;
  };
  const PgResult<PgRows> facts = co_await conn.query(kFacts, begun + target.timeout);
  if (!facts) {
    const PgFailure& failure = facts.failure();
    co_return note(fault_of(failure, ProbePhase::kQuery), failure.error.message());
  }
  const Result<ProbeAnswer> answer = only_row<ProbeAnswer>(*facts, read_answer);
  if (!answer) co_return note(ProbeFault::kNotPostgres, answer.error().message());
  result.answer = *answer;
  if (target.large_result) {
    const PgResult<PgRows> large = co_await conn.query(kLargeResult, loop.after(target.timeout));
    if (!large && large.failure().error.code() == ErrorCode::kTimeout) {
      co_return note(ProbeFault::kLargeResultLost,
                     "a short answer came, one of 8 KiB did not: packets of full size are lost");
    }
    if (!large) {
      const PgFailure& failure = large.failure();
      co_return note(fault_of(failure, ProbePhase::kQuery), failure.error.message());
    }
  }
  const std::string problem = role_problem(target.role, *answer);
  co_return note(problem.empty() ? ProbeFault::kNone : ProbeFault::kWrongRole, problem);
}

Task<bool> probe_postgres(SourceContext context, const EndpointTarget& target, AddressProbe& probe,
                          ProbeResult& result) {
  const ProbeSession session = co_await open_session(context, target, probe);
  if (!session.conn) co_return false;
  co_return co_await ask(context, target, *session.conn, probe, result);
}

Task<bool> probe_tls(SourceContext context, const EndpointTarget& target, AddressProbe& probe) {
  const std::optional<Descriptor> fd = co_await reach(context, target, probe);
  if (!fd) co_return false;
  const SteadyTime begun = context.loop.now();
  const auto note = [&](ProbeFault fault, std::string detail) {
    probe.phases.push_back(
        {ProbePhase::kTls, context.loop.now() - begun, fault, std::move(detail)});
    return fault == ProbeFault::kNone;
  };
  std::string ca;
  if (!target.ca_file.empty()) {
    Result<std::string> text = read_file(target.ca_file, limits::kCaFileBytes);
    if (!text) co_return note(ProbeFault::kSettings, text.error().message());
    ca = *std::move(text);
  }
  const Result<TlsPeer> peer = co_await tls_handshake(context.loop, fd->get(), std::move(ca),
                                                      target.tls_name, begun + target.timeout);
  if (!peer) co_return note(tls_fault(peer.error()), peer.error().message());
  probe.certificate_expires = peer->certificate_expires;
  co_return note(ProbeFault::kNone, "");
}

// HttpClient names the step that failed at the beginning of its message.
PhaseResult http_failure(const Error& error, Duration took) {
  const std::string& message = error.message();
  if (message.starts_with("TLS")) return {ProbePhase::kTls, took, tls_fault(error), message};
  if (error.code() == ErrorCode::kInvalid) {
    return {ProbePhase::kQuery, took, ProbeFault::kSettings, message};
  }
  const ProbeFault fault =
      error.code() == ErrorCode::kTimeout ? ProbeFault::kTimeout : ProbeFault::kHungUp;
  return {ProbePhase::kQuery, took, fault, message};
}

Task<bool> probe_http(SourceContext context, const EndpointTarget& target, AddressProbe& probe) {
  {
    const std::optional<Descriptor> fd = co_await reach(context, target, probe);
    if (!fd) co_return false;
  }
  const SteadyTime begun = context.loop.now();
  HttpRequest request;
  request.url = target.url;
  request.deadline = begun + target.timeout;
  request.connect_timeout = target.timeout;
  request.max_body_bytes = limits::kProbeHttpBytes;
  request.tls.server_name = target.tls_name == target.host ? "" : target.tls_name;
  if (!target.socks5_host.empty()) {
    request.proxy_url = "socks5h://" + host_port_text(target.socks5_host, target.socks5_port);
  }
  if (!target.ca_file.empty()) {
    Result<std::string> ca = read_file(target.ca_file, limits::kCaFileBytes);
    if (!ca) {
      probe.phases.push_back({ProbePhase::kTls, {}, ProbeFault::kSettings, ca.error().message()});
      co_return false;
    }
    request.tls.ca_pem = *std::move(ca);
  }
  const Result<HttpResponse> response = co_await context.http.fetch(std::move(request));
  const Duration took = context.loop.now() - begun;
  if (!response) {
    probe.phases.push_back(http_failure(response.error(), took));
    co_return false;
  }
  constexpr int kFirstFailure = 400;
  const bool good = response->status < kFirstFailure;
  probe.phases.push_back({ProbePhase::kQuery, took,
                          good ? ProbeFault::kNone : ProbeFault::kHttpStatus,
                          good ? "" : "status " + std::to_string(response->status)});
  co_return good;
}

Task<bool> probe_kind(SourceContext context, const EndpointTarget& target, AddressProbe& probe,
                      ProbeResult& result) {
  if (target.kind == "postgres") {
    co_return co_await probe_postgres(context, target, probe, result);
  }
  if (target.kind == "tls") co_return co_await probe_tls(context, target, probe);
  if (target.kind == "http") co_return co_await probe_http(context, target, probe);
  const std::optional<Descriptor> fd = co_await reach(context, target, probe);
  co_return fd.has_value();
}

// The addresses to try; behind a proxy that is the name, which the proxy resolves.
Task<std::vector<AddressProbe>> resolve(SourceContext context, const EndpointTarget& target,
                                        PhaseResult& step) {
  std::vector<AddressProbe> addresses;
  step.phase = ProbePhase::kResolve;
  if (!target.socks5_host.empty()) {
    addresses.push_back({target.host, false, {}, {}});
    co_return addresses;
  }
  const SteadyTime begun = context.loop.now();
  const Result<std::vector<IpAddress>> resolved =
      co_await context.resolver.resolve(target.host, begun + target.timeout);
  step.took = context.loop.now() - begun;
  if (!resolved) {
    step.fault = resolve_fault(resolved.error());
    step.detail = resolved.error().message();
    co_return addresses;
  }
  for (const IpAddress& address : *resolved) {
    if (addresses.size() < limits::kAddressesOfAName) {
      addresses.push_back({address.text, address.v6, {}, {}});
    }
  }
  co_return addresses;
}

// What the whole probe says: the first address decides, unless a later one gave a session.
void conclude(ProbeResult& result) {
  if (!result.used.empty()) return;
  const PhaseResult* fault = result.resolve.fault != ProbeFault::kNone ? &result.resolve : nullptr;
  // The one that came furthest is what a client would complain of.
  for (const AddressProbe& address : result.addresses) {
    const PhaseResult* candidate = address.fault();
    if (candidate != nullptr && (fault == nullptr || candidate->phase > fault->phase)) {
      fault = candidate;
    }
  }
  if (fault == nullptr) return;
  result.phase = fault->phase;
  result.fault = fault->fault;
  result.detail = fault->detail;
}

}  // namespace

Task<ProbeSession> open_session(SourceContext context, EndpointTarget target, AddressProbe& probe) {
  EventLoop& loop = context.loop;
  ProbeSession session;
  PgTarget login = target.login;
  login.hostaddr = probe.address;
  login.port = target.port;
  const bool proxied = !target.socks5_host.empty();
  if (proxied) {
    std::optional<Descriptor> upstream = co_await reach(context, target, probe);
    if (!upstream) co_return session;
    Result<Descriptor> listener = Relay::listen_on_loopback();
    if (!listener) {
      probe.phases.back().fault = ProbeFault::kProxyFailed;
      probe.phases.back().detail = listener.error().message();
      co_return session;
    }
    session.relay = std::make_unique<Relay>(loop, *std::move(listener), *std::move(upstream));
    login.hostaddr = "127.0.0.1";
    login.port = session.relay->port();
  }
  PgTrace trace;
  trace.begun = loop.now();
  PgResult<std::unique_ptr<PgConnection>> conn = co_await PgConnection::connect(
      loop, context.resolver, std::move(login), loop.after(target.timeout), &trace);
  const SteadyTime end = loop.now();
  if (trace.certificate) probe.certificate_expires = trace.certificate->not_after;
  if (conn) {
    note_steps(probe, trace, end, proxied);
    session.conn = std::move(*conn);
  } else {
    note_failure(probe, trace, end, proxied, conn.failure(), uses_tls(target));
  }
  co_return session;
}

Task<ProbeResult> probe(SourceContext context, EndpointTarget target) {
  ProbeResult result;
  const SteadyTime begun = context.loop.now();
  result.began = context.clock.wall();
  result.addresses = co_await resolve(context, target, result.resolve);
  for (AddressProbe& address : result.addresses) {
    if (result.used.empty()) {
      const bool good = co_await probe_kind(context, target, address, result);
      if (good) result.used = address.address;
      // What a server said is said by the address, whatever the next ones lead to.
      if (!good && result.answer) break;
    } else {
      (void)co_await reach(context, target, address);
    }
  }
  result.took = context.loop.now() - begun;
  conclude(result);
  co_return result;
}

}  // namespace keelwatch::sources
