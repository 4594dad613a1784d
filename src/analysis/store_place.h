// Where the bucket behind an endpoint lies: on a host that the configuration names, in this
// Kubernetes cluster, which is followed Service → EndpointSlice → Pod → volumes, or outside. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "analysis/failure_domains.h"
#include "analysis/node_map.h"
#include "analysis/usable_copies.h"
#include "base/observed.h"
#include "model/world.h"

namespace keelwatch::analysis {

struct StorePlace {
  std::string endpoint;  // as in model::ArchiveId; empty: AWS's own
  std::string where;     // for people: "host nas", "pod minio/minio-0", "outside"
  // What has to be lost until the bucket is; has happened where nothing can be restored from it.
  // Not set up: nobody tells where it lies.
  Observed<Failure> loss;
};

// `ns`: the namespace from which the endpoint is resolved, that of the database. An endpoint of the
// configuration's placement.hosts is believed before it is followed.
[[nodiscard]] StorePlace place_store(std::string_view endpoint, std::string_view ns,
                                     const model::World& world, const config::Config& config,
                                     const NodeMap& nodes, const StorageView& storage);

}  // namespace keelwatch::analysis
