// Whether clients get to the databases, and if not, which hop on the way is to blame: what probes
// alone can tell. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/observed.h"
#include "config/config.h"
#include "model/world.h"

namespace keelwatch::analysis {

// What a probe's outcome means for those who use the address, as metrics and runbooks call it:
//   ok             sessions come about and lead to the right role
//   dns            its name leads nowhere
//   network        nothing answers there: no route, no grant, nobody advertises it, a dead proxy
//   refused        its host answers, and nobody listens
//   proxy          the SOCKS5 proxy on the way fails
//   tls            the certificate does not hold, or there is no TLS
//   auth           the probe's own login is refused, or its database is not there
//   full           no connection is left
//   postgres_down  PostgreSQL starts, stops, or hangs before it answers
//   no_server      PgBouncer answers and has no database behind it
//   stuck          a session comes about and no answer: paused, pool exhausted, hung
//   large_results  short answers come and long ones do not: MTU
//   wrong_role     a standby where clients write, a primary where they read
//   http           the page is not what it should be
//   settings       the probe cannot be made as it is configured, or trusts another CA
[[nodiscard]] std::string_view verdict_of(const model::ProbeResult& result);
[[nodiscard]] std::span<const std::string_view> all_verdicts();

struct AddressReach {
  std::shared_ptr<const model::EndpointProbe> probe;
  // Whether clients are served there. Unknown while a failure waits for its confirmation with
  // nothing known before, and where only the probe's own login, CA or settings fail. Not set up for
  // a discovered address that was never reached from here.
  Observed<bool> up;
  Observed<std::string> verdict;  // of the newest probe, confirmed as `up` is
  std::optional<WallTime> failing_since;
  // Where the fault is: the innermost hop that fails; none while up. dns and proxy are hops, too.
  Observed<std::string> failed_hop;
  Observed<bool> role_correct;  // not set up: no role is demanded
  // Of its name's addresses: those that cannot be connected to while another one serves.
  Observed<std::int64_t> dead_addresses;
};

// One role of one database cluster, from one vantage.
struct RoleReach {
  std::string ns;
  std::string cluster;
  std::string role;  // rw, ro
  std::string vantage;
  // Of the outermost hop that is set up: tailnet before pooler before Service.
  Observed<bool> up;
  Observed<std::string> failed_hop;
};

// What the addresses of one cluster say together.
struct ClusterReach {
  std::string ns;
  std::string cluster;
  std::string vantage;
  Observed<bool> swapped;          // rw leads to a standby and ro, of the same hop, to the primary
  Observed<bool> equal;            // rw and ro of one hop are the same address and port
  Observed<std::int64_t> systems;  // distinct system identifiers behind its addresses
};

struct ReachAssessment {
  std::vector<AddressReach> addresses;  // sorted by id
  std::vector<RoleReach> roles;         // sorted by namespace, cluster, role
  std::vector<ClusterReach> clusters;   // sorted by namespace, cluster
};

struct ReachMemory {
  struct Address {
    std::int64_t probes = 0;  // that were seen
    int failures = 0;         // in a row
    std::optional<WallTime> first_failure;
    std::optional<bool> up;  // what was last confirmed
    bool reached = false;    // something beyond its port has answered, ever
  };
  std::map<model::EndpointId, Address> addresses;
};

[[nodiscard]] ReachAssessment assess_reachability(const model::World& world,
                                                  const config::Config& config,
                                                  ReachMemory& memory);

}  // namespace keelwatch::analysis
