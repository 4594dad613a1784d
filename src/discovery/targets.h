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
  std::optional<PgTarget> connection;  // absent: no credential was ever given (not set up)
  std::string not_set_up_reason;       // with what to do about it
  std::string cannot_connect_reason;   // non-empty: no address yet (pod without IP): unknown
  bool terminating = false;            // the Pod has a deletionTimestamp: let go of the connection

  bool operator==(const InstanceTarget&) const = default;
};

struct Targets {
  std::vector<InstanceTarget> instances;  // sorted by id
  bool operator==(const Targets&) const = default;
};

}  // namespace keelwatch::discovery
