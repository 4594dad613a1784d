#include "model/assemble.h"

#include <catch2/catch.hpp>

#include "tests/support/archive_builder.h"
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
    KubernetesSlice::for_each_kind([&](auto place) {
      INFO(kind_of(place));
      if (is_polled(place)) return;
      CHECK(((*world.kubernetes).*place).is_known() == c.kubernetes_known);
      if (!c.kubernetes_known) {
        CHECK(((*world.kubernetes).*place).why().source ==
              "kubernetes " + std::string(kind_of(place)));
      }
    });
    const Instance& instance = *world.postgres->instances.at(0);
    CHECK(instance.server.is_known() == c.postgres_known);
    CHECK(instance.senders.is_known() == c.postgres_known);
    CHECK((instance.reachability == Reachability::kConnected) == c.postgres_known);
  }
}

TEST_CASE("a kind that is listed now and then is fresh for longer", "[model]") {
  KubernetesSlice kubernetes = kubernetes_slice();
  for (const std::string_view kind : {VolumeBackups::kKind, LonghornVolume::kKind}) {
    SourceReport report;
    report.source = "kubernetes";
    report.target = kind;
    report.up = true;
    report.last_success = kNow;
    kubernetes.reports.push_back(report);
  }
  const Slices all = slices({}, kubernetes);
  const World later = assemble(all, Freshness{}, kNow + 10min);
  CHECK(later.kubernetes->longhorn_backups.is_known());
  CHECK(later.kubernetes->reports.at(0).up);
  CHECK_FALSE(later.kubernetes->longhorn_volumes.is_known());
  CHECK_FALSE(later.kubernetes->reports.at(1).up);
  const World too_late = assemble(all, Freshness{}, kNow + 21min);
  CHECK_FALSE(too_late.kubernetes->longhorn_backups.is_known());
  CHECK_FALSE(too_late.kubernetes->reports.at(0).up);
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

TEST_CASE("what was up long ago is down, whatever its source said last", "[model]") {
  SourceReport up;
  up.source = "postgres";
  up.target = "default/pg-1";
  up.up = true;
  up.last_success = kNow;
  SourceReport not_set_up;
  not_set_up.not_set_up = true;
  PostgresSlice postgres;
  postgres.reports = {up, not_set_up};
  up.source = "kubernetes";
  KubernetesSlice kubernetes = kubernetes_slice();
  kubernetes.reports = {up};
  const Slices all{std::make_shared<KubernetesSlice>(kubernetes),
                   std::make_shared<PostgresSlice>(postgres)};
  const Freshness bounds{.kubernetes = 15s, .postgres = 6s};

  const World soon = assemble(all, bounds, kNow + 6s);
  CHECK(soon.postgres == all.postgres);
  const World later = assemble(all, bounds, kNow + 10s);
  CHECK_FALSE(later.postgres->reports.at(0).up);
  CHECK(later.postgres->reports.at(0).last_error == "no answer for 10s");
  CHECK(later.postgres->reports.at(1).not_set_up);
  CHECK(later.kubernetes->reports.at(0).up);
  CHECK_FALSE(assemble(all, bounds, kNow + 16s).kubernetes->reports.at(0).up);
}

TEST_CASE("a source that never publishes is pending, then down", "[model]") {
  CHECK(assemble({}, {}, kNow).postgres->reports.empty());  // nobody waits for it
  const World first = assemble({}, {}, kNow + 1s, kNow);
  CHECK(first.postgres->reports.at(0).pending);
  const World later = assemble({}, {}, kNow + 60s, kNow);
  CHECK_FALSE(later.postgres->reports.at(0).pending);
  CHECK_FALSE(later.postgres->reports.at(0).up);
  CHECK(later.kubernetes->reports.at(0).last_error == "it has published nothing for 1m");
}

TEST_CASE("before its first answer a source is unknown", "[model]") {
  const World world = assemble({}, Freshness{}, kNow);
  REQUIRE(world.kubernetes);
  CHECK(world.kubernetes->clusters.why().absence == Absence::kUnknown);
  REQUIRE(world.postgres);
  CHECK(world.postgres->instances.empty());
}

TEST_CASE("what was listed as a whole too long ago is unknown, however new the rest is",
          "[model]") {
  const Freshness freshness{.archives = 10min, .archive_settings = 18h};
  const auto wal_known = [&](Duration listed_ago, Duration whole_ago) {
    Archive archive = ArchiveBuilder().wal(1, 0, 3).archive(kNow - listed_ago);
    WalArchive wal = archive.wal.known_value();
    wal.listed_whole_at = kNow - whole_ago;
    archive.wal = Observed<WalArchive>::known(std::move(wal), kNow - listed_ago);
    auto slice = std::make_shared<ArchiveSlice>();
    slice->archives.push_back(std::make_shared<const Archive>(std::move(archive)));
    Slices all = slices({});
    all.archives = std::move(slice);
    const World world = assemble(all, freshness, kNow);
    const Archive& seen = *world.archives->archives.at(0);
    CHECK(seen.backups.is_known() == (listed_ago <= 10min));  // base/ is always listed as a whole
    return seen.wal.is_known();
  };
  CHECK(wal_known(1min, 1min));
  CHECK(wal_known(1min, 18h));
  CHECK_FALSE(wal_known(1min, 18h + 1s));
  CHECK_FALSE(wal_known(11min, 11min));
}

}  // namespace keelwatch::model
