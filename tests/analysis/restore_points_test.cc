#include "analysis/restore_points.h"

#include <catch2/catch.hpp>

#include "tests/support/archive_builder.h"

using namespace keelwatch::testing;
using namespace std::chrono_literals;

namespace keelwatch::analysis {
namespace {

constexpr std::uint64_t kOtherSystem = 7'300'000'000'000'000'777U;

std::string text(const std::optional<RecoveryWindow>& window) {
  if (!window) return "none";
  return window->oldest_backup + ".." + window->newest_backup + " until " +
         std::to_string(model::wal_segment_at(1, window->end_lsn, kSegment).number);
}

// "a restorable|b not_done: its status is FAILED".
std::string judged(const RestorePoints& points) {
  std::string out;
  for (const RestorePoint& p : points.backups.known_value()) {
    if (!out.empty()) out += "|";
    out += p.id + " " + std::string(to_string(p.state)) + (p.reason.empty() ? "" : ": " + p.reason);
  }
  return out;
}

std::string judged(const ArchiveBuilder& builder) {
  return judged(find_restore_points(builder.archive(), kSystemId));
}

ArchiveBuilder steady() {
  ArchiveBuilder b;
  return b.wal(1, 0, 40).backup("a", 2, 3).backup("b", 20, 21);
}

}  // namespace

TEST_CASE("a steady archive has one window, from its oldest backup to its newest segment",
          "[restore_points]") {
  const RestorePoints points = find_restore_points(steady().archive(), kSystemId);
  CHECK(judged(points) == "a restorable|b restorable");
  const auto& window = points.window[0].known_value();
  CHECK(text(window) == "a..b until 41");
  CHECK(window->start == archived_at(3) - 20s);
  CHECK(window->end == archived_at(40));
  CHECK(points.closed.empty());
  CHECK(points.gaps.known_value().segments == 0);
  CHECK(points.restore_bytes.known_value() == 400'001'000 + 21 * kSegment);
  // Nobody has looked into anything yet.
  CHECK_FALSE(points.window[1].known_value());
  CHECK_FALSE(points.window[2].known_value());
}

TEST_CASE("what is not proven is not in the window of that proof", "[restore_points]") {
  ArchiveBuilder b = steady();
  b.proven("header", 1, 0, 30).proven("deep", 1, 20, 25);
  b.last_backup().proof = model::BackupProof{true, "", 400'000'000, true};
  const RestorePoints points = find_restore_points(b.archive(), kSystemId);
  CHECK(text(points.window[0].known_value()) == "a..b until 41");
  CHECK(text(points.window[1].known_value()) == "a..b until 31");
  CHECK(points.window[1].known_value()->end == archived_at(30));
  CHECK(text(points.window[2].known_value()) == "b..b until 26");
  CHECK(points.window[2].known_value()->end == archived_at(25));
}

TEST_CASE("why a backup does not count", "[restore_points]") {
  const auto one = [] { return ArchiveBuilder().wal(1, 0, 9).backup("a", 2, 4); };
  const auto files = [&](std::vector<model::ArchivedFile> list) {
    ArchiveBuilder b = one();
    b.last_backup().files = std::move(list);
    return judged(b);
  };
  const auto info = [&](auto change) { return judged(one().info(change)); };
  using model::BackupInfo;
  CHECK(info([](BackupInfo& i) {
          i.status = "FAILED";
          i.error = "upload";
        }) == "a not_done: its status is FAILED: upload");
  CHECK(info([](BackupInfo& i) { i.status = ""; }) == "a not_done: its status is not told");
  CHECK(info([](BackupInfo& i) { i.begin_wal = "x"; }) ==
        "a unreadable: backup.info does not tell its WAL");
  CHECK(info([](BackupInfo& i) { i.end_time.reset(); }) ==
        "a unreadable: backup.info does not tell when it ended");
  CHECK(info([](BackupInfo& i) { i.tablespaces = {{"fast", 16390, "/x"}}; }) ==
        "a data_missing: 16390.tar is missing");
  CHECK(files({}) == "a data_missing: data.tar is missing");
  CHECK(files({{"data.tar", 1, kNow, ""}, {"data_0002.tar", 1, kNow, ""}}) ==
        "a data_missing: data_0001.tar is missing");
  CHECK(files({{"data.tar.bak", 1, kNow, ""}}) == "a data_missing: data.tar is missing");
  CHECK(files({{"data.tar", 1, kNow, ""}, {"data_0001.tar.bak", 1, kNow, ""}}) ==
        "a data_damaged: barman-cloud-restore fails on data_0001.tar.bak");
  CHECK(files({{"data.tar", 0, kNow, ""}}) == "a data_damaged: data.tar is empty");
  CHECK(files({{"data.tar", 1, kNow, "GLACIER"}}) ==
        "a thaw_first: data.tar is in storage class GLACIER and has to be restored from there "
        "first");
  CHECK(files({{"data.tar.gz", 1, kNow, "GLACIER_IR"}, {"data_0001.tar.gz", 1, kNow, ""}}) ==
        "a restorable");

  ArchiveBuilder damaged = one();
  damaged.last_backup().proof = model::BackupProof{false, "data.tar.gz ends early", 1, true};
  CHECK(judged(damaged) == "a data_damaged: data.tar.gz ends early");

  const auto unknown_info = [&](ErrorCode code) {
    ArchiveBuilder b = one();
    b.last_backup().info = Observed<BackupInfo>::unknown(Error(code, "why"), "object_store");
    return judged(b);
  };
  CHECK(unknown_info(ErrorCode::kMalformed) == "a unreadable: backup.info: why");
  CHECK(unknown_info(ErrorCode::kTimeout) == "a unknown: backup.info: why");
  CHECK(unknown_info(ErrorCode::kNotFound) ==
        "a incomplete: it has no backup.info; its last file came at 2027-01-15T08:00:00.000Z");
  ArchiveBuilder crashed = one();
  crashed.last_backup().info =
      Observed<BackupInfo>::unknown(Error(ErrorCode::kNotFound, "why"), "object_store");
  crashed.last_backup().files = {{"data.tar", 1, kNow - std::chrono::hours(24), ""}};
  CHECK_THAT(judged(crashed), Catch::StartsWith("a incomplete: "));
  crashed.last_backup().files = {{"data.tar", 1, kNow - std::chrono::hours(25), ""}};
  CHECK_THAT(judged(crashed), Catch::StartsWith("a debris: it has no backup.info; its last file"));

  const std::string third = "000000010000000000000003";
  CHECK(judged(one().without(1, 3)) == "a wal_missing: segment " + third + " is missing");
  CHECK(judged(one().fault(1, 3, "magic")) ==
        "a wal_damaged: segment " + third + ": magic: found it");
  // PostgreSQL reads ahead: one that it refuses directly behind the end comes too early.
  const std::string fifth = "000000010000000000000005";
  CHECK(judged(one().fault(1, 5, "wrong_size")) ==
        "a wal_damaged: segment " + fifth + ": wrong_size: found it");
  CHECK(judged(one().fault(1, 6, "wrong_size")) == judged(one()));
  CHECK(judged(one().fault(1, 5, "magic")) == judged(one()));
  CHECK(judged(ArchiveBuilder().wal(1, 0, 2).backup("a", 2, 3)) ==
        "a waiting_for_wal: it waits for segment " + third);
  CHECK(judged(one().garbage_history(2)) ==
        "a timeline: the history of timeline 2 cannot be read: line 1: not a switch");
  // An empty history: a timeline without parents, which is all that its own backups need.
  CHECK(judged(one().history(2, {})) == "a timeline: timeline 2 does not descend from timeline 1");
  CHECK(judged(ArchiveBuilder().wal(2, 0, 9).history(2, {}).backup("a", 2, 4, 2)) == judged(one()));
  CHECK(judged(one().info([](BackupInfo& i) { i.system_id = kOtherSystem; })) ==
        "a other_system: it is of system 7300000000000000777, not of 7300000000000000001");
}

TEST_CASE("damage behind a backup ends its window, and may forbid `latest`", "[restore_points]") {
  const auto latest = [](const ArchiveBuilder& b) {
    return find_restore_points(b.archive(), kSystemId).backups.known_value().back().latest_fails;
  };
  CHECK(latest(steady().fault(1, 30, "magic")).empty());
  CHECK(latest(steady().fault(1, 30, "wrong_size")) ==
        "PostgreSQL refuses segment 00000001000000000000001E (wrong_size: found it): restore to a "
        "time before it");
  ArchiveBuilder b = steady();
  b.wal(2, 36, 50).without(2, 35).history(2, {{1, inside(35), "promoted"}});
  CHECK(latest(b) ==
        "segment 000000020000000000000023 is missing and the old timeline went on: restore to a "
        "time before the promotion");
  CHECK(text(find_restore_points(b.archive(), kSystemId).window[0].known_value()) ==
        "a..b until 35");
}

TEST_CASE("a hole closes a window and the next backup begins another", "[restore_points]") {
  const RestorePoints points =
      find_restore_points(steady().without(1, 10).without(1, 11).archive(), kSystemId);
  CHECK(judged(points) == "a restorable|b restorable");
  CHECK(text(points.window[0].known_value()) == "b..b until 41");
  REQUIRE(points.closed.size() == 1);
  CHECK(text(points.closed[0]) == "a..a until 10");
  CHECK(points.closed[0].end == archived_at(9));
  CHECK(points.gaps.known_value().segments == 2);
}

TEST_CASE("after a major upgrade the old backups are a closed window", "[restore_points]") {
  ArchiveBuilder b = steady();  // of the old system
  b.wal(1, 41, 60);             // of the new one
  const auto windows = [](const ArchiveBuilder& builder) {
    const RestorePoints points = find_restore_points(builder.archive(), kOtherSystem);
    return judged(points) + " / " + text(points.window[0].known_value()) + " / " +
           std::to_string(points.closed.size());
  };
  const std::string old =
      " other_system: it is of system 7300000000000000001, not of "
      "7300000000000000777";
  CHECK(windows(b) == "a" + old + "|b" + old + " / none / 2");
  b.backup("c", 50, 51).info([](model::BackupInfo& i) { i.system_id = kOtherSystem; });
  CHECK(windows(b) == "a" + old + "|b" + old + "|c restorable / c..c until 61 / 2");
}

TEST_CASE("an archive that cannot be listed makes everything about it unknown",
          "[restore_points]") {
  model::Archive archive = steady().archive();
  archive.backups = Observed<std::vector<model::BaseBackup>>::unknown(
      Error(ErrorCode::kForbidden, "AccessDenied"), "object_store");
  const RestorePoints none = find_restore_points(archive, kSystemId);
  CHECK(none.backups.why().error.message() == "AccessDenied");
  CHECK(none.window[0].why().error.message() == "AccessDenied");

  archive = steady().archive();
  archive.wal = Observed<model::WalArchive>::unknown(Error(ErrorCode::kTimeout, "slow"), "x");
  const RestorePoints no_wal = find_restore_points(archive, kSystemId);
  CHECK(judged(no_wal) == "a unknown: its WAL: slow|b unknown: its WAL: slow");
  CHECK(no_wal.window[0].why().error.message() == "slow");

  // A backup that nobody could read may be the only one: not "none".
  archive = ArchiveBuilder().wal(1, 0, 9).backup("a", 2, 4).archive();
  std::vector<model::BaseBackup> backups = archive.backups.known_value();
  backups[0].info = Observed<model::BackupInfo>::unknown(Error(ErrorCode::kTimeout, "slow"), "x");
  archive.backups = Observed<std::vector<model::BaseBackup>>::known(backups, kNow);
  CHECK_FALSE(find_restore_points(archive, kSystemId).window[0].is_known());
}

TEST_CASE("an empty archive has no window, and that is known", "[restore_points]") {
  model::Archive archive = ArchiveBuilder().archive();
  const RestorePoints points = find_restore_points(archive, std::nullopt);
  CHECK_FALSE(points.window[0].known_value().has_value());
  model::WalArchive wal;  // nothing tells the size of a segment
  archive.wal = Observed<model::WalArchive>::known(wal, kNow);
  CHECK_FALSE(find_restore_points(archive, kSystemId).window[0].known_value().has_value());
}

}  // namespace keelwatch::analysis
