// What listings of wals/ and base/ leave, page by page.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "config/limits.h"
#include "sources/object_store/base_listing.h"
#include "sources/object_store/wal_listing.h"
#include "tests/support/memory_bucket.h"

using Catch::Contains;
using namespace std::chrono_literals;

namespace keelwatch::sources {
namespace {

using testing::MemoryBucket;

constexpr std::int64_t kSize = model::kDefaultWalSegmentBytes;
const std::string kServer = "p/pg/";

WallTime at(std::int64_t second) { return from_unix_millis(1'700'000'000'000 + second * 1000); }

std::string segment(std::uint32_t timeline, std::uint32_t log, std::uint32_t number,
                    const std::string& ending = "") {
  return kServer + "wals/" + segment_key({timeline, log, number}, {}) + ending;
}

// One server's wals/ and the listing of it.
struct Wals {
  void put(const std::string& key, std::int64_t bytes = kSize, std::string storage_class = "") {
    bucket.put_sized(key, bytes, at(static_cast<std::int64_t>(bucket.size())), storage_class);
  }
  void put_segments(std::uint32_t timeline, std::uint32_t first, std::uint32_t last) {
    for (std::uint32_t i = first; i <= last; ++i) put(segment(timeline, i / 256, i % 256));
  }
  // Both return the number of requests.
  int whole() {
    listing.begin_whole(at(0));
    int requests = 0;
    while (const auto request = listing.next_whole()) {
      ++requests;
      result = listing.add_whole(bucket.list(*request));
    }
    return requests;
  }
  int fresh() {
    listing.begin_new();
    int requests = 0;
    while (const auto request = listing.next_new()) {
      ++requests;
      result = listing.add_new(bucket.list(*request));
    }
    return requests;
  }
  model::WalArchive facts(std::optional<std::int64_t> segment_bytes = kSize) const {
    const auto made = listing.contents().facts(segment_bytes);
    REQUIRE(made);
    return *made;
  }
  // "1:2-5 1:7-7": timeline, first, last.
  std::string runs() const {
    std::string all;
    for (const model::WalRun& run : facts().runs) {
      all += (all.empty() ? "" : " ") + std::to_string(run.timeline) + ":" +
             std::to_string(run.first) + "-" + std::to_string(run.last);
    }
    return all;
  }

  MemoryBucket bucket;
  WalListing listing{kServer};
  Result<void> result;
};

std::string names(const std::vector<SegmentToProve>& segments) {
  std::string result;
  for (const SegmentToProve& one : segments) result += text(one.name).substr(7) + " ";
  return result;
}

}  // namespace

TEST_CASE("segments without a gap are one run, over logs and pages", "[object_store]") {
  Wals wals;
  wals.put_segments(1, 250, 3000);
  wals.bucket.erase(segment(1, 4, 7));
  wals.put(segment(1, 0, 251, ".00000028.backup"), 300);
  wals.put_segments(2, 3000, 3001);
  wals.put(kServer + "wals/00000002.history", 41);
  CHECK(wals.whole() == 3);
  REQUIRE(wals.result);
  CHECK(wals.runs() == "1:250-1030 1:1032-3000 2:3000-3001");
  const model::WalArchive facts = wals.facts();
  CHECK(facts.runs[0].bytes == 781 * kSize);
  CHECK(facts.runs[0].first_modified == at(0));
  CHECK(facts.runs[0].last_modified == at(780));
  CHECK(facts.objects == 2754);
  CHECK(facts.bytes == 2752 * kSize + 341);
  CHECK(facts.faults.empty());
  CHECK(facts.foreign_objects == 0);
  REQUIRE(facts.histories.size() == 1);
  CHECK(facts.histories[0].timeline == 2);
  CHECK_FALSE(facts.histories[0].switches.is_known());
  CHECK(wals.listing.listed_whole_at() == at(0));
}

TEST_CASE("the same names mean other runs with another segment size", "[object_store]") {
  Wals wals;
  for (const std::uint32_t i : {62U, 63U}) wals.put(segment(1, 0, i), std::int64_t{64} << 20U);
  wals.put(segment(1, 1, 0), std::int64_t{64} << 20U);
  wals.put(segment(1, 1, 64), std::int64_t{64} << 20U);
  wals.whole();
  const model::WalArchive facts = wals.facts(std::int64_t{64} << 20U);
  REQUIRE(facts.runs.size() == 1);
  CHECK((facts.runs[0].first == 62 && facts.runs[0].last == 64));
  CHECK(facts.foreign_objects == 1);  // a log has no segment 0x40 then
  CHECK(facts.foreign == std::vector<std::string>{"000000010000000100000040"});
  CHECK(facts.faults.empty());
  const model::WalArchive unknown = wals.facts(std::nullopt);
  CHECK(unknown.runs.empty());
  CHECK(unknown.faults.empty());
  CHECK(unknown.objects == 4);
}

TEST_CASE("what a listing alone says against a segment", "[object_store]") {
  Wals wals;
  wals.put_segments(1, 1, 9);
  wals.put(segment(1, 0, 2), 0);
  wals.put(segment(1, 0, 4), kSize - 1);
  wals.put(segment(1, 0, 10, ".gz"), 0);
  wals.put(segment(1, 0, 11, ".gz"), 77);
  wals.put(segment(1, 0, 12, ".gz"), 77, "DEEP_ARCHIVE");
  wals.put(segment(1, 0, 13), kSize, "GLACIER");
  wals.put(segment(1, 0, 14), kSize, "GLACIER_IR");
  wals.put(segment(1, 0, 15, ".gpg"), 99);
  wals.whole();
  CHECK(wals.runs() == "1:1-15");
  const auto faults = wals.facts().faults;
  std::string found;
  for (const model::WalFault& fault : faults) {
    found += std::to_string(fault.segment.number) + " " + fault.kind + ", ";
    CHECK(fault.modified);
  }
  CHECK(found == "2 empty, 4 wrong_size, 10 empty, 12 storage_class, 13 storage_class, ");
  CHECK(faults[1].detail == "16777215 bytes, not 16777216");
}

TEST_CASE("more faults than can be told are no answer", "[object_store]") {
  Wals wals;
  for (std::uint32_t i = 0; i < 20'001; ++i) wals.put(segment(1, i / 256, i % 256), 5);
  wals.whole();
  REQUIRE(wals.listing.listed_whole_at());
  const auto facts = wals.listing.contents().facts(kSize);
  REQUIRE_FALSE(facts);
  CHECK(facts.error().code() == ErrorCode::kTooLarge);
  CHECK_THAT(facts.error().message(), Contains("the first is 000000010000000000000000: 5 bytes"));
  CHECK(wals.listing.contents().facts(std::nullopt));
}

TEST_CASE("of a segment that is stored twice the first name counts", "[object_store]") {
  Wals wals;
  wals.put_segments(1, 1, 3);
  wals.put(segment(1, 0, 2, ".gz"), 0);
  wals.put(segment(1, 0, 2, ".partial"), 5);
  wals.put(segment(1, 0, 4, ".partial.gz"), 6);
  wals.put(segment(1, 0, 4, ".partial.xz"), 7);
  wals.whole();
  CHECK(wals.runs() == "1:1-3");
  const model::WalArchive facts = wals.facts();
  CHECK(facts.faults.empty());
  CHECK(facts.objects == 7);
  REQUIRE(facts.partials.size() == 1);
  CHECK(facts.partials[0].segment == model::WalSegment{1, 4});
  CHECK(facts.partials[0].bytes == 6);
  CHECK_FALSE(facts.partials[0].hides_whole);
}

TEST_CASE("a .partial comes before a segment that is .snappy, .xz or .zst", "[object_store]") {
  for (const char* suffix : {".snappy", ".xz", ".zst"}) {
    INFO(suffix);
    Wals wals;
    for (std::uint32_t i = 1; i <= 5; ++i) wals.put(segment(1, 0, i, suffix), 1000);
    wals.put(segment(1, 0, 3, std::string(".partial") + suffix), 900);
    wals.whole();
    CHECK(wals.runs() == "1:1-2 1:4-5");
    REQUIRE(wals.facts().partials.size() == 1);
    CHECK(wals.facts().partials[0].hides_whole);
    CHECK(wals.facts().partials[0].bytes == 900);
  }
}

TEST_CASE("a .partial of the wrong size cannot be replayed", "[object_store]") {
  Wals wals;
  wals.put_segments(1, 1, 3);
  wals.put(segment(1, 0, 4, ".partial"));
  wals.put(segment(1, 0, 5, ".partial"), kSize / 2);
  wals.put(segment(1, 0, 6, ".partial.gz"), 0);
  wals.put(segment(1, 0, 7, ".partial.gz"), 1000, "GLACIER");
  wals.put(segment(1, 0, 8), 7);
  wals.put(segment(1, 0, 9, ".xz"), 0);
  wals.whole();
  const model::WalArchive facts = wals.facts();
  std::string faults;
  for (const model::WalFault& fault : facts.faults) {
    faults += std::to_string(fault.segment.number) + ":" + fault.kind + " " + fault.detail + "\n";
  }
  CHECK(faults ==
        "5:wrong_size its .partial: 8388608 bytes, not 16777216\n"
        "6:empty its .partial: 0 bytes\n"
        "7:storage_class its .partial: GLACIER\n"
        "8:wrong_size 7 bytes, not 16777216\n"
        "9:compressed_data 0 bytes\n");  // Python's lzma refuses it, its gzip does not
}

TEST_CASE("foreign objects are counted, and a few are named", "[object_store]") {
  Wals wals;
  wals.put_segments(1, 1, 2);
  wals.put(kServer + "wals/0000000100000000/", 0);
  for (int i = 0; i < 30; ++i) wals.put(kServer + "wals/zz/" + std::to_string(i), 1);
  wals.put(kServer + "wals/0000000100000009/000000010000000000000003");
  wals.whole();
  const model::WalArchive facts = wals.facts();
  CHECK(facts.foreign_objects == 31);
  REQUIRE(facts.foreign.size() == limits::kForeignNames);
  CHECK(facts.foreign[0] == "0000000100000009/000000010000000000000003");
  CHECK(facts.objects == 33);
  // They are not counted again by each look at what is new.
  CHECK(wals.fresh() == 1);
  CHECK(wals.facts().foreign_objects == 31);
}

TEST_CASE("what is new costs a request per timeline and comes with its names", "[object_store]") {
  Wals wals;
  CHECK(wals.whole() == 1);
  CHECK(wals.fresh() == 1);
  CHECK(wals.runs().empty());
  wals.put_segments(1, 1, 2000);
  CHECK(wals.fresh() == 2);
  CHECK(wals.runs() == "1:1-2000");
  CHECK(wals.listing.take_new_segments().size() == 2000);
  CHECK(wals.fresh() == 1);
  CHECK(wals.listing.take_new_segments().empty());

  wals.put_segments(1, 2001, 2002);
  wals.put(kServer + "wals/00000002.history", 41);
  wals.put_segments(2, 2002, 2003);
  wals.put(kServer + "wals/00000003.history", 83);
  CHECK(wals.fresh() == 1);
  CHECK(wals.runs() == "1:1-2002 2:2002-2003");
  CHECK(wals.listing.histories_to_read() == std::vector<std::uint32_t>{2, 3});
  CHECK(names(wals.listing.take_new_segments()) ==
        "100000007000000D1 100000007000000D2 200000007000000D2 200000007000000D3 ");
  // The old primary goes on, and the timeline without segments gets its first.
  wals.put_segments(1, 2003, 2003);
  wals.put_segments(3, 2004, 2004);
  CHECK(wals.fresh() == 3);
  CHECK(wals.runs() == "1:1-2003 2:2002-2003 3:2004-2004");
  CHECK(wals.fresh() == 3);
  CHECK(wals.listing.listed_whole_at() == at(0));
}

TEST_CASE("late names and deletions show at the next listing of everything", "[object_store]") {
  Wals wals;
  wals.put_segments(1, 1, 4);
  wals.put_segments(1, 6, 9);
  wals.whole();
  wals.put_segments(1, 5, 5);
  wals.bucket.erase(segment(1, 0, 1));
  wals.fresh();
  CHECK(wals.runs() == "1:1-4 1:6-9");
  wals.whole();
  CHECK(wals.runs() == "1:2-9");
  CHECK(names(wals.listing.take_new_segments()) == "10000000000000005 ");
}

TEST_CASE("a listing of everything counts only when it is complete", "[object_store]") {
  Wals wals;
  wals.put_segments(1, 1, 1500);
  wals.whole();
  wals.bucket.erase(segment(1, 0, 1));
  wals.listing.begin_whole(at(100));
  REQUIRE(wals.listing.add_whole(wals.bucket.list(*wals.listing.next_whole())));
  CHECK(wals.runs() == "1:1-1500");
  // What is new meanwhile is seen, and is not lost when the rest has come.
  wals.put_segments(1, 1501, 1501);
  wals.fresh();
  CHECK(wals.runs() == "1:1-1501");
  REQUIRE(wals.listing.add_whole(wals.bucket.list(*wals.listing.next_whole())));
  CHECK_FALSE(wals.listing.next_whole());
  wals.fresh();
  CHECK(wals.runs() == "1:2-1501");
  CHECK(wals.listing.listed_whole_at() == at(100));

  wals.listing.begin_whole(at(200));
  REQUIRE(wals.listing.add_whole(wals.bucket.list(*wals.listing.next_whole())));
  wals.listing.abandon_whole();
  CHECK(wals.runs() == "1:2-1501");
  CHECK(wals.listing.listed_whole_at() == at(100));
}

TEST_CASE("a store that lists nonsense leaves what was known", "[object_store]") {
  const auto object = [](std::string key, std::int64_t bytes = kSize) {
    return S3Object{std::move(key), bytes, at(0), ""};
  };
  const std::vector<std::vector<S3Object>> pages = {
      {object("other/wals/x")},
      {object(segment(1, 0, 3)), object(segment(1, 0, 2))},
      {object(segment(1, 0, 3)), object(segment(1, 0, 3))},
      {object(segment(1, 0, 3), -1)},
  };
  for (const auto& objects : pages) {
    Wals wals;
    wals.put_segments(1, 1, 2);
    wals.whole();
    wals.listing.begin_whole(at(1));
    const auto whole = wals.listing.add_whole({objects, {}, ""});
    REQUIRE_FALSE(whole);
    CHECK(whole.error().code() == ErrorCode::kMalformed);
    CHECK_FALSE(wals.listing.next_whole());
    wals.listing.begin_new();
    CHECK_FALSE(wals.listing.add_new({objects, {}, ""}));
    CHECK_FALSE(wals.listing.next_new());
    CHECK(wals.listing.listed_whole_at() == at(0));
  }
  // Without an end.
  Wals wals;
  wals.listing.begin_whole(at(1));
  Result<void> result;
  std::size_t pages_taken = 0;
  while (wals.listing.next_whole()) {
    result = wals.listing.add_whole({{}, {}, "again"});
    ++pages_taken;
  }
  REQUIRE_FALSE(result);
  CHECK(result.error().code() == ErrorCode::kTooLarge);
  CHECK(pages_taken == limits::kListingPages + 1);
}

TEST_CASE("hundreds of thousands of segments are kept as a few hundred spans", "[object_store]") {
  WalListing listing(kServer);
  listing.begin_whole(at(0));
  std::uint32_t next = 0;
  while (listing.next_whole()) {
    S3Page page;
    for (int i = 0; i < 1000; ++i, ++next) {
      page.objects.push_back(
          {segment(1, next / 256, next % 256, ".gz"), 5'000'000 + next, at(next), "STANDARD"});
    }
    page.next = next < 200'000 ? "more" : "";
    REQUIRE(listing.add_whole(page));
  }
  CHECK(listing.contents().spans() == 782);
  const auto facts = listing.contents().facts(kSize);
  REQUIRE(facts);
  REQUIRE(facts->runs.size() == 1);
  CHECK(facts->runs[0].last == 199'999);
}

TEST_CASE("a history is asked for again only when its object is another", "[object_store]") {
  using Switches = Observed<std::vector<model::TimelineSwitch>>;
  Wals wals;
  const std::string key = kServer + "wals/00000002.history";
  wals.bucket.put_sized(key, 41, at(1));
  wals.whole();
  CHECK(wals.listing.histories_to_read() == std::vector<std::uint32_t>{2});
  wals.listing.set_history(2, Switches::known({{1, {5}, ""}}, at(2)), true);
  wals.whole();
  CHECK(wals.listing.histories_to_read().empty());
  CHECK(wals.facts().histories[0].switches.is_known());
  wals.bucket.put_sized(key, 41, at(3));
  wals.whole();
  CHECK(wals.listing.histories_to_read() == std::vector<std::uint32_t>{2});
  CHECK_FALSE(wals.facts().histories[0].switches.is_known());
}

TEST_CASE("base/ is a list of backups with their files", "[object_store]") {
  using Info = Observed<model::BackupInfo>;
  MemoryBucket bucket;
  BaseListing base(kServer);
  const auto list = [&] {
    base.begin();
    Result<void> result;
    while (const auto request = base.next()) result = base.add(bucket.list(*request));
    return result;
  };
  const std::string one = kServer + "base/20251124T000105/";
  const std::string two = kServer + "base/20251125T000105/";
  bucket.put_sized(one + "backup.info", 800, at(1));
  bucket.put_sized(one + "data.tar.gz", 5000, at(1));
  bucket.put_sized(one + "annotations/keep", 4, at(1));
  bucket.put_sized(two + "data.tar.gz", 6000, at(2), "GLACIER");
  bucket.put_sized(kServer + "base/README", 1, at(1));
  REQUIRE(list());
  CHECK(base.take_changed());
  auto backups = base.backups();
  REQUIRE(backups.size() == 2);
  CHECK(backups[0].id == "20251124T000105");
  REQUIRE(backups[0].files.size() == 3);
  CHECK(backups[0].files[0].name == "annotations/keep");
  CHECK(backups[1].files[0].storage_class == "GLACIER");
  REQUIRE_FALSE(backups[1].info.is_known());
  CHECK(backups[1].info.why().error.code() == ErrorCode::kNotFound);
  CHECK(backups[0].info.why().error.code() == ErrorCode::kUnavailable);
  CHECK(base.infos_to_read() == std::vector<std::string>{"20251124T000105"});
  CHECK(base.info_key("20251124T000105") == one + "backup.info");
  model::BackupInfo done;
  done.status = "DONE";
  base.set_info("20251124T000105", Info::known(done, at(5)), true);
  CHECK(base.done().size() == 1);

  // Nothing is read again, and data of a running backup changes nothing else.
  bucket.put_sized(two + "data_0001.tar.gz", 6000, at(3));
  REQUIRE(list());
  CHECK_FALSE(base.take_changed());
  CHECK(base.infos_to_read().empty());
  CHECK(base.backups()[0].info.is_known());
  CHECK(base.backups()[1].files.size() == 2);

  bucket.put_sized(one + "backup.info", 800, at(4));
  bucket.put_sized(two + "backup.info", 800, at(4));
  REQUIRE(list());
  CHECK(base.take_changed());
  CHECK(base.infos_to_read() == std::vector<std::string>{"20251125T000105", "20251124T000105"});
  CHECK_FALSE(base.backups()[0].info.is_known());

  base.begin();
  CHECK_FALSE(base.add({{{"elsewhere", 1, at(1), ""}}, {}, ""}));
  CHECK(base.backups().size() == 2);
  bucket.erase(one + "backup.info");
  bucket.erase(one + "data.tar.gz");
  bucket.erase(one + "annotations/keep");
  REQUIRE(list());
  CHECK(base.take_changed());
  CHECK(base.backups().size() == 1);
}

}  // namespace keelwatch::sources
