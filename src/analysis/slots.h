// Logical slots that are to survive a failover (`failover`, PostgreSQL 17+): each standby must hold
// a synced, valid copy, or its promotion loses the subscriber's place.
// Facts: PostgreSQL manual, 47.2.3 (Replication Slot Synchronization), 52.20
// (pg_replication_slots).
#pragma once

#include <string>
#include <vector>

#include "analysis/topology.h"
#include "base/observed.h"
#include "model/postgres.h"

namespace keelwatch::analysis {

struct FailoverSlotCopy {
  model::InstanceId standby;
  std::string slot;
  Observed<bool> ready;
  std::string reason;
};

struct FailoverSlots {
  std::vector<FailoverSlotCopy> copies;  // of each failover slot of the primary, on each standby
};

[[nodiscard]] std::vector<FailoverSlots> assess_failover_slots(
    const std::vector<ClusterTopology>& clusters);

}  // namespace keelwatch::analysis
