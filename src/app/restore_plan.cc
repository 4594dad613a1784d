#include "app/restore_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/recovery.h"
#include "analysis/restore_point.h"
#include "app/terminal.h"
#include "base/json.h"
#include "base/time_text.h"
#include "model/archive_place.h"

namespace keelwatch::app {
namespace {

using analysis::Recovery;
using analysis::RestoreChoice;

// A JSON text is a YAML text.
std::string quoted(std::string_view text) {
  JsonWriter json;
  json.value(text);
  return json.take();
}

Result<const Recovery*> find_archive(const Moment& moment, std::string_view name) {
  std::vector<const Recovery*> found;
  std::vector<std::string> names;
  for (const Recovery& recovery : moment.assessment.recovery.archives) {
    const std::string full =
        recovery.cluster.empty() ? recovery.archive.server : recovery.ns + "/" + recovery.cluster;
    names.push_back(full);
    if (full == name || recovery.cluster == name || recovery.archive.server == name) {
      found.push_back(&recovery);
    }
  }
  if (found.empty()) {
    return Error(
        ErrorCode::kNotFound,
        fmt::format("no archive of \"{}\"; there {} {}", name,
                    names.empty() ? "is" : "are those of",
                    names.empty() ? "none at all" : fmt::format("{}", fmt::join(names, ", "))));
  }
  // A cluster that has moved has an archive at each place: the one that can be restored counts.
  std::erase_if(found, [&](const Recovery* recovery) {
    const auto* window = recovery->points->window[0].if_known();
    return found.size() > 1 && (window == nullptr || !*window);
  });
  if (found.size() == 1) return found.front();
  std::vector<std::string> places;
  for (const Recovery* recovery : found) places.push_back(text(recovery->archive));
  return Error(ErrorCode::kInvalid,
               fmt::format("\"{}\" has several archives that can be restored: {}; choose one with "
                           "--archive",
                           name, fmt::join(places, ", ")));
}

// What is there to build on: the cluster's own object, and an ObjectStore that leads to the
// archive. That of the Cluster's plugin may lead elsewhere by now.
struct Original {
  const model::Cluster* cluster = nullptr;
  std::string object_store;  // its name; empty: there is none
};

Original find_original(const Moment& moment, const Recovery& recovery) {
  const model::KubernetesSlice& kubernetes = *moment.world.kubernetes;
  Original original;
  if (const auto* clusters = kubernetes.clusters.if_known()) {
    for (const auto& cluster : *clusters) {
      if (cluster->meta.ns == recovery.ns && cluster->meta.name == recovery.cluster) {
        original.cluster = cluster.get();
      }
    }
  }
  if (const auto* stores = kubernetes.object_stores.if_known()) {
    for (const auto& object : *stores) {
      const Result<model::ArchiveId> id = model::archive_id(
          object->store.destination_path, object->store.endpoint_url, recovery.archive.server);
      if (object->meta.ns == recovery.ns && id && *id == recovery.archive) {
        original.object_store = object->meta.name;
      }
    }
  }
  return original;
}

std::string comments(const Recovery& recovery, const RestoreChoice& choice) {
  std::string out = fmt::format(
      "# From the archive {}{}.\n", text(recovery.archive),
      recovery.archive.endpoint.empty() ? std::string() : " at " + recovery.archive.endpoint);
  const auto* window = recovery.points->window[static_cast<std::size_t>(choice.proof)].if_known();
  if (window != nullptr && *window) {
    out += fmt::format("# Can be restored ({}): {} to {}.\n",
                       analysis::kProofs[static_cast<std::size_t>(choice.proof)],
                       format_rfc3339((*window)->start, 0), format_rfc3339((*window)->end, 0));
  }
  if (!choice.text.empty()) out += "# " + printable(choice.text) + "\n";
  if (const auto* bytes = recovery.points->restore_bytes.if_known(); bytes != nullptr && *bytes) {
    out += fmt::format("# It reads about {} MiB.\n", (**bytes >> 20U) + 1);
  }
  return out;
}

// Twice what the data directory held, in whole GiB: WAL and growth.
std::int64_t volume_gib(const Recovery& recovery, std::string_view backup) {
  const auto* points = recovery.points->backups.if_known();
  if (points == nullptr) return 0;
  const auto point = std::ranges::find(*points, backup, &analysis::RestorePoint::id);
  if (point == points->end() || !point->cluster_bytes) return 0;
  const double gib = static_cast<double>(*point->cluster_bytes) / (1024.0 * 1024 * 1024);
  return std::max<std::int64_t>(1, std::llround(std::ceil(2 * gib)));
}

std::string object_store_manifest(const Recovery& recovery, std::string_view ns) {
  std::string out = "apiVersion: barmancloud.cnpg.io/v1\nkind: ObjectStore\nmetadata:\n";
  out += "  name: restore-archive\n";
  if (!ns.empty()) out += fmt::format("  namespace: {}\n", quoted(ns));
  out += fmt::format("spec:\n  configuration:\n    destinationPath: {}\n",
                     quoted(destination(recovery.archive)));
  if (!recovery.archive.endpoint.empty()) {
    out += fmt::format("    endpointURL: {}\n", quoted(recovery.archive.endpoint));
  }
  return out +
         "    s3Credentials:  # of a Secret in this namespace\n"
         "      accessKeyId: {name: restore-archive, key: ACCESS_KEY_ID}\n"
         "      secretAccessKey: {name: restore-archive, key: ACCESS_SECRET_KEY}\n---\n";
}

std::string target_of(const RestoreChoice& choice, const std::optional<WallTime>& to) {
  std::string out = "      recoveryTarget:\n";
  out += fmt::format("        backupID: {}\n", quoted(choice.backup));
  out += fmt::format("        targetTLI: {}\n", quoted(std::to_string(choice.timeline)));
  if (to) {
    out += fmt::format("        targetTime: {}\n", quoted(format_rfc3339(*to)));
  } else if (choice.needs_target && choice.until_lsn) {
    out += fmt::format("        targetLSN: {}\n", quoted(to_string(*choice.until_lsn)));
  }
  return out;
}

std::string plugin(std::string_view indent, std::string_view store, std::string_view server) {
  return fmt::format(
      "{0}name: {1}\n{0}parameters:\n{0}  barmanObjectName: {2}\n{0}  serverName: {3}\n", indent,
      model::kBarmanPlugin, quoted(store), quoted(server));
}

std::string cluster_manifest(const Recovery& recovery, const RestoreChoice& choice,
                             const Original& original, const RestorePlanRequest& request,
                             std::string_view store) {
  const std::string base = recovery.cluster.empty() ? recovery.archive.server : recovery.cluster;
  const std::string name = request.name.empty() ? base + "-restored" : request.name;
  const std::int64_t gib = volume_gib(recovery, choice.backup);
  std::string out = "apiVersion: postgresql.cnpg.io/v1\nkind: Cluster\nmetadata:\n";
  out += fmt::format("  name: {}\n", quoted(name));
  if (!recovery.ns.empty()) out += fmt::format("  namespace: {}\n", quoted(recovery.ns));
  out += fmt::format("spec:\n  instances: {}\n",
                     original.cluster != nullptr ? original.cluster->instances.value_or(1) : 1);
  if (original.cluster != nullptr && !original.cluster->image.empty()) {
    out += fmt::format("  imageName: {}\n", quoted(original.cluster->image));
  } else {
    out += "  # imageName: of the same PostgreSQL major version as the backup\n";
  }
  out += fmt::format("  storage:\n    size: {}Gi  # {}\n", std::max<std::int64_t>(gib, 1),
                     gib > 0 ? "twice the data of the backup; not less than the old volume"
                             : "as large as the old volume: the backup does not tell");
  out += "  bootstrap:\n    recovery:\n      source: archive\n" + target_of(choice, request.to);
  out += "  externalClusters:\n    - name: archive\n      plugin:\n" +
         plugin("        ", store, recovery.archive.server);
  out += "  plugins:\n    - isWALArchiver: true\n" +
         plugin("      ", store, fmt::format("{}-{}", name, choice.backup));
  return out;
}

}  // namespace

Result<std::string> restore_plan(const Moment& moment, const RestorePlanRequest& request) {
  const Result<const Recovery*> found = find_archive(moment, request.cluster);
  if (!found) return found.error();
  const Recovery& recovery = **found;
  const Observed<RestoreChoice> observed =
      choose_restore_point(*recovery.points, {.time = request.to, .lsn = std::nullopt});
  const RestoreChoice* choice = observed.if_known();
  if (choice == nullptr) {
    return observed.why().error.context(text(recovery.archive));
  }
  if (!choice->possible) return Error(ErrorCode::kInvalid, choice->text);
  const Original original = find_original(moment, recovery);
  const std::string store =
      original.object_store.empty() ? "restore-archive" : original.object_store;
  std::string out = comments(recovery, *choice);
  if (original.object_store.empty()) out += object_store_manifest(recovery, recovery.ns);
  return out + cluster_manifest(recovery, *choice, original, request, store);
}

}  // namespace keelwatch::app
