#include "model/archive.h"

#include <catch2/catch.hpp>

#include "app/step.h"
#include "base/json.h"
#include "model/assemble.h"
#include "model/codec.h"
#include "tests/support/archive_builder.h"

using namespace keelwatch::testing;
using namespace std::chrono_literals;

namespace keelwatch::model {
namespace {

std::shared_ptr<const ArchiveSlice> slice_of(Archive archive) {
  auto slice = std::make_shared<ArchiveSlice>();
  slice->archives.push_back(std::make_shared<const Archive>(std::move(archive)));
  SourceReport report;
  report.source = "object_store";
  report.target = text(slice->archives[0]->id);
  report.up = true;
  report.last_success = kNow;
  slice->reports = {report};
  return slice;
}

ArchiveBuilder full() {
  ArchiveBuilder b;
  b.wal(1, 0, 9).wal(2, 9, 12).fault(1, 4, "magic").partial(1, 9).proven("deep", 1, 0, 3);
  b.history(2, {{1, inside(9), "promoted"}}).garbage_history(3);
  b.backup("a", 2, 3);
  b.last_backup().proof = BackupProof{true, "", 5, true};
  return b;
}

}  // namespace

TEST_CASE("an archive comes back from a tape as it was", "[archive]") {
  const auto slice = slice_of(full().archive());
  const auto written = [](const ArchiveSlice& s) {
    JsonWriter out;
    encode(out, s);
    return out.take();
  };
  const std::string text = written(*slice);
  JsonReader reader;
  const auto back = decode_archive_slice(reader.parse(text));
  REQUIRE(back.has_value());
  CHECK(written(*back) == text);
  CHECK(text.find("previousModified") != std::string::npos);
  CHECK(back->archives.at(0)->wal.known_value().system_id == kSystemId);
}

TEST_CASE("a listing that is too old is unknown", "[archive]") {
  Slices slices;
  slices.archives = slice_of(full().archive());
  const Freshness freshness;
  const World fresh = assemble(slices, freshness, kNow + freshness.archives);
  CHECK(fresh.archives == slices.archives);
  const World old = assemble(slices, freshness, kNow + freshness.archives + 1s);
  const Archive& archive = *old.archives->archives.at(0);
  CHECK_FALSE(archive.backups.is_known());
  CHECK(archive.settings.is_known());
  CHECK(archive.wal.why().error.message() == "no answer for 10m1s");
  CHECK(archive.wal.why().source == "object_store s3://backups/pg/pg");
  CHECK_FALSE(old.archives->reports.at(0).up);
}

TEST_CASE("the settings of a bucket last from one whole listing to the next", "[archive]") {
  config::Config config;
  config.object_stores.listing_interval = 10min;
  config.object_stores.full_listing_interval = 6h;
  const Freshness freshness = app::freshness_of(config);
  Slices slices;
  slices.archives = slice_of(full().archive());
  const auto after = [&](Duration age) {
    return assemble(slices, freshness, kNow + age).archives->archives.at(0);
  };
  CHECK(after(30min)->wal.is_known());
  CHECK_FALSE(after(31min)->wal.is_known());
  CHECK(after(18h)->settings.is_known());
  CHECK_FALSE(after(18h + 1s)->settings.is_known());
}

}  // namespace keelwatch::model
