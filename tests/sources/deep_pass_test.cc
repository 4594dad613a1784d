// Deep passes of the object store source, over a bucket in memory.
#include <catch2/catch.hpp>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>

#include "sources/object_store/crc32c.h"
#include "sources/object_store/object_store_source.h"
#include "tests/support/compress.h"
#include "tests/support/memory_bucket.h"
#include "tests/support/net_fixture.h"
#include "tests/support/wal_writer.h"

using namespace std::chrono_literals;
using Catch::Contains;

namespace keelwatch::testing {
namespace {

using discovery::ArchiveTarget;
using sources::ObjectStream;

class ManualClock final : public Clock {
 public:
  WallTime wall() const override { return from_unix_millis(1'700'000'000'000) + passed; }
  SteadyTime steady() const override { return SteadyTime(std::chrono::hours(1000)) + passed; }
  Duration passed{};
};

struct Store {
  MemoryBucket bucket;
  std::optional<Error> list_error;
  std::string list_error_below = "";
  std::optional<Error> open_error;
  std::string open_error_in = "";
  std::map<std::string, int> opened;
  int streams = 0;
  int most_streams = 0;
};

class Reader final : public sources::ArchiveReader {
 public:
  Reader(EventLoop& loop, Store& store) : loop_(loop), store_(store) {}

  Task<Result<sources::S3Page>> list(sources::S3ListRequest request, SteadyTime) override {
    co_await loop_.sleep_until(loop_.now());
    if (store_.list_error && request.prefix.ends_with(store_.list_error_below)) {
      co_return *store_.list_error;
    }
    co_return store_.bucket.list(request);
  }
  Task<Result<std::string>> get(std::string key, std::size_t, SteadyTime) override {
    return get_first(std::move(key), std::numeric_limits<std::size_t>::max(), SteadyTime());
  }
  Task<Result<std::string>> get_first(std::string key, std::size_t bytes, SteadyTime) override {
    co_await loop_.sleep_until(loop_.now());
    const MemoryBucket::Object* object = store_.bucket.find(key);
    if (object == nullptr) co_return Error(ErrorCode::kNotFound, "NoSuchKey");
    co_return object->content.substr(0, bytes);
  }
  Task<Result<model::BucketSettings>> settings(std::string, SteadyTime) override {
    co_return model::BucketSettings();
  }
  Task<Result<std::unique_ptr<ObjectStream>>> open(std::string key, SteadyTime) override {
    co_await loop_.sleep_until(loop_.now());
    ++store_.opened[key];
    if (store_.open_error && key.find(store_.open_error_in) != std::string::npos) {
      co_return *store_.open_error;
    }
    const MemoryBucket::Object* object = store_.bucket.find(key);
    if (object == nullptr) co_return Error(ErrorCode::kNotFound, "NoSuchKey");
    co_return std::unique_ptr<ObjectStream>(
        std::make_unique<Stream>(loop_, store_, object->content));
  }
  sources::S3Traffic traffic() const override { return {}; }

 private:
  struct Stream final : ObjectStream {
    Stream(EventLoop& l, Store& s, std::string all) : loop(l), store(s), bytes(std::move(all)) {
      store.most_streams = std::max(store.most_streams, ++store.streams);
    }
    ~Stream() override { --store.streams; }
    Task<Result<std::optional<std::string>>> next(SteadyTime) override {
      co_await loop.sleep_until(loop.now());
      if (at == bytes.size()) co_return std::optional<std::string>();
      const std::size_t size = std::min<std::size_t>(100'000, bytes.size() - at);
      at += size;
      co_return std::optional<std::string>(bytes.substr(at - size, size));
    }
    EventLoop& loop;
    Store& store;
    std::string bytes;
    std::size_t at = 0;
  };

  EventLoop& loop_;
  Store& store_;
};

ArchiveTarget target(std::string server = "pg") {
  ArchiveTarget result;
  result.id = {"http://s3", "b", "p", std::move(server)};
  result.access_key = "key";
  return result;
}

// A file of a tar, as ustar has it.
std::string member(const std::string& name, const std::string& content) {
  std::string head(512, '\0');
  const auto put = [&head](std::size_t at, const std::string& text) {
    head.replace(at, text.size(), text);
  };
  char size[12];
  std::snprintf(size, sizeof size, "%011zo", content.size());
  put(0, name);
  put(100, "0000600");
  put(124, size);
  put(148, "        ");
  put(156, "0");
  put(257, std::string("ustar\0", 6) + "00");
  unsigned sum = 0;
  for (const char c : head) sum += static_cast<unsigned char>(c);
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  put(148, std::string(text, 7));
  return head + content + std::string((512 - content.size() % 512) % 512, '\0');
}

// The smallest data directory that there is something to say of.
std::string data_tar() {
  std::string control(8192, '\0');
  const auto put = [&control](std::size_t at, std::uint64_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) {
      control[at + i] = static_cast<char>(value >> 8 * i & 0xFFU);
    }
  };
  put(0, WalWriter::kSystemId, 8);
  put(8, 1300, 4);
  put(288, sources::crc32c(std::string_view(control).substr(0, 288)), 4);
  return member("PG_VERSION", "15\n") + member("global/pg_control", control) +
         member("backup_label", "START WAL LOCATION: 0/500028 (file 000000010000000000000005)\n") +
         std::string(1024, '\0');
}

class Fixture {
 public:
  Fixture() {
    settings.listing_interval = 20ms;
    settings.deep_pass = true;
    settings.deep_pass_daily_bytes = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 5; ++i) writer.fill_segment();
  }
  ~Fixture() { source_.reset(); }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  void put(const std::string& below, std::string content, const std::string& server = "pg") {
    store.bucket.put("p/" + server + "/" + below, std::move(content),
                     from_unix_millis(1'700'000'000'000 + 1000 * ++puts_));
  }
  static std::string key(std::int64_t number) {
    return "wals/0000000100000000/" +
           model::wal_segment_name({1, number}, WalWriter::kSegmentBytes) + ".gz";
  }
  void put_segment(std::int64_t number, const std::string& server = "pg") {
    put(key(number), compress(".gz", writer.segment(number)), server);
  }
  // Segments 5 to 8, each with a record that goes on in the next.
  void put_segments(const std::string& server = "pg") {
    for (std::int64_t number = 5; number <= 8; ++number) put_segment(number, server);
  }
  void put_damaged(std::int64_t number) {
    std::string bytes = writer.segment(number);
    bytes[500'000] = static_cast<char>(bytes[500'000] ^ 1);
    put(key(number), compress(".gz", bytes));
  }
  void put_backup(const std::string& id, int begin, int end) {
    const auto name = [](int number) {
      return model::wal_segment_name({1, number}, WalWriter::kSegmentBytes);
    };
    put("base/" + id + "/data.tar", data_tar());
    put("base/" + id + "/backup.info",
        "begin_wal=" + name(begin) + "\nend_wal=" + name(end) + "\nstatus=DONE\nsystemid=" +
            std::to_string(WalWriter::kSystemId) + "\nxlog_segment_size=1048576\n");
  }
  int opened(const std::string& below) { return store.opened["p/pg/" + below]; }

  void start(std::vector<ArchiveTarget> targets = {target()}) {
    source_ = std::make_unique<Running>(*this);
    source_->source.set_targets({std::move(targets)});
    source_->scope.spawn(source_->source.run());
  }
  bool until(std::function<bool()> wanted) {
    return net.loop.block_on(wait(std::move(wanted), net.loop.after(30s)));
  }
  bool until_complete() {
    return until([this] { return archive().deep && archive().deep->complete; });
  }
  const model::Archive& archive(std::size_t i = 0) const { return *slice->archives.at(i); }
  const model::WalArchive& wal() const { return archive().wal.known_value(); }
  const model::BaseBackup& backup() const { return archive().backups.known_value().at(0); }
  // "5-7 9"
  std::string proven() const {
    std::string text;
    for (const model::WalProof& proof : wal().proofs) {
      if (proof.by != "deep") continue;
      if (!text.empty()) text += " ";
      text += std::to_string(proof.first) + "-" + std::to_string(proof.last);
    }
    return text;
  }

  NetFixture net;
  ManualClock clock;
  Logger log{LogLevel::kDebug, LogFormat::kLogfmt, [](std::string_view) {}};
  config::ObjectStores settings;
  Store store;
  WalWriter writer{{1, 5}};
  std::shared_ptr<const model::ArchiveSlice> slice;

 private:
  struct Running {
    explicit Running(Fixture& f)
        : changed(f.net.loop),
          source(
              {f.net.loop, f.net.resolver, f.net.http, f.clock, f.log}, f.settings,
              [this, &f](std::shared_ptr<const model::ArchiveSlice> news) {
                f.slice = std::move(news);
                changed.notify_all();
              },
              [&f](const ArchiveTarget&) -> std::unique_ptr<sources::ArchiveReader> {
                return std::make_unique<Reader>(f.net.loop, f.store);
              }) {}
    Signal changed;
    sources::ObjectStoreSource source;
    TaskScope scope;  // after the source: ends first
  };

  Task<bool> wait(std::function<bool()> wanted, SteadyTime deadline) {
    for (;;) {
      if (slice && wanted()) co_return true;
      const bool notified = co_await source_->changed.wait_until(deadline);
      source_->scope.rethrow_failure();
      if (!notified) co_return false;
    }
  }

  std::int64_t puts_ = 0;
  std::unique_ptr<Running> source_;
};

}  // namespace

TEST_CASE("a deep pass proves WAL and backups", "[object_store]") {
  Fixture f;
  f.put_segments();
  f.put_backup("20251124T000105", 5, 6);
  f.start();
  REQUIRE(f.until_complete());
  CHECK(f.proven() == "5-7");
  CHECK(f.wal().faults.empty());
  REQUIRE(f.backup().proof);
  CHECK(f.backup().proof->fault == "");
  CHECK(f.backup().proof->whole);
  CHECK(f.archive().deep->last_error == "");
  CHECK(f.archive().deep->total_bytes > 0);
  CHECK(f.archive().deep->done_bytes == f.archive().deep->total_bytes);

  // The last record of the newest goes on in what is archived later.
  f.put_segment(9);
  REQUIRE(f.until([&] { return f.proven() == "5-8"; }));
  REQUIRE(f.until_complete());
  for (std::int64_t number = 5; number <= 9; ++number) CHECK(f.opened(Fixture::key(number)) == 1);
  CHECK(f.opened("base/20251124T000105/data.tar") == 1);
}

TEST_CASE("a .partial is read once, behind what it continues", "[object_store]") {
  Fixture f;
  f.settings.full_listing_interval = 50ms;
  f.put_segments();
  std::string bytes = f.writer.segment(9).substr(0, 300'000);
  bytes.resize(static_cast<std::size_t>(WalWriter::kSegmentBytes), '\0');
  std::string name = Fixture::key(9);
  name.insert(name.size() - 3, ".partial");
  f.put(name, compress(".gz", bytes));
  f.start();
  REQUIRE(f.until_complete());
  CHECK(f.proven() == "5-8");
  CHECK(f.wal().faults.empty());
  REQUIRE(f.wal().tails.size() == 1);
  CHECK(f.wal().tails[0].segment == model::WalSegment{1, 9});
  const auto begin = model::wal_segment_begin({1, 9}, WalWriter::kSegmentBytes).bytes;
  CHECK(f.wal().tails[0].end.bytes > begin + 200'000);
  CHECK(f.wal().tails[0].end.bytes <= begin + 300'000);
  CHECK(f.archive().deep->done_bytes == f.archive().deep->total_bytes);
  for (std::int64_t number = 5; number <= 8; ++number) CHECK(f.opened(Fixture::key(number)) == 1);
  CHECK(f.opened(name) == 1);

  // What was read of it says nothing of the whole segment, nor the other way round.
  f.put_segment(9);
  f.clock.passed += 1s;
  REQUIRE(f.until([&] { return f.wal().partials.empty() && f.opened(Fixture::key(9)) == 1; }));
  REQUIRE(f.until([&] { return f.wal().tails.size() == 1 && f.archive().deep->complete; }));
  CHECK(f.wal().tails[0].end.bytes > begin + 900'000);  // its last record goes on
  CHECK(f.proven() == "5-8");
  f.store.bucket.erase("p/pg/" + Fixture::key(9));
  f.clock.passed += 1s;
  REQUIRE(f.until([&] { return f.opened(name) == 2 && f.archive().deep->complete; }));
  CHECK(f.wal().tails[0].end.bytes <= begin + 300'000);
}

TEST_CASE("what a backup needs is read first, and the rest joins it", "[object_store]") {
  Fixture f;
  f.put_segments();
  f.put_segment(9);
  f.put_backup("20251124T000105", 7, 7);
  f.settings.deep_pass_daily_bytes = 100;  // an object at a time
  f.start();
  REQUIRE(f.until([&] { return f.archive().deep && f.archive().deep->last_error != ""; }));
  CHECK(f.opened(Fixture::key(7)) == 1);
  CHECK(f.opened(Fixture::key(8)) == 0);
  for (int i = 0; i < 20 && !f.archive().deep->complete; ++i) {
    const auto before = f.slice;
    f.clock.passed += 24h * 2000;
    REQUIRE(f.until([&] { return f.slice != before; }));
    if (f.opened(Fixture::key(5)) == 0) CHECK(f.opened(Fixture::key(6)) == 0);
  }
  REQUIRE(f.until_complete());
  CHECK(f.proven() == "5-8");
  CHECK(f.opened(Fixture::key(5)) == 1);
  CHECK(f.opened(Fixture::key(9)) == 1);
}

TEST_CASE("a changed byte is a fault of its segment until it is replaced", "[object_store]") {
  Fixture f;
  f.settings.full_listing_interval = 50ms;
  f.put_segments();
  f.put_damaged(6);
  f.start();
  REQUIRE(f.until_complete());
  REQUIRE(f.wal().faults.size() == 1);
  CHECK(f.wal().faults[0].segment == model::WalSegment{1, 6});
  CHECK(f.wal().faults[0].kind == "record");
  CHECK_THAT(f.wal().faults[0].detail, Contains("checksum"));
  f.put_segment(6);
  f.clock.passed += 1s;  // whole listings are told apart by their times
  REQUIRE(f.until([&] { return f.wal().faults.empty(); }));
  REQUIRE(f.until([&] { return f.proven() == "5-7"; }));
}

TEST_CASE("the first page and the deep pass tell a fault once", "[object_store]") {
  Fixture f;
  f.put_segments();
  f.put(Fixture::key(8), "no gzip");
  f.start();
  REQUIRE(f.until_complete());
  REQUIRE(f.wal().faults.size() == 1);
  CHECK(f.wal().faults[0].kind == "compressed_data");
  CHECK(f.proven() == "5-6");
}

TEST_CASE("a day's bytes are waited for", "[object_store]") {
  Fixture f;
  f.put_segments();
  f.put_segment(9);
  const auto bytes = f.store.bucket.find("p/pg/" + Fixture::key(5))->bytes;
  f.settings.deep_pass_daily_bytes = static_cast<double>(bytes) / 2.5;
  f.start();
  REQUIRE(f.until([&] { return f.archive().deep && f.archive().deep->last_error != ""; }));
  CHECK_THAT(f.archive().deep->last_error, Contains("object_stores.deep_pass_daily_bytes") &&
                                               Contains("have been read: it goes on in 2d"));
  CHECK_FALSE(f.archive().deep->complete);
  CHECK(f.opened(Fixture::key(5)) == 1);
  CHECK(f.opened(Fixture::key(6)) == 0);
  // One day's share does not make up for what the object took beyond the first.
  f.clock.passed += 24h;
  REQUIRE(f.until([&] { return f.archive().deep->last_error.ends_with("in 1d"); }));
  CHECK(f.opened(Fixture::key(6)) == 0);
  f.clock.passed += 24h;
  REQUIRE(f.until([&] { return f.opened(Fixture::key(6)) == 1; }));
  CHECK(f.opened(Fixture::key(7)) == 0);
}

TEST_CASE("a proof belongs to the files that were read", "[object_store]") {
  Fixture f;
  f.put_segments();
  f.put_backup("20251124T000105", 5, 6);
  f.start();
  REQUIRE(f.until_complete());
  REQUIRE(f.backup().proof);
  f.put("base/20251124T000105/annotations/keep", "standalone");
  REQUIRE(f.until([&] { return f.backup().files.size() == 3; }));
  CHECK(f.backup().proof);

  f.store.open_error = Error(ErrorCode::kUnavailable, "it is away");
  f.put("base/20251124T000105/data.tar", data_tar().substr(0, 5000));
  REQUIRE(f.until([&] { return !f.backup().proof; }));
  REQUIRE(f.until([&] { return f.archive().deep->last_error != ""; }));
  CHECK_FALSE(f.archive().deep->complete);
  CHECK_THAT(f.archive().deep->last_error, Contains("it is away"));
  f.store.open_error.reset();
  REQUIRE(f.until_complete());
  REQUIRE(f.backup().proof);
  CHECK_FALSE(f.backup().proof->whole);
  CHECK_THAT(f.backup().proof->fault, Contains("data.tar"));
  CHECK(f.archive().deep->last_error == "");
}

TEST_CASE("one object that is refused does not keep the rest", "[object_store]") {
  Fixture f;
  f.put_segments();
  f.put_backup("20251124T000105", 5, 6);
  f.put_backup("20251125T000105", 6, 7);
  f.store.open_error = Error(ErrorCode::kForbidden, "AccessDenied");
  f.store.open_error_in = "20251125T000105";
  f.start();
  REQUIRE(f.until([&] { return f.archive().deep && f.archive().deep->last_error != ""; }));
  REQUIRE(f.until([&] { return f.proven() == "5-7" && f.backup().proof; }));
  CHECK_THAT(f.archive().deep->last_error, Contains("backup 20251125T000105"));
  CHECK_FALSE(f.archive().deep->complete);
  f.store.open_error.reset();
  REQUIRE(f.until_complete());
  CHECK(f.archive().deep->last_error == "");
}

TEST_CASE("what can never be read is told, and is not waited for", "[object_store]") {
  Fixture f;
  f.put_segments();
  SECTION("encrypted WAL") {
    f.store.bucket.erase("p/pg/" + Fixture::key(8));
    f.put(Fixture::key(8) + ".gpg", "secret");
    f.start();
    REQUIRE(f.until_complete());
    CHECK(f.proven() == "5-6");
    CHECK_THAT(f.archive().deep->last_error, Contains("1 WAL segments are encrypted"));
  }
  SECTION("an encrypted backup") {
    f.put_backup("20251124T000105", 5, 6);
    f.store.bucket.erase("p/pg/base/20251124T000105/data.tar");
    f.put("base/20251124T000105/data.tar.gpg", "secret");
    f.start();
    REQUIRE(f.until_complete());
    CHECK_FALSE(f.backup().proof);
    CHECK_THAT(f.archive().deep->last_error, Contains("20251124T000105: the backup is encrypted"));
  }
  SECTION("a listing that is refused") {
    f.store.list_error = Error(ErrorCode::kForbidden, "AccessDenied");
    f.store.list_error_below = "base/";
    f.start();
    REQUIRE(f.until([&] { return f.archive().wal.is_known() && f.proven() == "5-7"; }));
    REQUIRE(f.until_complete());
    CHECK_THAT(f.archive().deep->last_error, Contains("AccessDenied"));
  }
}

TEST_CASE("archives take turns with one stream", "[object_store]") {
  Fixture f;
  f.put_segments("a");
  f.put_segments("b");
  f.start({target("a"), target("b")});
  REQUIRE(f.until([&] {
    return f.slice->archives.size() == 2 && f.archive(0).deep->complete &&
           f.archive(1).deep->complete;
  }));
  CHECK(f.store.most_streams == 1);
}

TEST_CASE("without a deep pass there is none, nor where nothing can be read", "[object_store]") {
  Fixture f;
  f.put_segments();
  SECTION("off") {
    f.settings.deep_pass = false;
    f.start();
    REQUIRE(f.until([&] { return f.archive().wal.is_known() && !f.wal().proofs.empty(); }));
    CHECK(f.proven() == "");
  }
  SECTION("no credential") {
    ArchiveTarget nobody = target();
    nobody.not_set_up_reason = "no credential was given";
    f.start({nobody});
    REQUIRE(f.until([&] { return f.slice->archives.size() == 1; }));
  }
  CHECK_FALSE(f.archive().deep);
  CHECK(f.store.opened.empty());
}

}  // namespace keelwatch::testing
