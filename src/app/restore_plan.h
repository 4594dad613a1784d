// `keelwatch restore-plan`: the manifest that makes a new cluster from an archive, up to a time
// that the archive is proven to reach. Facts: CNPG docs/src/recovery.md, plugin-barman-cloud
// web/docs.
#pragma once

#include <optional>
#include <string>

#include "app/step.h"
#include "base/clock.h"
#include "base/result.h"

namespace keelwatch::app {

struct RestorePlanRequest {
  std::string
      cluster;  // "namespace/name", or the name alone; of an archive of no Cluster its server
  std::optional<WallTime> to;  // recoveryTarget.targetTime; absent: as far as the archive reaches
  std::string name;            // of the new Cluster; empty: CLUSTER-restored
};

// YAML, with what is proven and what its user has to fill in as comments. The new cluster archives
// to a server name of its own, so that it never writes into the archive that it came from. Errors:
// kNotFound (no such cluster or archive), kInvalid (several, or the time is outside of what can be
// restored: says what can), kUnavailable (the archive is unknown).
[[nodiscard]] Result<std::string> restore_plan(const Moment& moment,
                                               const RestorePlanRequest& request);

}  // namespace keelwatch::app
