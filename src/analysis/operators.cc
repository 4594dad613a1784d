#include "analysis/operators.h"

#include <map>
#include <utility>

namespace keelwatch::analysis {
namespace {

using model::World;
using Count = Observed<std::int64_t>;

struct Replicas {
  std::int64_t desired = 0;
  std::int64_t available = 0;
};

// The newest of CNPG's Leases: an operator that was moved leaves its old one behind.
const model::Lease* find_lease(const World& world) {
  const model::Lease* newest = nullptr;
  const auto* leases = world.kubernetes->leases.if_known();
  if (leases == nullptr) return nullptr;
  for (const auto& lease : *leases) {
    if (lease->meta.name != kCnpgLease || !lease->renewed) continue;
    if (newest == nullptr || *newest->renewed < *lease->renewed) newest = lease.get();
  }
  return newest;
}

void judge_lease(const model::Lease& lease, const World& world, OperatorMemory& memory,
                 OperatorHealth& out) {
  constexpr std::int64_t kUsualSeconds = 15;
  const WallTime at = world.kubernetes->leases.observed_at();
  if (memory.renewed != lease.renewed) {
    memory = {lease.renewed, world.at};
  }
  const WallTime expires =
      *memory.changed_at + std::chrono::seconds(lease.duration_seconds.value_or(kUsualSeconds));
  out.lease_expires = Observed<std::optional<WallTime>>::known(expires, at);
  out.lease_holder = lease.holder;
  const bool held = !lease.holder.empty() && world.at <= expires + kLeaseGrace;
  if (held && out.up.is_known() && !out.up.known_value()) return;
  out.up = Observed<bool>::known(held, at);
  out.reason = held                   ? lease.holder + " leads"
               : lease.holder.empty() ? "nobody holds its Lease"
                                      : lease.holder + " no longer renews its Lease";
}

}  // namespace

std::vector<OperatorHealth> assess_operators(const World& world, OperatorMemory& memory) {
  std::map<std::string, Replicas> components;
  const auto& deployments = world.kubernetes->deployments;
  if (const auto* known = deployments.if_known()) {
    for (const auto& deployment : *known) {
      if (deployment->component.empty()) continue;
      Replicas& sum = components[deployment->component];
      if (deployment->replicas) sum.desired += *deployment->replicas;
      if (deployment->available_replicas) sum.available += *deployment->available_replicas;
    }
  }
  const model::Lease* lease = find_lease(world);
  std::vector<OperatorHealth> result;
  const Why unseen{Absence::kUnknown, Error(ErrorCode::kNotFound, "nothing tells"), "kubernetes"};
  for (const auto& [component, replicas] : components) {
    const WallTime at = deployments.observed_at();
    OperatorHealth health{.component = component,
                          .replicas = Count::known(replicas.desired, at),
                          .available = Count::known(replicas.available, at),
                          .lease_expires = Observed<std::optional<WallTime>>::absent(unseen),
                          .lease_holder = {},
                          .up = Observed<bool>::known(replicas.available > 0, at),
                          .reason = std::to_string(replicas.available) + " of " +
                                    std::to_string(replicas.desired) + " replicas are available"};
    if (component == kCnpgOperator && lease != nullptr) judge_lease(*lease, world, memory, health);
    result.push_back(std::move(health));
  }
  if (lease != nullptr && !components.contains(std::string(kCnpgOperator))) {
    const AbsentOfAny none{unseen};
    OperatorHealth health{.component = std::string(kCnpgOperator),
                          .replicas = none,
                          .available = none,
                          .lease_expires = none,
                          .lease_holder = {},
                          .up = none,
                          .reason = {}};
    judge_lease(*lease, world, memory, health);
    result.push_back(std::move(health));
  }
  return result;
}

}  // namespace keelwatch::analysis
