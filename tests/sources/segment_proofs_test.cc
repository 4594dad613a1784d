// Which segments are looked into, and what is said of them.
#include "sources/object_store/segment_proofs.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "config/limits.h"
#include "tests/support/wal_pages.h"

namespace keelwatch::sources {
namespace {

using testing::WalPage;

constexpr std::int64_t kSize = model::kDefaultWalSegmentBytes;

SegmentToProve one(std::uint32_t timeline, std::uint32_t number) {
  return {{timeline, number / 256, number % 256}, {}, kSize, std::nullopt};
}

WalContents contents(const std::vector<SegmentToProve>& segments) {
  WalContents result;
  for (const SegmentToProve& s : segments) {
    const std::string key = "wals/" + segment_key(s.name, s.stored);
    REQUIRE(result.add(key, {key, kSize, std::nullopt, ""}, nullptr));
  }
  return result;
}

WalPageHeader page(const SegmentToProve& s, std::uint64_t system_id = 42) {
  WalPage wal_page;
  wal_page.timeline = s.name.timeline;
  wal_page.address = (std::int64_t{s.name.log} * 256 + s.name.segment) * kSize;
  wal_page.system_id = system_id;
  return *read_wal_page_header(wal_page.bytes());
}

std::string proofs_of(const SegmentProofs& proofs) {
  model::WalArchive archive;
  REQUIRE(proofs.put_into(archive));
  std::string result;
  for (const model::WalProof& p : archive.proofs) {
    CHECK(p.by == "header");
    result += std::to_string(p.timeline) + ":" + std::to_string(p.first) + "-" +
              std::to_string(p.last) + " ";
  }
  for (const model::WalFault& f : archive.faults) {
    result += std::to_string(f.segment.number) + "=" + f.kind + " ";
  }
  return result;
}

}  // namespace

TEST_CASE("segments that were looked into are joined where they touch", "[object_store]") {
  SegmentProofs proofs;
  const WalContents there = contents({});
  proofs.want({one(1, 255)});
  CHECK(proofs.next() == nullptr);  // what they are to fit is not known
  proofs.expect(kSize, 42);
  proofs.want({one(1, 257), one(1, 256), one(1, 255), one(1, 300), one(2, 258)});
  CHECK(proofs.waiting() == 5);
  while (const SegmentToProve* next = proofs.next()) {
    const SegmentToProve segment = *next;
    proofs.found(page(segment), there);
  }
  CHECK(proofs_of(proofs) == "1:255-257 1:300-300 2:258-258 ");
  proofs.want({one(1, 256), one(1, 301)});
  CHECK(proofs.waiting() == 1);
  // Another segment size makes other numbers of the names.
  proofs.expect(std::int64_t{64} << 20U, 42);
  CHECK(proofs_of(proofs).empty());
}

TEST_CASE("a fault stays until the segment is gone or has been replaced", "[object_store]") {
  SegmentProofs proofs;
  proofs.expect(kSize, 42);
  SegmentToProve compressed = one(1, 3);
  compressed.stored.compression = 1;
  proofs.want({one(1, 1), one(1, 2), compressed});
  const WalContents there = contents({one(1, 1), one(1, 2), compressed});
  proofs.found(page(one(1, 1)), there);
  proofs.found(page(one(1, 7)), there);
  proofs.found_damaged("ends early");
  CHECK(proofs_of(proofs) == "1:1-3 2=address 3=compressed_data ");
  proofs.retain(there);
  REQUIRE(proofs.waiting() == 2);
  CHECK(proofs_of(proofs) == "1:1-3 2=address 3=compressed_data ");
  proofs.found(page(one(1, 2)), there);
  CHECK(proofs_of(proofs) == "1:1-3 3=compressed_data ");
  proofs.retain(contents({one(1, 2)}));
  CHECK(proofs_of(proofs) == "1:2-2 ");
  CHECK(proofs.waiting() == 0);
}

TEST_CASE("what cannot be judged here is no proof and no fault", "[object_store]") {
  SegmentProofs proofs;
  proofs.expect(kSize, 42);
  SegmentToProve empty = one(1, 1);
  empty.each = 0;
  SegmentToProve encrypted = one(1, 2);
  encrypted.stored.encrypted = true;
  proofs.want({empty, encrypted, one(1, 3)});
  REQUIRE(proofs.waiting() == 1);
  WalPageHeader newer = page(one(1, 3));
  newer.magic = 0xD130;
  const WalContents there = contents({one(1, 3)});
  proofs.found(newer, there);
  CHECK(proofs_of(proofs).empty());
  proofs.want({one(1, 3)});
  CHECK(proofs.waiting() == 0);  // not over and over
  proofs.retain(there);
  proofs.want({one(1, 3)});
  CHECK(proofs.waiting() == 1);
}

TEST_CASE("the archive's system id is that of the newest segment that tells it", "[object_store]") {
  SegmentProofs proofs;
  proofs.expect(kSize, 42);
  const WalContents there = contents({});
  proofs.want({one(1, 9), one(1, 5), one(1, 10)});
  proofs.found(page(one(1, 9), 43), there);
  proofs.found(page(one(1, 5), 42), there);
  model::WalArchive archive;
  REQUIRE(proofs.put_into(archive));
  CHECK(archive.system_id == 43);
  REQUIRE(archive.faults.size() == 1);
  CHECK(archive.faults[0].kind == "system_id");
  WalPageHeader garbage = page(one(1, 10), 99);
  garbage.magic = 0;
  proofs.found(garbage, there);
  model::WalArchive after;
  REQUIRE(proofs.put_into(after));
  CHECK(after.system_id == 43);
}

TEST_CASE("of too many that wait the oldest are let go", "[object_store]") {
  SegmentProofs proofs;
  proofs.expect(kSize, 42);
  std::vector<SegmentToProve> many;
  for (std::uint32_t i = 0; i < limits::kSegmentsToProve + 10; ++i) many.push_back(one(1, i));
  proofs.want(many);
  CHECK(proofs.waiting() == limits::kSegmentsToProve);
  CHECK(proofs.next()->name.segment == 10);
}

}  // namespace keelwatch::sources
