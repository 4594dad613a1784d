// Whether the operators that keep the databases running are alive themselves: without CNPG's there
// is no failover, whatever the databases say. Judged by their Deployments and by the Leases that
// their leaders renew every few seconds (k8s.io/client-go tools/leaderelection).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/observed.h"
#include "model/world.h"

namespace keelwatch::analysis {

struct OperatorHealth {
  std::string component;                            // as in model::Deployment
  Observed<std::int64_t> replicas;                  // desired, over all its Deployments
  Observed<std::int64_t> available;                 // of them
  Observed<std::optional<WallTime>> lease_expires;  // CNPG's operator only: renewed + duration
  std::string lease_holder;                         // empty: nobody, or unknown
  // False: no replica is available, or its Lease has run out. True needs one of the two to say so.
  Observed<bool> up;
  std::string reason;
};

inline constexpr std::string_view kCnpgOperator = "cloudnative-pg";
inline constexpr std::string_view kCnpgLease = "db9c8771.cnpg.io";  // CNPG internal/cmd/manager

// A renewal may take that long to reach us.
inline constexpr Duration kLeaseGrace = std::chrono::seconds(15);

// When the Lease was seen to change last, by our own clock: its holder's may differ, which is why
// other candidates do not compare with it either (k8s.io/client-go, leaderelection.go).
struct OperatorMemory {
  std::optional<WallTime> renewed;     // as the Lease says
  std::optional<WallTime> changed_at;  // when that was new to us
};

// One per component that has a Deployment here, and CNPG's operator wherever its Lease is.
[[nodiscard]] std::vector<OperatorHealth> assess_operators(const model::World& world,
                                                           OperatorMemory& memory);

}  // namespace keelwatch::analysis
