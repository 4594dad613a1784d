// What an object store that cannot be read leaves on /metrics: a reason, and no number that is
// taken for a fact. The source asks the stand-in over HTTP; the page is what a scrape would get.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <stdexcept>

#include "app/explain.h"
#include "app/step.h"
#include "sources/object_store/object_store_source.h"
#include "tests/standins/s3_store.h"
#include "tests/support/net_fixture.h"
#include "tests/support/pages.h"
#include "tests/support/wal_pages.h"
#include "tests/support/world_builder.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;
using Catch::Contains;

namespace keelwatch::app {
namespace {

using standins::S3Fault;

constexpr std::int64_t kMiB = std::int64_t{1} << 20U;

class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "keelwatch-refusal-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// An archive of one backup and eight segments, in a store of which a test says what is wrong.
class Fixture {
 public:
  Fixture() {
    target.id = {store.url(), "backups", "lab", "pg"};
    target.access_key = standins::S3Account().access_key;
    target.secret_key = Secret(standins::S3Account().secret_key);
    config.object_stores.listing_interval = 20ms;
    config.object_stores.request_timeout = 300ms;
    config::ArchivedServer server;
    server.name = "pg";
    server.ns = "default";
    server.cluster = "pg";
    config::ObjectStore configured;
    configured.destination = "s3://backups/lab";
    configured.endpoint = store.url();
    configured.servers = {std::move(server)};
    config.object_stores.stores = {std::move(configured)};
    fill();
  }
  ~Fixture() { running_.reset(); }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  // Asks until the first pass has ended, one way or the other.
  void look() {
    if (!running_) running_ = std::make_unique<Running>(*this);
    running_->source.set_targets({{target}});
    wait([&] { return !slice->reports.empty() && !slice->reports[0].pending; });
  }
  using Wanted = std::function<bool()>;
  void wait(Wanted wanted) {
    const bool seen = net.loop.block_on(until(std::move(wanted), net.loop.after(20s)));
    REQUIRE(seen);
  }
  [[nodiscard]] const model::SourceReport& report() const { return slice->reports.at(0); }

  [[nodiscard]] std::shared_ptr<const Moment> moment(Duration later = 0s) {
    const WallTime now = clock.wall() + later;
    model::Slices all = slices({}, kubernetes_slice({}, now));
    all.archives = slice;
    State state;
    return step(state, model::assemble(all, freshness_of(config), now, now - 1h), config);
  }

  Folder folder;
  standins::S3Store store{[this] {
    standins::S3Store::Options options;
    options.root = folder.path();
    return options;
  }()};
  NetFixture net;
  SystemClock clock;
  Logger log{LogLevel::kError};
  config::Config config;
  discovery::ArchiveTarget target;
  std::shared_ptr<const model::ArchiveSlice> slice;

 private:
  struct Running {
    explicit Running(Fixture& f)
        : changed(f.net.loop),
          source(
              {f.net.loop, f.net.resolver, f.net.http, f.clock, f.log}, f.config.object_stores,
              [this, &f](std::shared_ptr<const model::ArchiveSlice> news) {
                f.slice = std::move(news);
                changed.notify_all();
              },
              sources::open_over_s3({f.net.loop, f.net.resolver, f.net.http, f.clock, f.log})) {
      scope.spawn(source.run());
    }
    Signal changed;
    sources::ObjectStoreSource source;
    TaskScope scope;  // after the source: ends first
  };

  Task<bool> until(Wanted wanted, SteadyTime deadline) {
    for (;;) {
      if (slice && wanted()) co_return true;
      const bool notified = co_await running_->changed.wait_until(deadline);
      running_->scope.rethrow_failure();
      if (!notified) co_return false;
    }
  }

  void fill() {
    store.make_bucket("backups");
    const auto put = [&](const std::string& below, const std::string& content) {
      store.put("backups", "lab/pg/" + below, content);
    };
    for (std::uint32_t number = 1; number <= 8; ++number) {
      WalPage page;
      page.timeline = 1;
      page.address = number * kMiB;
      page.segment_bytes = kMiB;
      page.system_id = 42;
      put("wals/" + sources::segment_key({1, 0, number}, {}), page.bytes(kMiB));
    }
    put("base/20251124T000105/data.tar", "data");
    put("base/20251124T000105/backup.info",
        "begin_time=2025-11-24 00:01:05+00:00\nbegin_wal=000000010000000000000002\n"
        "begin_xlog=0/200028\nend_time=2025-11-24 00:02:05+00:00\n"
        "end_wal=000000010000000000000003\nend_xlog=0/300100\nstatus=DONE\nsystemid=42\n"
        "timeline=1\nversion=150007\nxlog_segment_size=1048576\n");
  }

  std::unique_ptr<Running> running_;
};

// All that the page says of archives, but what Kubernetes alone tells.
std::string told(const Moment& moment) {
  std::string out;
  for (const char* prefix : {"keelwatch_recovery_", "keelwatch_wal_archive_"}) {
    const std::string lines = sample_lines(moment, prefix);
    for (std::size_t at = 0; at < lines.size();) {
      const std::size_t end = lines.find('\n', at);
      const std::string line = lines.substr(at, end - at);
      at = end + 1;
      if (line.find("problem=\"shared\"") == std::string::npos) out += line + "\n";
    }
  }
  return out;
}

std::string readable(bool yes) {
  return std::string(
             "keelwatch_wal_archive_readable{namespace=\"default\",cluster=\"pg\","
             "archive=\"s3://backups/lab/pg\"} ") +
         (yes ? "1\n" : "0\n");
}

// Why a family has no sample.
std::string why(const Moment& moment, std::string_view family) {
  for (const metrics::Absent& absent : moment.samples.absent) {
    if (absent.family->name() == family) return absent.why.error.message();
  }
  return "it is not absent";
}

struct Trouble {
  const char* name;
  std::function<void(Fixture&)> make;
  const char* code;
  const char* says;
};

S3Fault fault(S3Fault::Kind kind, std::chrono::milliseconds delay = 0ms) {
  S3Fault made;
  made.kind = kind;
  made.delay = delay;
  return made;
}

const Trouble kTroubles[] = {
    {"a wrong key", [](Fixture& f) { f.target.secret_key = Secret("wrong"); }, "forbidden",
     "the secret key is not that of access key AKIDKEELWATCH"},
    {"a missing bucket",
     [](Fixture& f) { std::filesystem::remove_all(f.folder.path() + "/backups"); }, "not_found",
     "bucket backups does not exist at http://127.0.0.1:"},
    {"a hung server", [](Fixture& f) { f.store.set_fault(fault(S3Fault::Kind::kHang)); }, "timeout",
     "list s3://backups/lab/pg/"},
    {"a server that is slower than the deadline",
     [](Fixture& f) { f.store.set_fault(fault(S3Fault::Kind::kDelay, 3s)); }, "timeout",
     "list s3://backups/lab/pg/"},
};

}  // namespace

TEST_CASE("an archive that is read has its figures on the page", "[app]") {
  Fixture f;
  // Slow, and in time.
  f.store.set_fault(fault(S3Fault::Kind::kDelay, 20ms));
  f.look();
  f.wait([&] { return f.report().up; });
  const auto moment = f.moment();
  const std::string page = told(*moment);
  CAPTURE(page);
  CHECK_THAT(page, Contains(readable(true)) && Contains("keelwatch_wal_archive_objects{"));
  CHECK_THAT(page, Contains("archive=\"s3://backups/lab/pg\",proof=\"listed\"} 1\n"));
  CHECK_THAT(sample_lines(*moment, "keelwatch_source_up"),
             Contains("object_store") && Contains("} 1\n"));
}

TEST_CASE("a store that was never read leaves a reason and no figure", "[app]") {
  for (const Trouble& trouble : kTroubles) {
    INFO(trouble.name);
    Fixture f;
    trouble.make(f);
    f.look();
    const auto moment = f.moment();
    CHECK(told(*moment) == readable(false));
    CHECK_THAT(sample_lines(*moment, "keelwatch_source_up"),
               Contains("source=\"object_store\",target=\"s3://backups/lab/pg\"} 0\n"));
    CHECK_THAT(sample_lines(*moment, "keelwatch_source_errors_total"),
               Contains(std::string("target=\"s3://backups/lab/pg\",reason=\"") + trouble.code));
    CHECK(f.report().errors.at(trouble.code) >= 1);
    CHECK_THAT(f.report().last_error, Contains(trouble.says));
    for (const char* family :
         {"keelwatch_recovery_restorable_backups",
          "keelwatch_recovery_window_end_timestamp_seconds", "keelwatch_wal_archive_objects",
          "keelwatch_recovery_loss_if_storage_dies_seconds"}) {
      CHECK_THAT(why(*moment, family), Contains(trouble.says));
    }
    const auto text = explain(*moment, "keelwatch_recovery_restorable_backups", false);
    REQUIRE(text);
    CHECK_THAT(*text,
               Contains("object_store s3://backups/lab/pg: down, ") && Contains(trouble.says));
    // Nothing is said twice.
    const std::string& error = f.report().last_error;
    CHECK(error.find("list ") == error.rfind("list "));
  }
}

TEST_CASE("a store that is not read any more leaves no old figure", "[app]") {
  for (const Trouble& trouble : kTroubles) {
    INFO(trouble.name);
    Fixture f;
    f.look();
    f.wait([&] { return f.report().up; });
    trouble.make(f);
    f.look();
    f.wait([&] { return !f.report().up; });
    CHECK_THAT(f.report().last_error, Contains(trouble.says));
    CHECK_THAT(sample_lines(*f.moment(), "keelwatch_source_up"),
               Contains("target=\"s3://backups/lab/pg\"} 0\n"));
    // What may still be true for a while is not any more when it is old.
    CHECK(told(*f.moment(20h)) == readable(false));
  }
}

}  // namespace keelwatch::app
