#include "model/assemble.h"

#include <catch2/catch.hpp>

#include "tests/support/world_builder.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::model {

TEST_CASE("an answer turns unknown when it is too old or from the future", "[model]") {
  struct Case {
    const char* name;
    Duration later;
    bool kubernetes_known;
    bool postgres_known;
  };
  const Case cases[] = {
      {"at once", 0s, true, true},
      {"at the bound of the polled source", 6s, true, true},
      {"past it", 6001ms, true, false},
      {"at the bound of the watched source", 15s, true, false},
      {"past both", 15001ms, false, false},
      {"clock set back by a moment", -900ms, true, true},
      {"clock set back by an hour", -1h, false, false},
  };
  const Slices all = slices({answering("pg-1", primary_facts(1))});
  for (const Case& c : cases) {
    INFO(c.name);
    const World world = assemble(all, Freshness{.kubernetes = 15s, .postgres = 6s}, kNow + c.later);
    CHECK(world.kubernetes->clusters.is_known() == c.kubernetes_known);
    CHECK(world.kubernetes->nodes.is_known() == c.kubernetes_known);
    const Instance& instance = *world.postgres->instances.at(0);
    CHECK(instance.server.is_known() == c.postgres_known);
    CHECK(instance.senders.is_known() == c.postgres_known);
    CHECK((instance.reachability == Reachability::kConnected) == c.postgres_known);
  }
}

TEST_CASE("the reason of a stale answer names its source and its age", "[model]") {
  const Slices all = slices({answering("pg-1", primary_facts(1))});
  const World world = assemble(all, Freshness{}, kNow + 90s);
  const Why& why = world.postgres->instances.at(0)->server.why();
  CHECK(why.source == "postgres default/pg-1");
  CHECK(why.error == Error(ErrorCode::kTimeout, "no answer for 1m30s"));
}

TEST_CASE("fresh slices are shared, not copied", "[model]") {
  const Slices all = slices({answering("pg-1", primary_facts(1))});
  const World world = assemble(all, Freshness{}, kNow);
  CHECK(world.kubernetes == all.kubernetes);
  CHECK(world.postgres == all.postgres);
}

TEST_CASE("before its first answer a source is unknown", "[model]") {
  const World world = assemble({}, Freshness{}, kNow);
  REQUIRE(world.kubernetes);
  CHECK(world.kubernetes->clusters.why().absence == Absence::kUnknown);
  REQUIRE(world.postgres);
  CHECK(world.postgres->instances.empty());
}

}  // namespace keelwatch::model
