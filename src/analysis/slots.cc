#include "analysis/slots.h"

#include <algorithm>
#include <utility>

namespace keelwatch::analysis {
namespace {

// Why the copy could not take over; empty: it could.
std::string flaw_of(const std::vector<model::Slot>& slots, const std::string& name) {
  const auto copy = std::ranges::find(slots, name, &model::Slot::name);
  if (copy == slots.end()) return "the standby has no copy";
  if (copy->synced != true) return "the standby's slot of that name is no synced copy";
  // A copy is temporary until it has caught up with the primary's for the first time.
  if (copy->temporary) return "the copy is not persistent yet";
  if (!copy->invalidation_reason.empty())
    return "the copy is invalid: " + copy->invalidation_reason;
  if (copy->wal_status == "lost") return "the WAL of the copy is lost";
  return {};
}

}  // namespace

std::vector<FailoverSlots> assess_failover_slots(const std::vector<ClusterTopology>& clusters) {
  std::vector<FailoverSlots> result(clusters.size());
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    const ClusterTopology& cluster = clusters[i];
    const std::vector<model::Slot>* slots =
        cluster.primary ? cluster.primary->slots.if_known() : nullptr;
    if (slots == nullptr) continue;
    for (const model::Slot& slot : *slots) {
      if (slot.failover != true || slot.temporary) continue;
      for (const auto& standby : cluster.instances) {
        if (standby == cluster.primary || is_writable(*standby)) continue;
        FailoverSlotCopy copy{.standby = standby->id,
                              .slot = slot.name,
                              .ready = standby->slots.map([&](const std::vector<model::Slot>& own) {
                                return flaw_of(own, slot.name).empty();
                              }),
                              .reason = {}};
        if (const auto* own = standby->slots.if_known()) copy.reason = flaw_of(*own, slot.name);
        result[i].copies.push_back(std::move(copy));
      }
    }
  }
  return result;
}

}  // namespace keelwatch::analysis
