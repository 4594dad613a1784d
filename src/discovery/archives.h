// Which servers' archives are read in which object stores: those of the Clusters (spec.backup,
// spec.plugins with their ObjectStore) and those of the configuration.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "model/archive.h"

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

}  // namespace keelwatch::discovery
