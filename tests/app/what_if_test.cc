// `keelwatch what-if`: whole texts of what dies and what survives.
#include "app/what_if.h"

#include <catch2/catch.hpp>

#include "app/query.h"
#include "base/json.h"
#include "tests/support/placement_builder.h"

using namespace keelwatch::testing;
using Catch::Contains;

namespace keelwatch::app {
namespace {

// Three nodes on two hosts, a bucket on one of them, and the address on two proxies.
PlacementBuilder homelab() {
  PlacementBuilder b = three_nodes();
  b.pooler("pooler-ro", "ro", {"n2", "n3"});
  b.proxies("ingress", "pooler-rw", {"n1", "n3"});
  b.bucket("store", "minio", "n3", {"n3"});
  b.archive("http://minio.store:9000");
  b.pod("cnpg-system", "operator-0", "n1").meta.labels = {
      {"app.kubernetes.io/name", "cloudnative-pg"}};
  return b;
}

config::Config two_hosts() {
  config::Config config;
  config.placement.hosts = {{"alpha", {"n1", "n2"}, {}}, {"beta", {"n3"}, {}}};
  return config;
}

std::string text_of(const PlacementBuilder& b, const WhatIfRequest& request,
                    const config::Config& config = {}) {
  const auto result = what_if(*b.moment(config), request);
  return result ? what_if_text(*result) : result.error().message();
}

bool survives(const PlacementBuilder& b, std::vector<std::string> nodes) {
  WhatIfRequest request;
  request.nodes = std::move(nodes);
  const auto result = what_if(*b.moment(), request);
  REQUIRE(result);
  return result->survives();
}

WhatIfRequest lose(std::vector<std::string> nodes) {
  WhatIfRequest request;
  request.nodes = std::move(nodes);
  return request;
}

}  // namespace

TEST_CASE("losing the primary's node interrupts", "[what-if]") {
  CHECK(text_of(homelab(), lose({"n1"})) == R"(If n1 is lost:

default/pg
  data           survives    with pg-1, pg-2, pg-3
  read-write     interrupted the primary is lost, pg-2 or pg-3 can be promoted, once the operator is started elsewhere; 1 of 2 pods of pooler pooler-rw are left; 1 of 2 proxies ingress are left
  read-only      survives    with all but one of pg-2, pg-3
  control plane  survives    2 of 3 members of etcd are left
  backups        survives    pod store/minio-0
  pg-1 (primary)           on n1        lost        its node is lost; pg-1 1 of 2 copies left (n2)
  pg-2                     on n2        survives    pg-2 2 of 2 copies left (n2 n3)
  pg-3                     on n3        survives    pg-3 1 of 2 copies left (n3)
)");
}

TEST_CASE("losing a host takes its nodes", "[what-if]") {
  WhatIfRequest request;
  request.hosts = {"alpha"};
  CHECK(text_of(homelab(), request, two_hosts()) == R"(If host alpha, n1, n2 are lost:

default/pg
  data           survives    with pg-2, pg-3; how much WAL only the primary has is unknown
  read-write     lost        the primary is lost, and without the control plane none is promoted; no pods of pooler pooler-rw are left; 1 of 2 proxies ingress are left
  read-only      survives    with pg-3; 1 of 2 pods of pooler pooler-ro are left
  control plane  lost        1 of 3 members of etcd are left
  backups        survives    pod store/minio-0
  pg-1 (primary)           on n1        lost        its node is lost; pg-1 0 of 2 copies left
  pg-2                     on n2        lost        its node is lost; pg-2 1 of 2 copies left (n3)
  pg-3                     on n3        survives    pg-3 1 of 2 copies left (n3)
)");
}

TEST_CASE("what is unknown is said for what it is", "[what-if]") {
  const PlacementBuilder b = homelab();
  model::KubernetesSlice slice = b.kubernetes();
  const Why why{Absence::kUnknown, Error(ErrorCode::kTimeout, "no answer for 61s"), "kubernetes"};
  slice.longhorn_replicas = AbsentOfAny{why};
  const auto result = what_if(*b.moment(std::move(slice)), lose({"n2"}));
  REQUIRE(result);
  CHECK_FALSE(result->survives());
  CHECK(what_if_text(*result) == R"(If n2 is lost:

default/pg
  data           unknown     no answer for 61s
  read-write     unknown     no answer for 61s
  read-only      unknown     no answer for 61s
  control plane  survives    2 of 3 members of etcd are left
  backups        unknown     no answer for 61s
)");
}

TEST_CASE("a node that is down already is told apart", "[what-if]") {
  PlacementBuilder b = homelab();
  b.node_of("n3").ready = false;
  b.pod_of("pg-3").ready = false;
  CHECK(text_of(b, lose({"n2"})) == R"(If n2 is lost (n3 is down already):

default/pg
  data           survives    with pg-1, pg-3
  read-write     survives    primary pg-1 stays; 1 of 2 pods of pooler pooler-rw are left
  read-only      lost        no standby is left; no pods of pooler pooler-ro are left
  control plane  lost        1 of 3 members of etcd are left
  backups        gone        pod store/minio-0
  pg-1 (primary)           on n1        survives    pg-1 1 of 2 copies left (n1)
  pg-2                     on n2        lost        its node is lost; pg-2 0 of 1 copies left
  pg-3                     on n3        gone        pg-3 1 of 1 copies left (n1)
)");
}

TEST_CASE("it survives if the data does and it can be written to after a failover", "[what-if]") {
  const PlacementBuilder b = homelab();
  CHECK(survives(b, {"n1"}));
  CHECK(survives(b, {"n2"}));
  CHECK(survives(b, {"n3"}));
  CHECK_FALSE(survives(b, {"n1", "n2"}));
  CHECK_FALSE(survives(b, {"n1", "n3"}));
}

TEST_CASE("what does not exist is refused, with what was meant", "[what-if]") {
  PlacementBuilder b = homelab();
  b.node("worker-1", "cellar");
  for (const char* name : {"n1", "n2", "n3"}) b.node_of(name).zone = "attic";
  CHECK(text_of(b, {}) == "nothing is to be lost: name a node, a zone or a host");
  CHECK(text_of(b, lose({"worker1"})) ==
        "there is no node \"worker1\", did you mean \"worker-1\"?");
  CHECK(text_of(b, lose({"n1", "zeus"})) ==
        "there is no node \"zeus\"; there are n1, n2, n3, worker-1");
  WhatIfRequest zone;
  zone.zones = {"celar"};
  CHECK(text_of(b, zone) == "there is no zone \"celar\", did you mean \"cellar\"?");
  WhatIfRequest host;
  host.hosts = {"alpa"};
  CHECK(text_of(b, host, two_hosts()) == "there is no host \"alpa\", did you mean \"alpha\"?");
  CHECK(text_of(b, host) == "there is no host \"alpa\"; none is known");
  WhatIfRequest cluster = lose({"n1"});
  cluster.cluster = "default/pq";
  CHECK(text_of(b, cluster) == "there is no cluster \"default/pq\", did you mean \"default/pg\"?");
  cluster.cluster = "pg";
  CHECK_THAT(text_of(b, cluster), Contains("default/pg\n"));
}

TEST_CASE("losing a zone is losing its nodes", "[what-if]") {
  PlacementBuilder b = homelab();
  b.node_of("n1").zone = b.node_of("n2").zone = "cellar";
  b.node_of("n3").zone = "attic";
  WhatIfRequest request;
  request.zones = {"cellar"};
  CHECK_THAT(text_of(b, request), Catch::StartsWith("If n1, n2 are lost:\n"));
}

TEST_CASE("names come in lists", "[what-if]") {
  CHECK(split_names("n1, n2,,n3 ") == std::vector<std::string>{"n1", "n2", "n3"});
  CHECK(split_names("").empty());
}

TEST_CASE("the same as JSON", "[what-if]") {
  const auto result = what_if(*homelab().moment(), lose({"n1"}));
  REQUIRE(result);
  const std::string json = what_if_json(*result);
  CAPTURE(json);
  CHECK(check_json(json));
  CHECK_THAT(json, Catch::StartsWith(R"({"lost":["n1"],"down":[],"survives":true,"clusters":[{)"
                                     R"("namespace":"default","cluster":"pg","data":{"verdict":)"
                                     R"("survives","why":)"));
  CHECK_THAT(json, Contains(R"("read_write":{"verdict":"interrupted",)"));
  CHECK_THAT(json, Contains(R"("volumes":[{"claim":"pg-1","role":"PG_DATA","before":["n1","n2"],)"
                            R"("left":["n2"]}])"));
}

}  // namespace keelwatch::app
