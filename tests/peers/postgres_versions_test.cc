// The PostgreSQL source, and what is read of an archive, on real servers of every supported
// version: Debian's 15 and, from the cache of tests/peers/build_postgres, 13, 14, 16, 17 and 18.
// Runs with KEELWATCH_PEERS=1.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

#include "base/file.h"
#include "sources/object_store/control_file.h"
#include "sources/object_store/page_checksum.h"
#include "sources/object_store/wal_page.h"
#include "sources/object_store/wal_records.h"
#include "tests/support/postgres_harness.h"
#include "tests/support/postgres_server.h"

using namespace std::chrono_literals;

namespace keelwatch::sources {
namespace {

using testing::PostgresHarness;
using testing::PostgresServer;

bool peers_wanted() {
  const char* wanted = std::getenv("KEELWATCH_PEERS");
  return wanted && std::string(wanted) == "1";
}

// What the command printed, its last line end cut; empty if it failed (it said why on stderr).
std::string output_of(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) return "";
  std::string text;
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), static_cast<int>(buffer.size()), pipe)) text += buffer.data();
  if (pclose(pipe) != 0) return "";
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

// Root's cache is closed to the account that runs the server: a copy of hard links is open to it.
class ReadableCopy {
 public:
  explicit ReadableCopy(const std::string& bin) : bin_(bin) {
    if (geteuid() != 0) return;
    std::string path = "/tmp/keelwatch-peers-XXXXXX";
    REQUIRE(mkdtemp(path.data()));
    directory_ = path;
    REQUIRE(chmod(path.c_str(), 0755) == 0);
    const std::string from = std::filesystem::path(bin).parent_path();
    const std::string copy = "{ cp -al '" + from + "' '" + path + "' 2>/dev/null || cp -a '" +
                             from + "' '" + path + "'; } && chmod -R a+rX '" + path + "'";
    REQUIRE(std::system(copy.c_str()) == 0);
    bin_ = path + "/" + std::filesystem::path(from).filename().string() + "/bin";
  }
  ~ReadableCopy() {
    std::error_code ignored;
    if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
  }
  ReadableCopy(const ReadableCopy&) = delete;
  ReadableCopy& operator=(const ReadableCopy&) = delete;
  [[nodiscard]] const std::string& bin() const { return bin_; }

 private:
  std::string bin_;
  std::string directory_;
};

bool all_answered(const model::Instance& instance) {
  bool answered = instance.contents.size() == 2;  // postgres, template1
  for (const model::DatabaseAnswer& database : instance.contents) {
    answered = answered && database.content.is_known();
  }
  model::Instance::for_each_answer([&](auto place, model::Pace) {
    const auto& answer = instance.*place;
    const bool known = answer.is_known() || answer.why().absence == Absence::kNotInstalled;
    answered = answered && known;
  });
  return answered;
}

// What differs between the versions, on a primary and on a standby.
void check_by_version(const model::Instance& instance, int major) {
  CAPTURE(instance.id.pod);
  const auto& slots = instance.slots.known_value();
  REQUIRE_FALSE(slots.empty());
  for (const model::Slot& slot : slots) {
    CAPTURE(slot.name);
    CHECK(slot.retained_bytes.has_value() == slot.restart.has_value());
    CHECK(slot.failover.has_value() == (major >= 17));
    CHECK(slot.synced.has_value() == (major >= 17));
    CHECK(slot.inactive_since.has_value() == (major >= 17 && !slot.active));
    CHECK(slot.conflicting.has_value() == (major >= 16 && slot.type == "logical"));
    CHECK(slot.invalidation_reason.empty());
    CHECK(slot.wal_status == "reserved");
  }
  const auto& settings = instance.settings.known_value();
  CHECK((model::find_setting(settings, "archive_library") != nullptr) == (major >= 15));
  CHECK((model::find_setting(settings, "sync_replication_slots") != nullptr) == (major >= 17));
  CHECK((model::find_setting(settings, "idle_replication_slot_timeout") != nullptr) ==
        (major >= 18));
  CHECK(model::find_setting(settings, "fsync") != nullptr);
  REQUIRE(instance.subscriptions.known_value().size() == 1);
  const model::Subscription& subscription = instance.subscriptions.known_value()[0];
  CHECK(subscription.name == "s");
  CHECK_FALSE(subscription.enabled);
  CHECK_FALSE(subscription.worker_running);
  CHECK(subscription.apply_errors.has_value() == (major >= 15));
  CHECK(instance.activity.known_value().max_connections > 0);
  CHECK(instance.activity.known_value().reserved_connections == 3);
  CHECK(instance.databases.known_value().size() == 3);
  CHECK(instance.database_sizes.known_value().size() == 3);
  CHECK(instance.wal_directory.known_value().files >= 1);
  CHECK(instance.archiver.known_value().mode == "off");
  CHECK(instance.server.known_value().redo);
  CHECK(instance.server.known_value().checkpoint_time);
}

// A role with nothing is told what to grant, and sees what everybody sees.
void check_without_rights(const model::Instance& instance) {
  int forbidden = 0;
  model::Instance::for_each_answer([&](auto place, model::Pace) {
    const auto& answer = instance.*place;
    if (answer.is_known() || answer.why().absence == Absence::kNotInstalled) return;
    CHECK(answer.why().error.message() == "no permission, grant pg_monitor to poor");
    ++forbidden;
  });
  CHECK(forbidden == 6);  // everybody may connect everywhere here, so sizes are open
}

void check_all_facts(const std::string& bin, int major) {
  testing::PostgresOptions options;
  options.bin = bin;
  options.settings = {"wal_level=logical", "max_prepared_transactions=5"};
  PostgresServer primary(options);
  primary.sql("set password_encryption = 'scram-sha-256'; create role poor login password 'poor'");
  primary.sql("create subscription s connection 'dbname=none' publication p with (connect=false)");
  const std::unique_ptr<PostgresServer> standby = primary.make_standby("pg-2");
  primary.sql("select pg_create_physical_replication_slot('dead', true)");
  primary.sql("select pg_create_logical_replication_slot('decoded', 'pgoutput')");
  standby->sql("select pg_create_physical_replication_slot('copy', true)");
  config::Postgres quick = PostgresHarness::quick_settings();
  quick.query_timeout = 2s;
  PostgresHarness harness(quick);
  discovery::InstanceTarget poor = testing::instance_target(primary, "pg-poor");
  poor.connection->user = "poor";
  poor.connection->password = Secret("poor");
  harness.watch({testing::instance_target(primary, "pg-1"),
                 testing::instance_target(*standby, "pg-2"), poor});
  harness.until(PostgresHarness::is_streaming);
  const auto answered = harness.until([](const model::PostgresSlice& s) {
    const auto& hidden = PostgresHarness::find(s, "pg-poor")->wal_directory;
    return all_answered(*PostgresHarness::find(s, "pg-1")) &&
           all_answered(*PostgresHarness::find(s, "pg-2")) && !hidden.is_known() &&
           hidden.why().error.code() == ErrorCode::kForbidden;
  });
  check_by_version(*PostgresHarness::find(*answered, "pg-1"), major);
  check_by_version(*PostgresHarness::find(*answered, "pg-2"), major);
  check_without_rights(*PostgresHarness::find(*answered, "pg-poor"));
  harness.watch(
      {testing::instance_target(primary, "pg-1"), testing::instance_target(*standby, "pg-2")});
  std::array<Duration, 2> shortest{1h, 1h};
  for (const auto& slice : harness.during(2s)) {
    for (std::size_t i = 0; i < slice->reports.size() && i < shortest.size(); ++i) {
      shortest[i] = std::min(shortest[i], slice->reports[i].last_duration);
    }
  }
  std::cerr << "PostgreSQL " << major << ": a round takes " << shortest[0] / 1us << " us on the"
            << " primary, " << shortest[1] / 1us << " us on the standby\n";

  // A lag that is known exactly: replay is paused while the primary goes on.
  standby->sql("select pg_wal_replay_pause()");
  primary.sql("create table t as select generate_series(1, 10000) i");
  const model::Lsn written = *model::parse_lsn(primary.sql("select pg_current_wal_lsn()"));
  const auto slice = harness.until([&](const model::PostgresSlice& s) {
    const auto* ahead = PostgresHarness::find(s, "pg-1")->server.if_known();
    const auto* behind = PostgresHarness::find(s, "pg-2")->server.if_known();
    return ahead && behind && ahead->current >= written && behind->received >= written &&
           behind->replay_paused == true;
  });
  const model::Instance& first = *PostgresHarness::find(*slice, "pg-1");
  const model::Instance& second = *PostgresHarness::find(*slice, "pg-2");
  const model::ServerFacts& ahead = first.server.known_value();
  const model::ServerFacts& behind = second.server.known_value();
  CHECK(ahead.version / 10000 == major);
  CHECK(ahead.timeline == 1);
  CHECK(behind.timeline == 1);
  CHECK(behind.in_recovery);
  CHECK(ahead.read_only == false);
  CHECK(ahead.system_identifier == behind.system_identifier);
  CHECK_FALSE(ahead.system_identifier.empty());
  CHECK(ahead.started);
  CHECK(behind.started);
  CHECK(behind.recovery_min_apply_delay == Duration::zero());
  const std::uint64_t lag = ahead.current->bytes - behind.replayed->bytes;
  CHECK(lag > 100'000);
  CHECK(lag < 16'000'000);

  REQUIRE(first.senders.known_value().size() == 1);
  const model::Sender& sender = first.senders.known_value()[0];
  CHECK(sender.application_name == "pg-2");
  CHECK(sender.sync_state == "async");
  CHECK((sender.sent && sender.write && sender.flush && sender.replay));
  REQUIRE(second.wal_receiver.known_value().size() == 1);
  const model::WalReceiver& receiver = second.wal_receiver.known_value()[0];
  CHECK(receiver.received_timeline == 1);
  CHECK((receiver.flushed && receiver.latest_end && receiver.last_message));
  CHECK(receiver.slot_name == "_cnpg_pg_2");
  for (const model::SourceReport& report : slice->reports) CHECK(report.up);

  standby->sql("select pg_drop_replication_slot('copy')");
  standby->sql("select pg_wal_replay_resume()");
  standby->promote();
  harness.until([](const model::PostgresSlice& s) {
    const auto* facts = PostgresHarness::find(s, "pg-2")->server.if_known();
    return facts && !facts->in_recovery && facts->timeline == 2 &&
           all_answered(*PostgresHarness::find(s, "pg-2"));
  });
  harness.stop();
  primary.stop(testing::StopMode::kSmart, 10s);
}

// What it wrote, read as it lies in an archive: first pages and records of WAL, the control file,
// and pages of data.
void check_files(const std::string& bin, int major) {
  testing::PostgresOptions options;
  options.bin = bin;
  options.settings = {"wal_keep_size=1GB"};
  PostgresServer server(options);
  const auto asked = [&](const char* column, const char* of) {
    return server.sql(std::string("select ") + column + " from " + of + "()");
  };
  const std::uint64_t system = std::stoull(asked("system_identifier", "pg_control_system"));
  const std::int64_t bytes = model::kDefaultWalSegmentBytes;
  const auto current = [&] {
    return *model::parse_wal_segment(server.sql("select pg_walfile_name(pg_current_wal_lsn())"),
                                     bytes);
  };
  server.sql("select pg_switch_wal()");
  const std::int64_t first = current().number;
  server.sql("create table t as select g, repeat('r', 300) from generate_series(1, 100000) g");
  server.sql("update t set g = g + 1 where g % 3 = 0");
  server.sql("checkpoint");
  const std::int64_t last = current().number;
  server.sql("select pg_switch_wal()");
  REQUIRE(last > first);
  WalWalker walker(bytes, system);
  for (std::int64_t number = first; number <= last; ++number) {
    const model::WalSegment segment{1, number};
    const std::string path =
        server.data_directory() + "/pg_wal/" + model::wal_segment_name(segment, bytes);
    const std::string content = read_file(path, 2 * static_cast<std::size_t>(bytes)).value();
    const auto header = read_wal_page_header(content);
    REQUIRE(header);
    CHECK(wal_version(header->magic) == major);
    CHECK(header->system_id == system);
    CHECK(judge_wal_page(*header, {segment, bytes, std::int64_t{1}, system}).verdict ==
          WalPageVerdict::kFits);
    walker.begin(segment, number > first);
    walker.feed(content);
    const WalVerdict verdict = walker.finish();
    CHECK(verdict.fault == "");
    CHECK(verdict.records > 0);
  }

  const auto control =
      parse_control_file(read_file(server.data_directory() + "/global/pg_control", 65'536).value());
  REQUIRE(control);
  CHECK(control->system_id == system);
  CHECK(control->version == std::stoul(asked("pg_control_version", "pg_control_system")));
  CHECK(control->timeline == 1);
  CHECK(control->page_bytes == std::stoul(asked("database_block_size", "pg_control_init")));
  CHECK(control->pages_per_file == std::stoul(asked("blocks_per_segment", "pg_control_init")));
  CHECK(control->wal_segment_bytes == bytes);
  CHECK(control->data_checksums == (asked("data_page_checksum_version", "pg_control_init") != "0"));

  if (!control->data_checksums) return;
  const std::string relation = server.sql("select pg_relation_filepath('t')");
  server.stop();
  PageChecker pages(std::nullopt, std::nullopt);
  pages.begin_file(*parse_relation_path(relation));
  pages.feed(read_file(server.data_directory() + "/" + relation, std::size_t{1} << 30U).value());
  pages.end_file();
  CHECK(pages.right() > 1000);
  CHECK(pages.first_wrong() == "");
}

// Calls check(bin, major) with each version that is to be had; says which are not.
template <typename Check>
void for_each_version(Check check) {
  if (!peers_wanted()) {
    std::cerr << "skipped: peers tier: PostgreSQL 13-18: KEELWATCH_PEERS is not 1\n";
    return;
  }
  for (const int major : {13, 14, 15, 16, 17, 18}) {
    CAPTURE(major);
    if (major == 15) {
      check("/usr/lib/postgresql/15/bin", major);
      continue;
    }
    const std::string bin = output_of(std::string(KEELWATCH_SOURCE_DIR) +
                                      "/tests/peers/build_postgres " + std::to_string(major));
    if (bin.empty()) {
      std::cerr << "skipped: peers tier: PostgreSQL " << major << ": not to be had\n";
      continue;
    }
    const ReadableCopy readable(bin);
    check(readable.bin(), major);
  }
}

}  // namespace

TEST_CASE("all facts are known on primaries and standbys of every supported PostgreSQL",
          "[peers][postgres]") {
  for_each_version(check_all_facts);
}

TEST_CASE("the files of every supported PostgreSQL are read as they are laid out",
          "[peers][postgres]") {
  for_each_version(check_files);
}

}  // namespace keelwatch::sources
