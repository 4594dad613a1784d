// keelwatch_placement_*: from a world to the lines of the page.
#include <catch2/catch.hpp>

#include "tests/support/pages.h"
#include "tests/support/placement_builder.h"

using namespace keelwatch::testing;

namespace keelwatch::collectors {
namespace {

std::string lines(const PlacementBuilder& b, const std::string& family,
                  const config::Config& config = {}) {
  return sample_lines(*b.moment(config), "keelwatch_placement_" + family);
}

}  // namespace

TEST_CASE("where a healthy cluster lies shows in every family", "[placement]") {
  PlacementBuilder b = three_nodes();
  b.pod("cnpg-system", "operator-0", "n1").meta.labels = {
      {"app.kubernetes.io/name", "cloudnative-pg"}};
  CHECK(
      sample_lines(*b.moment(), "keelwatch_placement_") ==
      R"(keelwatch_placement_tolerated_node_losses{namespace="default",cluster="pg",for="data",domain="node"} 2
keelwatch_placement_tolerated_node_losses{namespace="default",cluster="pg",for="service",domain="node"} 1
keelwatch_placement_smallest_loss{namespace="default",cluster="pg",for="data",domain="node",member="n1"} 1
keelwatch_placement_smallest_loss{namespace="default",cluster="pg",for="data",domain="node",member="n2"} 1
keelwatch_placement_smallest_loss{namespace="default",cluster="pg",for="data",domain="node",member="n3"} 1
keelwatch_placement_smallest_loss{namespace="default",cluster="pg",for="service",domain="node",member="n1"} 1
keelwatch_placement_smallest_loss{namespace="default",cluster="pg",for="service",domain="node",member="n2"} 1
keelwatch_placement_known{namespace="default",cluster="pg",for="data",domain="node"} 1
keelwatch_placement_known{namespace="default",cluster="pg",for="service",domain="node"} 1
keelwatch_placement_redundancy_wanted{namespace="default",cluster="pg",for="data"} 1
keelwatch_placement_redundancy_wanted{namespace="default",cluster="pg",for="service"} 1
keelwatch_placement_copies{namespace="default",cluster="pg",pod="pg-1",persistentvolumeclaim="pg-1",role="PG_DATA"} 2
keelwatch_placement_copies{namespace="default",cluster="pg",pod="pg-2",persistentvolumeclaim="pg-2",role="PG_DATA"} 2
keelwatch_placement_copies{namespace="default",cluster="pg",pod="pg-3",persistentvolumeclaim="pg-3",role="PG_DATA"} 2
keelwatch_placement_standbys_with_primary{namespace="default",cluster="pg"} 0
keelwatch_placement_standbys_elsewhere{namespace="default",cluster="pg"} 2
keelwatch_placement_enough_nodes{namespace="default",cluster="pg"} 1
keelwatch_placement_pods_ready{namespace="default",cluster="pg",part="pooler",name="pooler-rw"} 2
keelwatch_placement_pod_nodes{namespace="default",cluster="pg",part="pooler",name="pooler-rw"} 2
keelwatch_placement_operator_with_primary{namespace="default",cluster="pg"} 1
)");
}

TEST_CASE("what is gone, what no loss takes, and what nobody tells", "[placement]") {
  PlacementBuilder b = three_nodes();
  b.archive("");  // AWS
  CHECK_THAT(lines(b, "tolerated_node_losses"),
             Catch::Contains("for=\"data_and_backups\",domain=\"node\"} +Inf\n"));
  for (const char* pod : {"pg-1", "pg-2", "pg-3"}) {
    for (auto& [replica, mode] : b.engine_of(pod).modes) mode = "ERR";
  }
  CHECK_THAT(lines(b, "tolerated_node_losses"),
             Catch::Contains("for=\"data\",domain=\"node\"} -1\n"));
  CHECK_THAT(lines(b, "smallest_loss"), !Catch::Contains("for=\"data\""));
  CHECK_THAT(lines(b, "known"), !Catch::Contains("domain=\"host\""));
}

TEST_CASE("an unknown has no number, only that it is not known", "[placement]") {
  config::Config config;
  config.placement.hosts = {{"alpha", {"n1", "n2"}, {}}};  // n3 is on none
  const PlacementBuilder b = three_nodes();
  CHECK_THAT(lines(b, "tolerated_node_losses", config), !Catch::Contains("domain=\"host\""));
  CHECK_THAT(lines(b, "known", config), Catch::Contains("for=\"data\",domain=\"host\"} 0\n") &&
                                            Catch::Contains("for=\"data\",domain=\"node\"} 1\n"));
}

}  // namespace keelwatch::collectors
