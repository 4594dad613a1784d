// Which servers' archives are read in which object stores: those of the Clusters (spec.backup,
// spec.plugins with their ObjectStore, what they were recovered from), those that an ObjectStore
// still has of others, and those of the configuration. keelwatch reads no Secrets: keys come from
// the configuration's files or the environment. Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "config/config.h"
#include "discovery/discover.h"
#include "model/archive.h"
#include "model/kubernetes.h"

namespace keelwatch::discovery {

struct ArchiveTarget {
  model::ArchiveId id;
  std::string region;      // empty: us-east-1
  bool path_style = true;  // bucket in the path; else in the host's name
  std::string ca_pem;      // empty: the system's trust store
  std::string access_key;
  Secret secret_key;
  std::string session_token;
  std::optional<std::int64_t> segment_bytes;  // of WAL, where it is configured
  // The first that is not empty is why it is not read:
  std::string not_supported_reason;  // Azure, Google: unknown, never healthy
  std::string not_set_up_reason;     // no credential was ever given; what to do
  std::string cannot_read_reason;    // the credential cannot be read, or was there and vanished

  bool operator==(const ArchiveTarget&) const = default;
};

struct ArchiveTargets {
  std::vector<ArchiveTarget> archives;  // sorted by id, each once
  bool operator==(const ArchiveTargets&) const = default;
};

// What AWS's tools read from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
// AWS_SESSION_TOKEN, and AWS_REGION or AWS_DEFAULT_REGION. Empty: not set.
struct AwsEnvironment {
  std::string access_key;
  Secret secret_key;
  std::string session_token;
  std::string region;
};

// `kubernetes` is the newest published slice (null before the first). While Clusters, ObjectStores
// or Backups are unknown, the archives of `previous` stay.
[[nodiscard]] ArchiveTargets discover_archives(const config::Config& config,
                                               const model::KubernetesSlice* kubernetes,
                                               const ReadFile& read_file,
                                               const AwsEnvironment& environment,
                                               const ArchiveTargets& previous);

}  // namespace keelwatch::discovery
