// The object store source against a bucket in memory that answers, refuses, hangs and counts.
#include "sources/object_store/object_store_source.h"

#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "tests/support/compress.h"
#include "tests/support/memory_bucket.h"
#include "tests/support/net_fixture.h"
#include "tests/support/wal_pages.h"

using namespace std::chrono_literals;
using Catch::Contains;

namespace keelwatch::testing {
namespace {

using discovery::ArchiveTarget;
using model::ArchiveSlice;
using sources::S3ListRequest;
using sources::S3Page;

constexpr std::int64_t kMiB = std::int64_t{1} << 20U;

// A store with one bucket, and what is wrong with it.
struct Store {
  MemoryBucket bucket;
  std::optional<Error> error;      // of every request
  std::optional<Error> get_error;  // of every GET
  std::string error_below;         // only of keys and prefixes that have this in them
  bool silent = false;
  int lists = 0;
  int base_lists = 0;  // of those
  int gets = 0;
  int settings = 0;
  std::vector<std::string> got;
};

class StoreReader final : public sources::ArchiveReader {
 public:
  StoreReader(EventLoop& loop, Store& store) : loop_(loop), store_(store) {}

  Task<Result<S3Page>> list(S3ListRequest request, SteadyTime deadline) override {
    ++store_.lists;
    if (request.prefix.ends_with("base/")) ++store_.base_lists;
    ++traffic_.list_requests;
    const std::optional<Error> problem = co_await trouble(request.prefix, deadline);
    if (problem) co_return *problem;
    co_return store_.bucket.list(request);
  }
  Task<Result<std::string>> get(std::string key, std::size_t max_bytes,
                                SteadyTime deadline) override {
    Result<std::string> text = co_await get_first(std::move(key), max_bytes + 1, deadline);
    if (text && text->size() > max_bytes) co_return Error(ErrorCode::kTooLarge, "too large");
    co_return text;
  }
  Task<Result<std::string>> get_first(std::string key, std::size_t bytes,
                                      SteadyTime deadline) override {
    ++store_.gets;
    ++traffic_.get_requests;
    store_.got.push_back(key);
    const std::optional<Error> problem = co_await trouble(key, deadline);
    if (problem) co_return *problem;
    if (store_.get_error) co_return *store_.get_error;
    const MemoryBucket::Object* object = store_.bucket.find(key);
    if (object == nullptr) co_return Error(ErrorCode::kNotFound, "NoSuchKey");
    traffic_.received_bytes += std::min(bytes, object->content.size());
    co_return object->content.substr(0, bytes);
  }
  Task<Result<model::BucketSettings>> settings(std::string prefix, SteadyTime deadline) override {
    ++store_.settings;
    ++traffic_.settings_requests;
    const std::optional<Error> problem = co_await trouble(prefix, deadline);
    if (problem) co_return *problem;
    model::BucketSettings settings;
    settings.versioning = true;
    co_return settings;
  }
  Task<Result<std::unique_ptr<sources::ObjectStream>>> open(std::string, SteadyTime) override {
    co_return Error(ErrorCode::kUnsupported, "no deep pass is asked for");
  }
  sources::S3Traffic traffic() const override { return traffic_; }

 private:
  Task<std::optional<Error>> trouble(std::string where, SteadyTime deadline) {
    co_await loop_.sleep_until(store_.silent ? deadline : loop_.now());
    if (store_.silent) co_return Error(ErrorCode::kTimeout, "no answer");
    const bool here = where.find(store_.error_below) != std::string::npos;
    co_return here ? store_.error : std::nullopt;
  }

  EventLoop& loop_;
  Store& store_;
  sources::S3Traffic traffic_;
};

ArchiveTarget target(std::string bucket = "b") {
  ArchiveTarget result;
  result.id = {"http://s3", std::move(bucket), "p", "pg"};
  result.access_key = "key";
  return result;
}

class Fixture {
 public:
  Fixture() { settings.listing_interval = 20ms; }
  ~Fixture() { source_.reset(); }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  Store& store(const std::string& bucket = "b") { return stores_[bucket]; }

  static WallTime modified() { return from_unix_millis(1'700'000'000'000); }
  void put(const std::string& below, std::string content) {
    store().bucket.put("p/pg/" + below, std::move(content), modified());
  }
  // Segments of 1 MiB.
  void put_segment(std::uint32_t timeline, std::uint32_t number, const std::string& ending = "",
                   std::uint64_t system_id = 42) {
    WalPage page;
    page.timeline = timeline;
    page.address = number * kMiB;
    page.segment_bytes = kMiB;
    page.system_id = system_id;
    const auto key = sources::segment_key({timeline, 0, number}, {}) + ending;
    put("wals/" + key, compress(ending, page.bytes(kMiB)));
  }
  void put_backup(const std::string& id, std::uint32_t begin, std::uint32_t end,
                  const std::string& status = "DONE") {
    put("base/" + id + "/data.tar", "data");
    put("base/" + id + "/backup.info", "begin_wal=" + text(sources::SegmentName{1, 0, begin}) +
                                           "\nend_wal=" + text(sources::SegmentName{1, 0, end}) +
                                           "\nstatus=" + status +
                                           "\nsystemid=42\nxlog_segment_size=1048576\n");
  }

  void start(std::vector<ArchiveTarget> targets) {
    source_ = std::make_unique<Running>(*this);
    source_->source.set_targets({std::move(targets)});
    source_->scope.spawn(source_->source.run());
  }
  void set_targets(std::vector<ArchiveTarget> targets) {
    source_->source.set_targets({std::move(targets)});
  }

  using Wanted = std::function<bool()>;
  bool until(Wanted wanted) {
    return net.loop.block_on(wait(std::move(wanted), net.loop.after(30s)));
  }
  // After this many further passes.
  void passes(int count = 2) {
    const int before = store().lists;
    const int per_pass = 2;
    REQUIRE(until([&] { return store().lists >= before + count * per_pass; }));
  }
  const model::Archive& archive(std::size_t i = 0) const { return *slice->archives.at(i); }
  const model::SourceReport& report(std::size_t i = 0) const { return slice->reports.at(i); }
  const model::WalArchive& wal() const { return archive().wal.known_value(); }
  bool has_wal() const { return slice && !slice->archives.empty() && archive().wal.is_known(); }
  bool settled() const { return has_wal() && report().up; }

  NetFixture net;
  SystemClock clock;
  std::string lines;
  Logger log{LogLevel::kDebug, LogFormat::kLogfmt,
             [this](std::string_view line) { lines += std::string(line) + "\n"; }};
  config::ObjectStores settings;
  std::shared_ptr<const ArchiveSlice> slice;

 private:
  struct Running {
    explicit Running(Fixture& f)
        : changed(f.net.loop),
          source(
              {f.net.loop, f.net.resolver, f.net.http, f.clock, f.log}, f.settings,
              [this, &f](std::shared_ptr<const ArchiveSlice> news) {
                f.slice = std::move(news);
                changed.notify_all();
              },
              [&f](const ArchiveTarget& t) -> std::unique_ptr<sources::ArchiveReader> {
                return std::make_unique<StoreReader>(f.net.loop, f.store(t.id.bucket));
              }) {}
    Signal changed;
    sources::ObjectStoreSource source;
    TaskScope scope;  // after the source: ends first
  };

  Task<bool> wait(Wanted wanted, SteadyTime deadline) {
    for (;;) {
      if (slice && wanted()) co_return true;
      const bool notified = co_await source_->changed.wait_until(deadline);
      source_->scope.rethrow_failure();
      if (!notified) co_return false;
    }
  }

  std::map<std::string, Store> stores_;
  std::unique_ptr<Running> source_;
};

}  // namespace

TEST_CASE("an archive is read into its facts", "[object_store]") {
  Fixture f;
  f.settings.listing_interval = 1h;
  f.put_backup("20251124T000105", 3, 4);
  f.put("base/20251125T000105/data.tar", "half");
  for (std::uint32_t i = 1; i <= 40; ++i) f.put_segment(1, i);
  f.put_segment(2, 41);
  f.put("wals/00000002.history", "1\t0/2900000\tno recovery target specified\n");
  f.put("wals/README", "?");
  f.start({target()});
  REQUIRE(f.until([&] { return f.settled() && !f.wal().proofs.empty(); }));

  REQUIRE(f.archive().backups.is_known());
  const auto& backups = f.archive().backups.known_value();
  REQUIRE(backups.size() == 2);
  CHECK(backups[0].info.known_value().status == "DONE");
  CHECK(backups[1].info.why().error.code() == ErrorCode::kNotFound);
  CHECK(f.archive().settings.known_value().versioning == true);

  const model::WalArchive& wal = f.wal();
  CHECK(wal.segment_bytes == kMiB);
  CHECK(wal.system_id == 42);
  REQUIRE(wal.runs.size() == 2);
  CHECK((wal.runs[0].first == 1 && wal.runs[0].last == 40));
  CHECK(wal.faults.empty());
  CHECK(wal.foreign_objects == 1);
  REQUIRE(wal.histories.size() == 1);
  CHECK(wal.histories[0].switches.known_value()[0].position == model::Lsn{0x2900000});
  // begin_wal and end_wal of the backup, and the newest of each timeline.
  REQUIRE(wal.proofs.size() == 3);
  CHECK((wal.proofs[0].first == 3 && wal.proofs[0].last == 4));
  CHECK((wal.proofs[1].first == 40 && wal.proofs[1].last == 40));
  CHECK((wal.proofs[2].timeline == 2 && wal.proofs[2].first == 41));

  CHECK(f.report().target == "s3://b/p/pg");
  CHECK(f.report().source == "object_store");
  CHECK(f.report().requests ==
        static_cast<std::uint64_t>(f.store().lists + f.store().gets + f.store().settings));
  CHECK(f.report().received_bytes);
}

TEST_CASE("a pass without news costs a request per timeline and one for base/", "[object_store]") {
  Fixture f;
  f.put_backup("20251124T000105", 3, 4);
  for (std::uint32_t i = 1; i <= 9; ++i) f.put_segment(1, i);
  f.put_segment(2, 9);
  f.put("wals/00000002.history", "1\t0/900000\tx\n");
  f.start({target()});
  REQUIRE(f.until([&] { return f.settled() && f.wal().proofs.size() == 3; }));
  const int gets = f.store().gets;
  const int settings = f.store().settings;
  const WallTime whole = f.wal().listed_whole_at;
  const WallTime before = f.archive().wal.observed_at();
  const int lists = f.store().lists;
  const int base_lists = f.store().base_lists;
  REQUIRE(f.until([&] { return f.store().lists >= lists + 30; }));
  CHECK((f.store().base_lists - base_lists) * 3 >= f.store().lists - lists - 2);
  CHECK(f.store().gets == gets);
  CHECK(f.store().settings == settings);
  CHECK(f.wal().listed_whole_at == whole);
  CHECK(f.archive().wal.observed_at() > before);
  CHECK(settings == 1);
  CHECK(f.lines.find("warn") == std::string::npos);
}

TEST_CASE("what is new is seen and looked into, and a new backup lists everything",
          "[object_store]") {
  Fixture f;
  for (const char* ending : {"", ".gz", ".bz2", ".xz", ".zst", ".lz4", ".snappy"}) {
    static std::uint32_t number = 20;
    f.put_segment(1, ++number, ending);
  }
  f.start({target()});
  REQUIRE(f.until([&] { return f.settled() && !f.wal().proofs.empty(); }));
  CHECK(f.wal().proofs[0].first == 21);
  CHECK(f.wal().proofs[0].last == 27);
  CHECK(f.wal().faults.empty());
  const WallTime whole = f.wal().listed_whole_at;

  f.put_segment(1, 28, ".zst");
  f.put_segment(1, 29, ".zst", 43);
  f.put("wals/0000000100000000/00000001000000000000001E.gz", "no gzip");
  REQUIRE(f.until([&] { return f.wal().faults.size() == 2; }));
  CHECK(f.wal().runs[0].last == 30);
  CHECK(f.wal().faults[0].kind == "system_id");
  CHECK(f.wal().faults[0].modified == Fixture::modified());
  CHECK(f.wal().faults[1].kind == "compressed_data");
  CHECK(f.wal().system_id == 43);
  CHECK(f.wal().listed_whole_at == whole);

  f.put_segment(1, 5);
  f.put_backup("20251124T000105", 5, 21);
  REQUIRE(f.until([&] { return f.wal().listed_whole_at > whole && f.wal().runs.size() == 2; }));
  CHECK(f.wal().runs[0].first == 5);
  REQUIRE(f.until([&] { return f.wal().proofs.size() == 2; }));
  CHECK(f.wal().proofs[0].first == 5);
}

TEST_CASE("everything is listed again when it is time", "[object_store]") {
  Fixture f;
  f.settings.full_listing_interval = 100ms;
  f.put_segment(1, 1);
  f.put_segment(1, 2);
  f.start({target()});
  REQUIRE(f.until([&] { return f.settled(); }));
  f.store().bucket.erase("p/pg/wals/0000000100000000/000000010000000000000001");
  REQUIRE(f.until([&] { return f.wal().runs[0].first == 2; }));
}

TEST_CASE("200,000 segments cost their pages once, then a request per timeline and one for base/",
          "[object_store]") {
  constexpr std::int64_t kBytes = 16 * kMiB;
  constexpr std::int64_t kObjects = 200'000;
  constexpr std::int64_t kTimelines = 3;
  Fixture f;
  f.settings.listing_interval = 50ms;
  const auto key = [](std::int64_t number) {
    // The timeline changes at a third and at two thirds of the way.
    const model::WalSegment segment{1 + number * kTimelines / kObjects, 0x100 + number};
    const std::string name = model::wal_segment_name(segment, kBytes);
    return "p/pg/wals/" + name.substr(0, 16) + "/" + name;
  };
  for (std::int64_t i = 0; i < kObjects; ++i) {
    f.store().bucket.put_sized(key(i), kBytes, Fixture::modified());
  }
  f.put("wals/00000002.history", "1\t104/00000000\tx\n");
  f.put("wals/00000003.history", "1\t104/00000000\tx\n2\t208/00000000\tx\n");
  ArchiveTarget sized = target();
  sized.segment_bytes = kBytes;
  f.start({sized});
  REQUIRE(f.until([&] { return f.settled(); }));
  CHECK(f.wal().objects == kObjects + 2);
  CHECK(f.wal().runs.size() == kTimelines);
  // Each page of a thousand once, and base/; then what is new, once or twice by now.
  CHECK(f.store().lists <= kObjects / 1000 + 2 + 2 * (kTimelines + 2));

  const auto begin = f.archive().wal.observed_at();
  const int before = f.store().lists;
  const int base_before = f.store().base_lists;
  REQUIRE(f.until([&] { return f.store().base_lists >= base_before + 5; }));
  const int passes = f.store().base_lists - base_before + 1;  // the last one may not be over
  CHECK(f.store().lists - before <= passes * (kTimelines + 2));
  CHECK(f.archive().wal.observed_at() > begin);
  CHECK(f.wal().runs.size() == kTimelines);

  // An old segment is deleted: the next listing of everything, which a new backup asks for, says
  // so.
  f.store().bucket.erase(key(1000));
  f.passes(3);
  CHECK(f.wal().runs.size() == kTimelines);
  f.put_backup("20251124T000105", 3, 4);
  REQUIRE(f.until([&] { return f.wal().runs.size() == kTimelines + 1; }));
  CHECK(f.wal().runs[0].last == 0x100 + 999);
  CHECK(f.wal().runs[1].first == 0x100 + 1001);
}

TEST_CASE("without an answer the last one stays, and a refusal leaves none", "[object_store]") {
  struct Case {
    const char* name;
    ErrorCode code;
    bool keeps;
  };
  const Case cases[] = {{"unavailable", ErrorCode::kUnavailable, true},
                        {"slow", ErrorCode::kTimeout, true},
                        {"forbidden", ErrorCode::kForbidden, false},
                        {"no bucket", ErrorCode::kNotFound, false},
                        {"nonsense", ErrorCode::kMalformed, false}};
  for (const Case& c : cases) {
    INFO(c.name);
    Fixture f;
    f.put_backup("20251124T000105", 1, 2);
    f.put_segment(1, 1);
    f.put_segment(1, 2);
    f.start({target()});
    REQUIRE(f.until([&] { return f.settled() && !f.wal().proofs.empty(); }));
    f.store().error = Error(c.code, "it says so");
    REQUIRE(f.until([&] { return !f.report().up; }));
    REQUIRE(f.until([&] { return f.archive().wal.is_known() == c.keeps; }));
    CHECK(f.archive().backups.is_known() == c.keeps);
    CHECK(f.report().last_error == "it says so");
    CHECK(f.report().errors.contains(std::string(to_string(c.code))));
    const bool known = f.archive().wal.is_known();
    const auto before = known ? f.archive().wal.observed_at() : WallTime();
    f.store().error.reset();
    REQUIRE(f.until([&] { return f.settled(); }));
    CHECK(f.archive().wal.observed_at() > before);
    CHECK(f.archive().backups.is_known());
  }
}

TEST_CASE("what only a part of an archive refuses costs only that part", "[object_store]") {
  Fixture f;
  f.put_backup("20251124T000105", 1, 2);
  f.put_segment(1, 1);
  f.put_segment(1, 2);
  f.store().error = Error(ErrorCode::kForbidden, "AccessDenied");
  f.store().error_below = "base/";
  f.start({target()});
  REQUIRE(f.until([&] { return f.has_wal() && !f.report().pending; }));
  CHECK_FALSE(f.report().up);
  CHECK_FALSE(f.archive().backups.is_known());
  CHECK(f.wal().runs.size() == 1);
  f.store().error_below = "wals/";
  REQUIRE(f.until([&] { return f.archive().backups.is_known() && !f.archive().wal.is_known(); }));
  CHECK_THAT(f.archive().wal.why().error.message(), Contains("AccessDenied"));
}

TEST_CASE("objects may be listed and not read", "[object_store]") {
  Fixture f;
  f.put_backup("20251124T000105", 1, 2);
  f.put_segment(1, 1);
  f.put_segment(1, 2);
  f.put("wals/00000002.history", "1\t0/200000\tx\n");
  f.store().get_error = Error(ErrorCode::kForbidden, "AccessDenied");
  f.start({target()});
  REQUIRE(f.until([&] { return f.has_wal() && !f.report().pending; }));
  CHECK_FALSE(f.report().up);
  CHECK_FALSE(f.wal().segment_bytes);
  CHECK(f.wal().runs.empty());
  CHECK(f.wal().objects == 3);
  const auto& info = f.archive().backups.known_value()[0].info;
  CHECK(info.why().error.code() == ErrorCode::kForbidden);
  CHECK(f.wal().histories[0].switches.why().error.code() == ErrorCode::kForbidden);
  // Where no backup.info tells the segment size either, a segment is asked again.
  f.store().bucket.erase("p/pg/base/20251124T000105/backup.info");
  f.store().get_error.reset();
  REQUIRE(f.until([&] { return f.settled() && !f.wal().proofs.empty(); }));
  CHECK(f.wal().segment_bytes == kMiB);
  CHECK(f.wal().histories[0].switches.is_known());
}

TEST_CASE("a file that makes no sense is said so once, until it is another", "[object_store]") {
  Fixture f;
  f.put("base/20251124T000105/backup.info", "<html>\n");
  f.put_segment(1, 1);
  f.put("wals/00000002.history", "?");
  f.start({target()});
  REQUIRE(f.until([&] { return f.settled(); }));
  const auto& info = f.archive().backups.known_value()[0].info;
  CHECK(info.why().error.code() == ErrorCode::kMalformed);
  CHECK_THAT(info.why().error.message(), Contains("20251124T000105/backup.info: line 1"));
  CHECK_THAT(f.wal().histories[0].switches.why().error.message(),
             Contains("00000002.history: line 1: begins with no timeline"));
  const int gets = f.store().gets;
  f.passes();
  CHECK(f.store().gets == gets);
  f.store().bucket.put("p/pg/base/20251124T000105/backup.info", "status=FAILED\n",
                       Fixture::modified() + 1s);
  REQUIRE(f.until([&] { return f.archive().backups.known_value()[0].info.is_known(); }));
}

TEST_CASE("why an archive is not read is said as it is", "[object_store]") {
  Fixture f;
  ArchiveTarget azure = target("a");
  azure.not_supported_reason = "Azure is not supported";
  ArchiveTarget nobody = target("b");
  nobody.not_set_up_reason = "no credential was given: apply the Secret";
  ArchiveTarget vanished = target("c");
  vanished.cannot_read_reason = "Secret db/s3 is gone";
  f.start({azure, nobody, vanished});
  REQUIRE(f.until([&] { return f.slice->archives.size() == 3; }));
  CHECK(f.archive(0).wal.why().absence == Absence::kUnknown);
  CHECK(f.archive(0).wal.why().error.code() == ErrorCode::kUnsupported);
  CHECK(f.report(0).last_error == "Azure is not supported");
  CHECK(f.archive(1).backups.why().absence == Absence::kNotSetUp);
  CHECK(f.report(1).not_set_up);
  CHECK(f.archive(2).settings.why().error.message() == "Secret db/s3 is gone");
  CHECK((!f.report(2).up && !f.report(2).pending && !f.report(2).not_set_up));
  CHECK(f.store().lists == 0);
}

TEST_CASE("another credential does not forget what is known", "[object_store]") {
  Fixture f;
  f.put_segment(1, 1);
  f.start({target()});
  REQUIRE(f.until([&] { return f.settled() && !f.wal().proofs.empty(); }));
  const WallTime whole = f.wal().listed_whole_at;
  const std::uint64_t requests = f.report().requests;
  ArchiveTarget rotated = target();
  rotated.session_token = "next";
  f.set_targets({rotated});
  f.passes();
  CHECK(f.wal().listed_whole_at == whole);
  CHECK(f.report().requests > requests);
  rotated.cannot_read_reason = "gone";
  f.set_targets({rotated});
  REQUIRE(f.until([&] { return !f.archive().wal.is_known(); }));
  f.set_targets({target()});
  REQUIRE(f.until([&] { return f.settled(); }));
  CHECK(f.wal().listed_whole_at == whole);
  f.set_targets({});
  REQUIRE(f.until([&] { return f.slice->archives.empty() && f.slice->reports.empty(); }));
}

TEST_CASE("a hung store costs only its own facts", "[object_store]") {
  Fixture f;
  f.settings.request_timeout = 10s;
  f.store("a").silent = true;
  f.put_segment(1, 1);
  f.start({target("a"), target("b")});
  REQUIRE(f.until([&] { return f.slice->archives.size() == 2 && f.report(1).up; }));
  CHECK_FALSE(f.archive(0).wal.is_known());
  CHECK(f.report(0).pending);
}

TEST_CASE("many new segments are looked into over several passes", "[object_store]") {
  Fixture f;
  f.put_segment(1, 1);
  f.start({target()});
  REQUIRE(f.until([&] { return f.settled() && !f.wal().proofs.empty(); }));
  for (std::uint32_t i = 2; i <= 150; ++i) f.put_segment(1, i, ".lz4");
  REQUIRE(f.until([&] { return f.wal().runs[0].last == 150; }));
  REQUIRE(f.until([&] { return f.wal().proofs[0].last == 150; }));
  CHECK(f.wal().proofs.size() == 1);
}

}  // namespace keelwatch::testing
