// What keelwatch makes of storage, in lines that a test can state.
#pragma once

#include <string>
#include <vector>

#include "analysis/assessment.h"
#include "app/step.h"
#include "base/time_text.h"

namespace keelwatch::testing {

inline std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

inline std::string copies_of(const analysis::PlacedVolume& volume, const app::Moment& moment) {
  const analysis::Assessment& all = moment.assessment;
  const analysis::NodeMap* nodes_known = all.placement.nodes.if_known();
  if (nodes_known == nullptr) return "nodes that are not known";
  const auto copies =
      analysis::usable_copies(volume, all.storage_nodes, *nodes_known, moment.world);
  const auto* known = copies.if_known();
  if (known == nullptr) return "nodes that are not told";
  const std::string nodes = known->nodes.empty() ? "no node" : listed(known->nodes);
  return nodes + (known->unverified ? ", unverified" : "");
}

// "ok (2 of 2 copies) on node-1, node-2".
inline std::string in_words(const analysis::StorageVolume& volume, const app::Moment& moment) {
  const analysis::Assessment& all = moment.assessment;
  const analysis::StorageView view{all.volumes, all.storage_nodes};
  const auto* health = volume.health.if_known();
  const analysis::PlacedVolume* placed = view.find(volume.ns, volume.claim);
  return (health == nullptr
              ? volume.health.why().error.message()
              : std::string(analysis::to_string(health->verdict)) + " (" + health->detail + ")") +
         " on " + (placed == nullptr ? "nothing" : copies_of(*placed, moment));
}

// "db/pg-1 ok (2 of 2 copies) on node-1, node-2\n" and so on.
inline std::string verdicts(const app::Moment& moment) {
  std::string text;
  for (const analysis::StorageVolume& volume : moment.assessment.storage.volumes) {
    text += volume.ns + "/" + volume.claim + " " + in_words(volume, moment) + "\n";
  }
  return text;
}

// Of one claim.
inline std::string verdict_of(const app::Moment& moment, const std::string& claim) {
  for (const analysis::StorageVolume& volume : moment.assessment.storage.volumes) {
    if (volume.claim == claim) return in_words(volume, moment);
  }
  return "there is no " + claim;
}

inline std::string in_words(const Observed<analysis::SmallestLoss>& loss) {
  if (!loss.is_known()) return loss.why().error.message();
  const auto& domains = loss.known_value().domains;
  if (!domains) return "nothing takes it";
  return domains->empty() ? "gone" : listed(*domains);
}

// What it takes to lose the data and the service of each cluster.
inline std::string losses(const app::Moment& moment) {
  std::string text;
  for (const analysis::Placement& cluster : moment.assessment.placement.clusters) {
    for (std::size_t of = 0; of < analysis::kLossOfCount; ++of) {
      text +=
          cluster.cluster + " " + std::string(analysis::kLossesOf[of]) + ": " +
          in_words(cluster.smallest[of][static_cast<std::size_t>(analysis::DomainKind::kNode)]) +
          "; " +
          in_words(cluster.smallest[of][static_cast<std::size_t>(analysis::DomainKind::kZone)]) +
          "\n";
    }
  }
  return text;
}

// What settings, Nodes and backup targets say.
inline std::string surroundings(const app::Moment& moment) {
  const analysis::Storage& storage = moment.assessment.storage;
  std::string text;
  const auto& settings = moment.world.kubernetes->longhorn_settings.known_value();
  for (const char* engine : {"v1", "v2"}) {
    text += std::string(engine) + " has ";
    text += analysis::longhorn_setting(settings, "default-replica-count", engine).value_or("no") +
            " copies\n";
  }
  for (const analysis::StorageDisk& disk : storage.disks) {
    const auto* limit = disk.limit_bytes.if_known();
    text += disk.node + ": ";
    text += limit != nullptr && *limit ? std::to_string(**limit) + " bytes may be promised"
                                       : "nobody knows what may be promised";
    text += "\n";
  }
  for (const auto& [name, available] : storage.backup_targets) {
    text += "target " + name +
            (available.known_value() == true ? " is there\n" : " cannot be reached\n");
  }
  for (const analysis::StorageVolume& volume : storage.volumes) {
    const auto* health = volume.health.if_known();
    if (health == nullptr || !health->backup_success) continue;
    if (volume.claim.starts_with("pg-")) {
      text +=
          volume.claim + " was backed up at " + format_rfc3339(*health->backup_success, 0) + "\n";
    }
  }
  return text;
}

}  // namespace keelwatch::testing
