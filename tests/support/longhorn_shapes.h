// Longhorn's objects as one of its versions writes them, with what Kubernetes has around them
// (tests/testdata/longhorn): as they were recorded, and more volumes in the shape of a recorded
// one, each brought into the state that a test asks for. So what differs between the versions is in
// the recordings only.
//
//   LonghornShapes shapes("1.8");
//   shapes.add_volume("broken", {{"Replica", 2, R"({"spec":{"failedAt":"@hour_ago"}})"}});
//   for (const std::string& object : shapes.objects()) server.put(object);
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/clock.h"

namespace keelwatch::testing {

class LonghornShapes {
 public:
  // `version`: "1.5", "1.8", "1.11" or "1.12". `now`: what times are told from.
  LonghornShapes(const std::string& version, WallTime now);

  // A JSON merge patch of the volume's object of that kind; of Replicas of the one with that
  // number. "remove" in the place of the patch: the volume has no such object. In it stand for:
  //   @volume    the volume's name      @hour_ago   the time an hour before `now`
  struct Change {
    std::string kind;
    int number = 0;
    std::string patch;
  };
  using Changes = std::vector<Change>;
  // pvc-of-CLAIM, like the volume of claim db/pg-1: attached to node-1, where a Pod with the
  // claim's name uses it, with good copies on node-1 and node-2. An instance of that Cluster of
  // CNPG's, if one is named.
  void add_volume(const std::string& claim, const Changes& changes,
                  const std::string& cluster = "");
  // Kubernetes' Node and Longhorn's, with one disk, both down.
  void add_lost_node(const std::string& name);
  // Another object, or one in the place of that of the same kind and name.
  void add(nlohmann::json object);

  [[nodiscard]] std::vector<std::string> objects() const;  // each as JSON
  [[nodiscard]] std::size_t count(const std::string& api_version, const std::string& kind) const;
  [[nodiscard]] std::string hour_ago() const { return hour_ago_; }
  // Longhorn's name of the volume of a recorded claim.
  [[nodiscard]] std::string volume_of(const std::string& claim) const;
  // The ID of the one disk of a node.
  [[nodiscard]] std::string disk_of(const std::string& node) const;

 private:
  [[nodiscard]] nlohmann::json renamed(const nlohmann::json& object, const std::string& volume,
                                       const std::string& claim) const;

  std::vector<nlohmann::json> objects_;
  std::string recorded_volume_;  // of db/pg-1
  std::string hour_ago_;
};

}  // namespace keelwatch::testing
