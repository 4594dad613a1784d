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

// What is there to build on: the cluster's own object, and what leads to the archive. The
// ObjectStore of the Cluster's plugin, or its spec.backup, may lead elsewhere by now.
struct Original {
  const model::Cluster* cluster = nullptr;
  std::string object_store;  // the name of one that leads there; empty: there is none
  bool in_tree = false;      // the Cluster's own spec.backup.barmanObjectStore does
};

bool leads_to(const model::ArchiveId& archive, std::string_view destination,
              std::string_view endpoint) {
  const Result<model::ArchiveId> id = model::archive_id(destination, endpoint, archive.server);
  return id && *id == archive;
}

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
      if (object->meta.ns == recovery.ns &&
          leads_to(recovery.archive, object->store.destination_path, object->store.endpoint_url)) {
        original.object_store = object->meta.name;
      }
    }
  }
  if (original.cluster != nullptr && original.object_store.empty()) {
    const model::BackupSettings& backup = original.cluster->backup;
    original.in_tree = backup.object_store == true &&
                       leads_to(recovery.archive, backup.destination_path, backup.endpoint_url);
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

// The configuration of a store, as an ObjectStore has it and a barmanObjectStore. `server` "": the
// place where it stands tells.
std::string store_settings(std::string_view indent, const Recovery& recovery,
                           std::string_view server, bool inherits) {
  std::string out =
      fmt::format("{}destinationPath: {}\n", indent, quoted(destination(recovery.archive)));
  if (!recovery.archive.endpoint.empty()) {
    out += fmt::format("{}endpointURL: {}\n", indent, quoted(recovery.archive.endpoint));
  }
  if (!server.empty()) out += fmt::format("{}serverName: {}\n", indent, quoted(server));
  if (inherits)
    return out + fmt::format("{0}s3Credentials: {{inheritFromIAMRole: true}}\n", indent);
  return out + fmt::format(
                   "{0}s3Credentials:  # of a Secret in this namespace\n"
                   "{0}  accessKeyId: {{name: restore-archive, key: ACCESS_KEY_ID}}\n"
                   "{0}  secretAccessKey: {{name: restore-archive, key: ACCESS_SECRET_KEY}}\n",
                   indent);
}

std::string object_store_manifest(const Recovery& recovery, std::string_view ns) {
  std::string out = "apiVersion: barmancloud.cnpg.io/v1\nkind: ObjectStore\nmetadata:\n";
  out += "  name: restore-archive\n";
  if (!ns.empty()) out += fmt::format("  namespace: {}\n", quoted(ns));
  return out + "spec:\n  configuration:\n" + store_settings("    ", recovery, "", false) + "---\n";
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

// Every tablespace needs its own volume: without it the operator has nowhere to restore it to.
std::string tablespaces_of(const Recovery& recovery, std::string_view backup, std::int64_t gib) {
  const auto* backups = recovery.found->backups.if_known();
  if (backups == nullptr) return "";
  const auto found = std::ranges::find(*backups, backup, &model::BaseBackup::id);
  const auto* info = found == backups->end() ? nullptr : found->info.if_known();
  if (info == nullptr || info->tablespaces.empty()) return "";
  std::string out = "  tablespaces:  # none smaller than its old volume\n";
  for (const model::BackupTablespace& space : info->tablespaces) {
    out += fmt::format("    - name: {}\n      storage: {{size: {}Gi}}\n", quoted(space.name), gib);
  }
  return out;
}

// Where it is restored from, and where it archives to.
std::string places(const Recovery& recovery, const Original& original, std::string_view store,
                   std::string_view new_server) {
  if (original.in_tree) {
    const bool inherits = original.cluster->backup.credentials == "s3_inherit";
    return "  # endpointCA, wal and data: as the Cluster has them in its spec.backup\n"
           "  externalClusters:\n    - name: archive\n      barmanObjectStore:\n" +
           store_settings("        ", recovery, recovery.archive.server, inherits) +
           "  backup:\n    barmanObjectStore:\n" +
           store_settings("      ", recovery, new_server, inherits);
  }
  return "  externalClusters:\n    - name: archive\n      plugin:\n" +
         plugin("        ", store, recovery.archive.server) +
         "  plugins:\n    - isWALArchiver: true\n" + plugin("      ", store, new_server);
}

std::string cluster_manifest(const Recovery& recovery, const RestoreChoice& choice,
                             const Original& original, const RestorePlanRequest& request,
                             std::string_view store) {
  const std::string base = recovery.cluster.empty() ? recovery.archive.server : recovery.cluster;
  const std::string name = request.name.empty() ? base + "-restored" : request.name;
  const std::int64_t told = volume_gib(recovery, choice.backup);
  const std::int64_t gib = std::max<std::int64_t>(told, 1);
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
  out += fmt::format("  storage:\n    size: {}Gi  # {}\n", gib,
                     told > 0 ? "twice the data of the backup; not less than the old volume"
                              : "as large as the old volume: the backup does not tell");
  out += tablespaces_of(recovery, choice.backup, gib);
  out += "  bootstrap:\n    recovery:\n      source: archive\n" + target_of(choice, request.to);
  return out + places(recovery, original, store, fmt::format("{}-{}", name, choice.backup));
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
  if (original.object_store.empty() && !original.in_tree) {
    out += object_store_manifest(recovery, recovery.ns);
  }
  return out + cluster_manifest(recovery, *choice, original, request, store);
}

}  // namespace keelwatch::app
