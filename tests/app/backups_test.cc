// The commands about archives: what they print of a Moment.
#include "app/backups.h"

#include <catch2/catch.hpp>

#include "app/restore_plan.h"
#include "base/time_text.h"
#include "tests/support/archive_builder.h"

using namespace keelwatch::testing;
using namespace std::chrono_literals;
using Catch::Contains;

namespace keelwatch::app {
namespace {

config::Config with_server(const ArchiveBuilder& archive) {
  config::ArchivedServer server;
  server.name = archive.id.server;
  server.ns = "default";
  server.cluster = "pg";
  config::ObjectStore store;
  store.destination = model::destination(archive.id);
  store.endpoint = archive.id.endpoint;
  store.servers = {std::move(server)};
  config::Config config;
  config.object_stores.stores = {std::move(store)};
  return config;
}

std::shared_ptr<const Moment> moment_of(const ArchiveBuilder& archive) {
  auto stores = std::make_shared<model::ArchiveSlice>();
  stores->archives.push_back(std::make_shared<const model::Archive>(archive.archive()));
  model::Slices all = slices({}, kubernetes_slice({}, kNow));
  all.archives = std::move(stores);
  State state;
  const config::Config config = with_server(archive);
  return step(state, model::assemble(all, freshness_of(config), kNow, kNow - 1h), config);
}

ArchiveBuilder whole() { return ArchiveBuilder().wal(1, 0, 40).backup("20270115T080000", 2, 3); }

}  // namespace

TEST_CASE("backups are printed with the window, and why one cannot be restored", "[app]") {
  ArchiveBuilder archive = whole().backup("20270116T080000", 30, 31).without(1, 31);
  const auto moment = moment_of(archive);
  const std::string text = backups_text(*moment, {});
  CAPTURE(text);
  CHECK_THAT(text, Contains("s3://backups/pg/pg at http://minio:9000\n  of cluster default/pg\n"));
  CHECK_THAT(text, Contains("20270115T080000") && Contains("  yes  "));
  CHECK_THAT(text, Contains("20270116T080000") && Contains("  no  "));
  CHECK_THAT(text, Contains("00000001000000000000001F"));  // the segment that is missing
  CHECK_THAT(text, Contains("gap: 1 segment from 00000001000000000000001F"));
  CHECK_THAT(text, Contains("381.5 MiB"));
  CHECK(all_restorable(*moment, {}));
  CHECK_FALSE(all_restorable(*moment, {.cluster = "", .deep = true}));
  CHECK(backups_text(*moment, {.cluster = "other", .deep = false}).empty());
  CHECK_FALSE(all_restorable(*moment, {.cluster = "other", .deep = false}));
}

TEST_CASE("backups as JSON tell the position that a restore reaches", "[app]") {
  const std::string json =
      backups_json(*moment_of(whole()), {.cluster = "default/pg", .deep = false});
  CAPTURE(json);
  CHECK_THAT(json, Contains("\"restorable\":\"yes\"") && Contains("\"until_lsn\":\"0/29000000\"") &&
                       Contains("\"until_timeline\":1") && Contains("\"proof\":\"listed\""));
  const std::string deep = backups_json(*moment_of(whole()), {.cluster = "", .deep = true});
  CHECK_THAT(deep, Contains("\"restorable\":\"unknown\""));
}

TEST_CASE("an archive that cannot be read is unknown, and says why", "[app]") {
  auto stores = std::make_shared<model::ArchiveSlice>();
  const Why why{Absence::kUnknown,
                Error(ErrorCode::kForbidden, "AccessDenied: grant s3:ListBucket"), "object_store"};
  stores->archives.push_back(
      std::make_shared<const model::Archive>(model::Archive::absent(whole().id, why)));
  model::Slices all = slices({}, kubernetes_slice({}, kNow));
  all.archives = std::move(stores);
  State state;
  const config::Config config = with_server(whole());
  const auto moment =
      step(state, model::assemble(all, freshness_of(config), kNow, kNow - 1h), config);
  CHECK_THAT(backups_text(*moment, {}), Contains("unknown: AccessDenied: grant s3:ListBucket"));
  CHECK_FALSE(all_restorable(*moment, {}));
  const auto plan = restore_plan(*moment, {.cluster = "pg", .to = {}, .name = ""});
  REQUIRE_FALSE(plan);
  CHECK_THAT(plan.error().message(), Contains("AccessDenied"));
}

TEST_CASE("a restore plan names the backup, the server of the archive, and a new one", "[app]") {
  const auto moment = moment_of(whole());
  const auto plan = restore_plan(*moment, {.cluster = "default/pg", .to = {}, .name = ""});
  REQUIRE(plan);
  CAPTURE(*plan);
  CHECK_THAT(*plan,
             Contains("kind: ObjectStore") && Contains("destinationPath: \"s3://backups/pg\""));
  CHECK_THAT(*plan, Contains("name: \"pg-restored\"\n  namespace: \"default\"\n"));
  CHECK_THAT(*plan, Contains("backupID: \"20270115T080000\"") && Contains("targetTLI: \"1\""));
  CHECK_THAT(*plan, Contains("serverName: \"pg\"\n") &&
                        Contains("serverName: \"pg-restored-20270115T080000\"\n"));
  CHECK_THAT(*plan, Contains("size: 2Gi"));
}

TEST_CASE("a restore plan takes only an ObjectStore that leads to the archive", "[app]") {
  const ArchiveBuilder archive = whole();
  const auto plan_with = [&](const std::string& destination) {
    auto object = std::make_shared<model::ObjectStore>();
    object->meta.ns = "default";
    object->meta.name = "store";
    object->store.destination_path = destination;
    object->store.endpoint_url = archive.id.endpoint;
    model::KubernetesSlice kubernetes = kubernetes_slice({}, kNow);
    kubernetes.object_stores =
        Observed<model::ObjectList<model::ObjectStore>>::known({std::move(object)}, kNow);
    auto stores = std::make_shared<model::ArchiveSlice>();
    stores->archives.push_back(std::make_shared<const model::Archive>(archive.archive()));
    model::Slices all = slices({}, std::move(kubernetes));
    all.archives = std::move(stores);
    State state;
    const config::Config config = with_server(archive);
    const auto moment =
        step(state, model::assemble(all, freshness_of(config), kNow, kNow - 1h), config);
    return restore_plan(*moment, {.cluster = "default/pg", .to = {}, .name = ""});
  };
  const auto there = plan_with("s3://backups/pg/");
  REQUIRE(there);
  CHECK_THAT(*there, Contains("barmanObjectName: \"store\"") && !Contains("kind: ObjectStore"));
  const auto elsewhere = plan_with("s3://moved/pg");
  REQUIRE(elsewhere);
  CHECK_THAT(*elsewhere, Contains("kind: ObjectStore") && !Contains("barmanObjectName: \"store\""));
}

TEST_CASE("a time outside of what can be restored is refused, with what can", "[app]") {
  const auto moment = moment_of(whole());
  const auto plan_to = [&](WallTime to) {
    return restore_plan(*moment, {.cluster = "pg", .to = to, .name = "again"});
  };
  const auto inside_it = plan_to(archived_at(20));
  REQUIRE(inside_it);
  CHECK_THAT(*inside_it, Contains("targetTime: \"" + format_rfc3339(archived_at(20)) + "\"") &&
                             Contains("name: \"again\""));
  const auto before = plan_to(archived_at(1));
  REQUIRE_FALSE(before);
  CHECK(before.error().code() == ErrorCode::kInvalid);
  CHECK_FALSE(before.error().message().empty());
  CHECK_FALSE(plan_to(archived_at(60)));
  const auto none = restore_plan(*moment, {.cluster = "shop", .to = {}, .name = ""});
  REQUIRE_FALSE(none);
  CHECK_THAT(none.error().message(), Contains("default/pg"));
}

}  // namespace keelwatch::app
