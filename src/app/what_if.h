// `keelwatch what-if`: what of each database dies and what survives if nodes, zones or hosts are
// lost now, from where everything is by the newest look.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/step.h"
#include "base/result.h"

namespace keelwatch::app {

struct WhatIfRequest {
  std::vector<std::string> nodes;
  std::vector<std::string> zones;
  std::vector<std::string> hosts;  // of placement.hosts
  std::string cluster;             // "namespace/name" or its name alone; empty: all
};

// One thing after the loss.
struct Outcome {
  // survives; interrupted (it comes back after a failover); lost; gone (before the loss); unknown;
  // not told (nobody says where it lies); none (there is no such thing here).
  std::string_view verdict;
  std::string why;
};

struct ClusterOutcome {
  struct Volume {
    std::string claim;
    std::string role;
    std::vector<std::string> before;  // nodes with a usable copy
    std::vector<std::string> left;
  };
  struct Instance {
    std::string name;
    std::string node;
    bool primary = false;
    Outcome service;
    Outcome data;
    std::vector<Volume> volumes;
  };
  std::string ns;
  std::string cluster;
  Outcome data;
  Outcome read_write;
  Outcome read_only;
  Outcome control_plane;
  Outcome backups;
  std::vector<Instance> instances;
};

struct WhatIf {
  std::vector<std::string> lost;  // nodes, and hosts that are none as "host NAME"
  std::vector<std::string> down;  // nodes that are lost already
  std::vector<ClusterOutcome> clusters;

  // Whether the data of each survives and each can be written to again without help.
  [[nodiscard]] bool survives() const;
};

// "n1, n2" is n1 and n2.
[[nodiscard]] std::vector<std::string> split_names(std::string_view list);

// The header of a server's answer that tells survives() as 1 or 0.
inline constexpr std::string_view kSurvivesHeader = "keelwatch-survives";

// Errors: kInvalid (nothing is to be lost; a node, zone, host or cluster that does not exist, with
// the nearest one), kUnavailable (which nodes there are is unknown).
[[nodiscard]] Result<WhatIf> what_if(const Moment& moment, const WhatIfRequest& request);

[[nodiscard]] std::string what_if_text(const WhatIf& result);
// {"lost":[…],"down":[…],"survives":…,"clusters":[{"namespace":…,"cluster":…,
//   "data":{"verdict":…,"why":…},"read_write":…,"read_only":…,"control_plane":…,"backups":…,
//   "instances":[{"name":…,"node":…,"primary":…,"service":…,"data":…,
//     "volumes":[{"claim":…,"role":…,"before":[…],"left":[…]}]}]}]}
[[nodiscard]] std::string what_if_json(const WhatIf& result);

}  // namespace keelwatch::app
