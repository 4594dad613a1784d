// Synchronous replication: how many standbys a commit waits for, how many there are, and who waits.
// Facts: PostgreSQL manual, 20.6.1 (synchronous_standby_names); CNPG docs/src/replication.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "analysis/topology.h"
#include "base/observed.h"

namespace keelwatch::analysis {

struct SyncReplication {
  // Standbys that each commit waits for, by the primary's synchronous_standby_names; 0: none.
  Observed<std::int64_t> required;
  // Standbys with sync_state sync or quorum that stream.
  Observed<std::int64_t> present;
  // What the Cluster asks for (spec.postgresql.synchronous.number, or minSyncReplicas); 0: nothing.
  // More than `required`: the operator gave durability up so that writes go on (dataDurability
  // preferred, or the self-healing of minSyncReplicas).
  Observed<std::int64_t> declared;
  Observed<std::int64_t> waiting_sessions;  // in SyncRep
  Observed<std::optional<Duration>> longest_wait;
};

// How many standbys the setting asks for: "", "a, b", "2 (a, b)", "FIRST 2 (a, b)", "ANY 2 (a, b)".
// nullopt: it is none of these.
[[nodiscard]] std::optional<std::int64_t> required_standbys(std::string_view names);

[[nodiscard]] SyncReplication assess_sync(const ClusterTopology& cluster, WallTime now);

}  // namespace keelwatch::analysis
