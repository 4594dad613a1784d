// What a client finds at an address, from one vantage: whether a session comes about, how long each
// step of it takes, and which server it leads to. Facts only: whether an address is down, and which
// hop is to blame, is told by analysis.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/observed.h"
#include "model/fields.h"
#include "model/postgres_facts.h"
#include "model/source_report.h"

namespace keelwatch::model {

// The steps of a client, in their order.
enum class ProbePhase { kResolve, kConnect, kTls, kStartup, kAuth, kQuery };
[[nodiscard]] std::string_view to_string(ProbePhase phase);  // "resolve", "connect", ...
[[nodiscard]] std::optional<ProbePhase> parse_probe_phase(std::string_view text);

// Why a step failed. Each is a cause that somebody mends in another place.
enum class ProbeFault {
  kNone,
  kNameUnknown,           // resolve: no such name, or it has no address
  kDnsFailed,             // resolve: the DNS server refused, failed or cannot be reached
  kTimeout,               // nothing came before the deadline
  kRefused,               // nobody listens there
  kUnreachable,           // no route, reset, or the proxy says that it cannot get there
  kProxyFailed,           // the SOCKS5 proxy itself
  kTlsNotOffered,         // the server speaks no TLS
  kCertificateExpired,    // or not valid yet
  kCertificateName,       // it is another name's
  kCertificateUntrusted,  // not of this CA
  kTlsFailed,             // anything else in the handshake
  kHungUp,                // the peer closed the connection within a step
  kNotPostgres,           // what answers speaks another protocol
  kStartingUp,
  kShuttingDown,
  kTooManyConnections,  // of the server, the role, the database, or PgBouncer's max_client_conn
  kNoSuchDatabase,
  kAuthFailed,
  kPoolerNoServer,   // PgBouncer answers and gets no connection to its database
  kQueryFailed,      // the server refused the statement
  kLargeResultLost,  // a short answer comes and one of 8 KiB does not: MTU
  kWrongRole,        // a standby at the address for writing, a primary at the one for reading
  kHttpStatus,       // an HTTP probe got an answer that is not 2xx or 3xx
  kSettings,         // a file or a setting that libpq refuses
};
[[nodiscard]] std::string_view to_string(ProbeFault fault);  // "none", "name_unknown", ...
[[nodiscard]] std::optional<ProbeFault> parse_probe_fault(std::string_view text);

// Where on the way to the database an address stands.
enum class Hop {
  kPod,      // an instance itself
  kService,  // a ClusterIP in front of the instances
  kPooler,   // a Service in front of PgBouncer
  kTailnet,  // an address of the tailnet
  kEgress,   // a way out of Kubernetes, by a proxy of the tailnet
  kOther,    // listed by hand
};
[[nodiscard]] std::string_view to_string(Hop hop);  // "pod", "service", ...
[[nodiscard]] std::optional<Hop> parse_hop(std::string_view text);

// Stable while the address is handed out: never the IP of a Pod.
struct EndpointId {
  std::string ns;       // empty outside Kubernetes
  std::string cluster;  // the database cluster that it leads to; empty: none, or not told
  std::string address;  // "pg-rw:5432" of a Service, the Pod's name, or as listed by hand
  auto operator<=>(const EndpointId&) const = default;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("namespace", &EndpointId::ns), field("cluster", &EndpointId::cluster),
                field("address", &EndpointId::address));
  }
};

// "namespace/address"; the address alone outside Kubernetes.
[[nodiscard]] inline std::string text(const EndpointId& id) {
  return id.ns.empty() ? id.address : id.ns + "/" + id.address;
}

// A step that ended. One that was never begun is not listed.
struct PhaseResult {
  ProbePhase phase = ProbePhase::kResolve;
  Duration took{};
  ProbeFault fault = ProbeFault::kNone;
  std::string detail;  // for people; empty without a fault

  template <typename With>
  static auto fields(With&& with) {
    using P = PhaseResult;
    return with(field("phase", &P::phase), field("took", &P::took), field("fault", &P::fault),
                field("detail", &P::detail));
  }
};

// One address of the name. The first that gives a session is used, as libpq does it; of the others
// it is tried whether they can be connected to.
struct AddressProbe {
  std::string address;  // numeric; behind a proxy that resolves: the name
  bool v6 = false;
  std::vector<PhaseResult> phases;  // connect first; the last one may have a fault
  std::optional<WallTime> certificate_expires;

  [[nodiscard]] const PhaseResult* fault() const {
    return !phases.empty() && phases.back().fault != ProbeFault::kNone ? &phases.back() : nullptr;
  }

  template <typename With>
  static auto fields(With&& with) {
    using A = AddressProbe;
    return with(field("address", &A::address), field("v6", &A::v6), field("phases", &A::phases),
                field("certificateExpires", &A::certificate_expires));
  }
};

// What the server behind the address says of itself, all by one statement.
struct ProbeAnswer {
  bool in_recovery = false;
  bool read_only = false;      // transaction_read_only
  std::string server_address;  // inet_server_addr() and its port: of the instance, behind poolers
  std::string system_identifier;  // empty: the role may not ask
  std::optional<std::int64_t> timeline;
  std::optional<Lsn> position;  // written, or in recovery replayed

  template <typename With>
  static auto fields(With&& with) {
    using A = ProbeAnswer;
    return with(field("inRecovery", &A::in_recovery), field("readOnly", &A::read_only),
                field("serverAddress", &A::server_address),
                field("systemIdentifier", &A::system_identifier), field("timeline", &A::timeline),
                field("position", &A::position));
  }
};

// One probe from its first step to its last.
struct ProbeResult {
  WallTime began;
  Duration took{};
  // The whole probe: passed without a fault, else by the last address that was tried.
  ProbePhase phase = ProbePhase::kQuery;
  ProbeFault fault = ProbeFault::kNone;
  std::string detail;
  PhaseResult resolve;
  std::vector<AddressProbe> addresses;  // in the order in which clients try them
  std::string used;                     // the address that gave a session; empty: none did
  std::optional<ProbeAnswer> answer;

  [[nodiscard]] bool passed() const { return fault == ProbeFault::kNone; }

  template <typename With>
  static auto fields(With&& with) {
    using R = ProbeResult;
    return with(field("began", &R::began), field("took", &R::took), field("phase", &R::phase),
                field("fault", &R::fault), field("detail", &R::detail),
                field("resolve", &R::resolve), field("addresses", &R::addresses),
                field("used", &R::used), field("answer", &R::answer));
  }
};

// A session that is held for long: old sessions may die without a word when what carries them is
// replaced, while new ones come about.
struct Canary {
  std::optional<WallTime> since;         // the session that is held now; absent: none
  std::string address;                   // its
  std::int64_t silent_deaths = 0;        // since the source began
  std::optional<WallTime> last_silence;  // when one was found dead
  Duration last_lived{};                 // how long that one had lived
  std::int64_t told_ends = 0;            // ended by the other side, which said so
  std::string last_end;                  // why the last one ended, whichever way

  template <typename With>
  static auto fields(With&& with) {
    using C = Canary;
    return with(field("since", &C::since), field("address", &C::address),
                field("silentDeaths", &C::silent_deaths), field("lastSilence", &C::last_silence),
                field("lastLived", &C::last_lived), field("toldEnds", &C::told_ends),
                field("lastEnd", &C::last_end));
  }
};

struct EndpointProbe {
  EndpointId id;
  std::string vantage;  // from where it is probed
  Hop hop = Hop::kOther;
  std::string role;  // rw, ro: what must be found there; empty: whatever is there
  std::string kind;  // postgres, tcp, tls, http
  std::int64_t port = 0;
  bool discovered = false;
  std::int64_t probes = 0;               // finished since the source began
  std::optional<WallTime> last_success;  // since then; absent: never
  Observed<ProbeResult> last;            // the newest probe that ended
  Observed<Canary> canary;               // not set up: none is wanted

  template <typename With>
  static auto fields(With&& with) {
    using E = EndpointProbe;
    return with(field("id", &E::id), field("vantage", &E::vantage), field("hop", &E::hop),
                field("role", &E::role), field("kind", &E::kind), field("port", &E::port),
                field("discovered", &E::discovered), field("probes", &E::probes),
                field("lastSuccess", &E::last_success), field("last", &E::last),
                field("canary", &E::canary));
  }
};

// What the endpoints source publishes, sorted by id.
struct ProbeSlice {
  std::vector<std::shared_ptr<const EndpointProbe>> endpoints;
  std::vector<SourceReport> reports;  // one: target = the vantage

  template <typename With>
  static auto fields(With&& with) {
    return with(field("endpoints", &ProbeSlice::endpoints), field("reports", &ProbeSlice::reports));
  }
};

}  // namespace keelwatch::model
