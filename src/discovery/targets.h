// What the sources have to watch, computed from the configuration and the Kubernetes slice.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/pg_client.h"
#include "model/postgres.h"

namespace keelwatch::discovery {

struct InstanceTarget {
  model::InstanceId id;
  std::optional<PgTarget> connection;  // absent: no credential
  std::string not_set_up_reason;       // non-empty: no credential was ever given; what to do
  std::string cannot_connect_reason;   // non-empty, unknown: no address yet, or the credential
                                       // cannot be read, or was there and vanished
  bool terminating = false;            // the Pod has a deletionTimestamp: let go of the connection

  bool operator==(const InstanceTarget&) const = default;
};

struct Targets {
  std::vector<InstanceTarget> instances;  // sorted by id
  bool operator==(const Targets&) const = default;
};

}  // namespace keelwatch::discovery
