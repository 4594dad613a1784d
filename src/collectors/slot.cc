// keelwatch_slot_* and keelwatch_subscription_*: what replication slots hold back, and whether
// their users are there.
#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "collectors/collector.h"

namespace keelwatch::collectors {
namespace {

using metrics::Family;
using metrics::Type;
using model::Slot;

constexpr Family kActive(
    "keelwatch_slot_active", Type::kGauge,
    "1 if somebody uses the slot, 0 if nobody does; of the primary's slots only, "
    "since those of standbys are copies; absent while it does not answer.",
    {"namespace", "cluster", "pod", "slot"});
constexpr Family kRetained("keelwatch_slot_retained_bytes", Type::kGauge,
                           "WAL that the slot keeps on the instance, standbys included: from its "
                           "restart_lsn to the instance's own position; absent for a slot that has "
                           "never kept any or is lost, and while the instance does not answer.",
                           {"namespace", "cluster", "pod", "slot"});
constexpr Family kStatus(
    "keelwatch_slot_wal_status", Type::kGauge,
    "1 for the slot's wal_status, 0 for the others; absent for a slot that has "
    "never kept WAL and while the instance does not answer.",
    {"namespace", "cluster", "pod", "slot", "status"});
constexpr Family kSafe("keelwatch_slot_safe_bytes", Type::kGauge,
                       "WAL that can still be written before the slot may be lost (safe_wal_size); "
                       "absent without max_slot_wal_keep_size, for a lost slot, and while the "
                       "instance does not answer.",
                       {"namespace", "cluster", "pod", "slot"});
constexpr Family kInactiveSince(
    "keelwatch_slot_inactive_since_timestamp_seconds", Type::kGauge,
    "Since when nobody uses the primary's slot (PostgreSQL 17+); absent "
    "while it is used, before 17, and while the instance does not answer.",
    {"namespace", "cluster", "pod", "slot"});
constexpr Family kInvalid(
    "keelwatch_slot_invalid", Type::kGauge,
    "1 if the slot is of no more use (invalidation_reason, or a conflict before "
    "PostgreSQL 17), else 0; absent while the instance does not answer.",
    {"namespace", "cluster", "pod", "slot"});
constexpr Family kRatio("keelwatch_slot_retained_ratio", Type::kGauge,
                        "Share of the filesystem under pg_wal that the slot's WAL takes; absent "
                        "while the filesystem's size or the slot's WAL is unknown.",
                        {"namespace", "cluster", "pod", "slot"});
constexpr Family kFailoverReady(
    "keelwatch_slot_failover_ready", Type::kGauge,
    "1 if the standby holds a synced and valid copy of the primary's "
    "failover slot (PostgreSQL 17+), else 0; absent while one of the two "
    "does not answer.",
    {"namespace", "cluster", "pod", "slot"});
constexpr Family kRunning("keelwatch_subscription_running", Type::kGauge,
                          "1 if an enabled subscription has a worker, 0 if it has none; of the "
                          "primary only; absent for a disabled one and while the instance does not "
                          "answer.",
                          {"namespace", "cluster", "database", "subscription"});
constexpr Family kApplyErrors(
    "keelwatch_subscription_apply_errors_total", Type::kCounter,
    "Errors while changes were applied (PostgreSQL 15+); absent before 15 "
    "and while the instance does not answer.",
    {"namespace", "cluster", "database", "subscription"});

constexpr std::array<const Family*, 10> kFamilies = {
    &kActive,  &kRetained, &kStatus,        &kSafe,    &kInactiveSince,
    &kInvalid, &kRatio,    &kFailoverReady, &kRunning, &kApplyErrors};

constexpr std::string_view kStatuses[] = {"reserved", "extended", "unreserved", "lost"};

const analysis::Filesystem* find_filesystem(const Input& input, const model::InstanceId& id,
                                            std::string_view role) {
  const analysis::Filesystem* found = nullptr;
  for (const analysis::Filesystem& f : input.assessment.filesystems) {
    if (f.ns != id.ns || f.cluster != id.cluster || f.pod != id.pod || f.role != role) continue;
    if (f.usage.is_known()) return &f;
    found = &f;
  }
  return found;
}

// The size of the filesystem that holds pg_wal: that of a volume of its own, where there is one,
// and else that of PG_DATA.
Observed<std::int64_t> wal_volume_size(const Input& input, const analysis::ClusterTopology& cluster,
                                       const model::InstanceId& id) {
  using Size = Observed<std::int64_t>;
  const analysis::Filesystem* filesystem = find_filesystem(input, id, "PG_WAL");
  const bool own = filesystem != nullptr || (cluster.object && cluster.object->wal_storage == true);
  if (!own) filesystem = find_filesystem(input, id, "PG_DATA");
  const auto unknown = [](const char* why) {
    return Size::unknown(Error(ErrorCode::kNotFound, why), "filesystem");
  };
  if (filesystem == nullptr) {
    return unknown(own ? "nobody tells of its volume for WAL" : "nobody tells of its volumes");
  }
  return filesystem->usage.map([&](const model::FilesystemUsage& usage) {
    if (usage.size_bytes <= 0) return unknown("its file system has no size");
    return Size::known(usage.size_bytes, filesystem->usage.observed_at());
  });
}

void write_ratio(const model::InstanceId& id, const Slot& slot,
                 const Observed<std::int64_t>& volume, metrics::Writer& writer) {
  if (!slot.retained_bytes) return;
  writer.write(kRatio, {id.ns, id.cluster, id.pod, slot.name}, volume.map([&](std::int64_t size) {
    return static_cast<double>(*slot.retained_bytes) / static_cast<double>(size);
  }));
}

void write_slot(const model::InstanceId& id, const Slot& slot, WallTime at, bool primary,
                metrics::Writer& writer) {
  const auto labels = {std::string_view(id.ns), std::string_view(id.cluster),
                       std::string_view(id.pod), std::string_view(slot.name)};
  if (primary) {
    writer.write(kActive, labels, Observed<bool>::known(slot.active, at));
    writer.write(kInactiveSince, labels,
                 Observed<std::optional<WallTime>>::known(slot.inactive_since, at));
  }
  writer.write(kRetained, labels,
               Observed<std::optional<std::int64_t>>::known(slot.retained_bytes, at));
  if (!slot.wal_status.empty()) {
    writer.write_states(kStatus, labels, kStatuses,
                        Observed<std::string>::known(slot.wal_status, at));
  }
  writer.write(kSafe, labels, Observed<std::optional<std::int64_t>>::known(slot.safe_bytes, at));
  writer.write(
      kInvalid, labels,
      Observed<bool>::known(!slot.invalidation_reason.empty() || slot.conflicting == true, at));
}

void write_subscriptions(const model::Instance& primary, metrics::Writer& writer) {
  const auto* subscriptions = primary.subscriptions.if_known();
  if (subscriptions == nullptr) return;
  const WallTime at = primary.subscriptions.observed_at();
  for (const model::Subscription& s : *subscriptions) {
    const auto labels = {std::string_view(primary.id.ns), std::string_view(primary.id.cluster),
                         std::string_view(s.database), std::string_view(s.name)};
    if (s.enabled) writer.write(kRunning, labels, Observed<bool>::known(s.worker_running, at));
    writer.write(kApplyErrors, labels,
                 Observed<std::optional<std::int64_t>>::known(s.apply_errors, at));
  }
}

void collect(const Input& input, metrics::Writer& writer) {
  for (const analysis::ClusterTopology& cluster : input.assessment.clusters) {
    for (const auto& instance : cluster.instances) {
      const std::vector<Slot>* slots = instance->slots.if_known();
      if (slots == nullptr) continue;
      const auto volume = wal_volume_size(input, cluster, instance->id);
      for (const Slot& slot : *slots) {
        if (slot.temporary) continue;  // it lives and dies with its session
        write_ratio(instance->id, slot, volume, writer);
        write_slot(instance->id, slot, instance->slots.observed_at(),
                   analysis::is_writable(*instance), writer);
      }
    }
    if (cluster.primary) write_subscriptions(*cluster.primary, writer);
  }
  for (const analysis::FailoverSlots& slots : input.assessment.failover_slots) {
    for (const analysis::FailoverSlotCopy& copy : slots.copies) {
      writer.write(kFailoverReady,
                   {copy.standby.ns, copy.standby.cluster, copy.standby.pod, copy.slot},
                   copy.ready);
    }
  }
}

}  // namespace

const Collector& slot_collector() {
  static constexpr Collector collector{"replication", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
