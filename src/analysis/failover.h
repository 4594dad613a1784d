// Changes of the primary, measured as they happen: from the moment at which the old one ceased to
// be writable to the one at which the new one was. Both are known only between two looks at a
// server; a lost connection narrows the first, and the middle is taken of what remains, so that an
// answer every two seconds tells the gap to a second. A change that was not watched closely enough
// is counted, and has no duration.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/topology.h"
#include "base/clock.h"

namespace keelwatch::analysis {

enum class ChangeKind { kFailover, kSwitchover };
inline constexpr std::string_view kChangeKinds[] = {"failover", "switchover"};

// What happened so far of one kind.
struct Changes {
  std::uint64_t count = 0;
  std::optional<WallTime> last;  // when the new primary was writable
  std::optional<Duration> last_duration;
};

struct Failovers {
  std::string ns;
  std::string cluster;
  std::array<Changes, 2> changes;         // by ChangeKind
  std::optional<WallTime> last_writable;  // when a writable primary was seen last
  std::string last_primary;               // its name
};

struct FailoverMemory {
  struct Cluster {
    Failovers told;
    std::optional<std::int64_t> timeline;  // that the last primary wrote
    std::optional<WallTime> lost;          // when the last primary ceased to be writable
    bool asked = false;    // the operator named another primary while the old one lived
    bool failing = false;  // the operator called it a failover
    std::map<std::string, WallTime> in_recovery;  // when each instance said so last
  };
  std::map<std::pair<std::string, std::string>, Cluster> clusters;  // by (namespace, cluster)
};

// The moment of a change is known to half of this at least, or it has no duration.
inline constexpr Duration kWidestLook = std::chrono::seconds(10);

// `interval`: the time between two looks at a server.
[[nodiscard]] std::vector<Failovers> follow_failovers(const std::vector<ClusterTopology>& clusters,
                                                      Duration interval, FailoverMemory& memory,
                                                      WallTime now);

}  // namespace keelwatch::analysis
