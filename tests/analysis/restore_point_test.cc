#include "analysis/restore_point.h"

#include <catch2/catch.hpp>

#include "tests/support/archive_builder.h"

using namespace keelwatch::testing;
using namespace std::chrono_literals;

namespace keelwatch::analysis {
namespace {

ArchiveBuilder steady() {
  return ArchiveBuilder().wal(1, 0, 40).backup("a", 2, 3).backup("b", 20, 21);
}

std::string chosen(const ArchiveBuilder& builder, const RestoreTarget& target) {
  const RestorePoints points = find_restore_points(builder.archive(), kSystemId);
  const RestoreChoice choice = choose_restore_point(points, target).known_value();
  if (!choice.possible) return choice.text;
  return choice.backup + " on " + std::to_string(choice.timeline) + " " +
         std::string(kProofs[static_cast<std::size_t>(choice.proof)]) +
         (choice.needs_target ? " only before: " + choice.text : "");
}

RestoreTarget at(WallTime time) { return {time, std::nullopt}; }
RestoreTarget at(model::Lsn lsn) { return {std::nullopt, lsn}; }

}  // namespace

TEST_CASE("a restore begins with the newest backup before the target", "[restore_point]") {
  CHECK(chosen(steady(), {}) == "b on 1 listed");
  CHECK(chosen(steady(), at(archived_at(30))) == "b on 1 listed");
  CHECK(chosen(steady(), at(archived_at(10))) == "a on 1 listed");
  CHECK(chosen(steady(), at(inside(10))) == "a on 1 listed");
  CHECK(chosen(steady(), at(inside(35))) == "b on 1 listed");
}

TEST_CASE("a choice says how well it is proven", "[restore_point]") {
  ArchiveBuilder b = steady();
  b.proven("header", 1, 0, 30);
  CHECK(chosen(b, at(archived_at(30))) == "b on 1 header");
  CHECK(chosen(b, at(archived_at(31))) == "b on 1 listed");
  CHECK(chosen(b, {}) == "b on 1 listed");
}

TEST_CASE("why there is nothing to restore", "[restore_point]") {
  CHECK(chosen(steady(), at(archived_at(0))) ==
        "2027-01-14T08:00:00Z is before the end of the oldest restorable backup, a of "
        "2027-01-14T08:02:40Z");
  CHECK(chosen(steady(), at(archived_at(41))) ==
        "2027-01-14T08:41:00Z is not reached: backup b can be replayed until "
        "2027-01-14T08:40:00Z, the end of what is archived");
  CHECK(chosen(steady().without(1, 10), at(archived_at(12))) ==
        "2027-01-14T08:12:00Z is not reached: backup a can be replayed until "
        "2027-01-14T08:09:00Z, where a segment is missing");
  CHECK(chosen(ArchiveBuilder().wal(1, 0, 9), {}) == "the archive holds no base backup");
  CHECK(chosen(ArchiveBuilder().wal(1, 0, 3).backup("a", 3, 4), {}) ==
        "no base backup can be restored; of the newest, a: it waits for segment "
        "000000010000000000000004");
}

TEST_CASE("where `latest` fails an earlier target is asked for", "[restore_point]") {
  CHECK(chosen(steady().fault(1, 30, "wrong_size"), {}) ==
        "b on 1 listed only before: PostgreSQL refuses segment 00000001000000000000001E "
        "(wrong_size: found it): restore to a time before it");
}

}  // namespace keelwatch::analysis
