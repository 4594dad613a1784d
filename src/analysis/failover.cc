#include "analysis/failover.h"

#include <algorithm>
#include <utility>

namespace keelwatch::analysis {
namespace {

using Cluster = FailoverMemory::Cluster;

// What the operator says that it is doing. It is asked before the old primary stops and while none
// is there; afterwards the words are gone.
void hear_operator(const ClusterTopology& topology, Cluster& memory) {
  if (!topology.object) return;
  const model::Cluster& object = *topology.object;
  const bool moving =
      !object.target_primary.empty() && object.target_primary != object.current_primary;
  if (object.phase == "Failing over" || object.target_primary == "pending") {
    memory.failing = true;
  } else if (object.phase == "Switchover in progress" || (moving && !memory.lost)) {
    memory.asked = true;
  } else if (!moving && !memory.lost) {
    memory.asked = memory.failing = false;
  }
}

// When the last primary ceased to be writable, at the first look that does not find it so. Whoever
// closes a connection is noticed at once; who freezes did so at some time before the next question.
void note_loss(const ClusterTopology& topology, Duration interval, WallTime now, Cluster& memory) {
  if (memory.lost || !memory.told.last_writable) return;
  const model::Instance* old = topology.find_instance(memory.told.last_primary);
  if (old != nullptr && is_writable(*old)) return;
  const WallTime seen = *memory.told.last_writable;
  const bool closed = old == nullptr || old->reachability != model::Reachability::kSilent;
  memory.lost = closed ? std::min(now, seen + interval) : seen + interval / 2;
}

void note_change(const ClusterTopology& topology, Cluster& memory) {
  const model::Instance& primary = *topology.primary;
  const WallTime seen = primary.server.observed_at();
  Changes& changes = memory.told.changes[static_cast<std::size_t>(
      memory.asked && !memory.failing ? ChangeKind::kSwitchover : ChangeKind::kFailover)];
  ++changes.count;
  changes.last = seen;
  changes.last_duration.reset();
  const auto before = memory.in_recovery.find(primary.id.pod);
  if (before == memory.in_recovery.end() || seen - before->second > kWidestLook) return;
  const WallTime writable = before->second + (seen - before->second) / 2;
  changes.last = writable;
  // While the old one is still writable nobody waits.
  changes.last_duration =
      memory.lost ? std::max(writable - *memory.lost, Duration::zero()) : Duration::zero();
}

// A promoted standby begins a later timeline. One that is writable on an earlier one is an old
// primary that came back: a split brain perhaps, and no change of the primary.
bool takes_over(const model::Instance& primary, const Cluster& memory) {
  const std::optional<std::int64_t> timeline = primary.server.known_value().timeline;
  return primary.id.pod == memory.told.last_primary || !timeline || !memory.timeline ||
         *timeline > *memory.timeline;
}

void follow(const ClusterTopology& topology, Duration interval, WallTime now, Cluster& memory) {
  note_loss(topology, interval, now, memory);
  hear_operator(topology, memory);
  if (topology.primary && takes_over(*topology.primary, memory)) {
    const std::string& name = topology.primary->id.pod;
    if (!memory.told.last_primary.empty() && memory.told.last_primary != name) {
      note_change(topology, memory);
      memory.asked = memory.failing = false;
    }
    memory.told.last_primary = name;
    memory.told.last_writable = topology.primary->server.observed_at();
    memory.timeline = topology.primary->server.known_value().timeline;
    memory.lost.reset();
  }
  for (const auto& instance : topology.instances) {
    const model::ServerFacts* server = instance->server.if_known();
    if (server != nullptr && server->in_recovery) {
      memory.in_recovery[instance->id.pod] = instance->server.observed_at();
    }
  }
  std::erase_if(memory.in_recovery,
                [&](const auto& known) { return now - known.second > kWidestLook; });
}

}  // namespace

std::vector<Failovers> follow_failovers(const std::vector<ClusterTopology>& clusters,
                                        Duration interval, FailoverMemory& memory, WallTime now) {
  std::vector<Failovers> result;
  FailoverMemory seen;
  for (const ClusterTopology& topology : clusters) {
    const std::pair key(topology.ns, topology.name);
    Cluster& own = seen.clusters[key];
    if (const auto known = memory.clusters.find(key); known != memory.clusters.end()) {
      own = std::move(known->second);
    }
    own.told.ns = topology.ns;
    own.told.cluster = topology.name;
    follow(topology, interval, now, own);
    result.push_back(own.told);
  }
  memory = std::move(seen);  // forgets clusters that are gone
  return result;
}

}  // namespace keelwatch::analysis
