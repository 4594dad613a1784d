#include "app/tape.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/pages.h"
#include "tests/support/world_builder.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::app {
namespace {

namespace fs = std::filesystem;

std::string slurp(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::shared_ptr<const model::PostgresSlice> postgres(std::vector<model::Instance> instances,
                                                     WallTime at) {
  for (model::Instance& i : instances) {
    if (i.server.is_known()) {
      i.server = Observed<model::ServerFacts>::known(i.server.known_value(), at);
      i.senders = Observed<std::vector<model::Sender>>::known(i.senders.known_value(), at);
      i.wal_receiver =
          Observed<std::vector<model::WalReceiver>>::known(i.wal_receiver.known_value(), at);
    }
  }
  return slices(std::move(instances)).postgres;
}

}  // namespace

TEST_CASE("a tape that is written reads back, in the order of its times", "[app]") {
  const auto all = slices({answering("pg-1", primary_facts(1000))});
  const std::string text = tape_header() + tape_line(kNow + 1s, {.postgres = all.postgres}) +
                           tape_line(kNow, {.kubernetes = all.kubernetes});
  const auto tape = read_tape(text);
  REQUIRE(tape);
  REQUIRE(tape->size() == 2);
  CHECK((*tape)[0].news.kubernetes);
  CHECK((*tape)[1].news.postgres);
  CHECK((*tape)[1].at == kNow + 1s);
}

TEST_CASE("a damaged tape is refused with its line", "[app]") {
  const auto all = slices({answering("pg-1", primary_facts(1000))});
  const std::string good = tape_header() + tape_line(kNow, {.postgres = all.postgres});
  const auto cut = read_tape(good.substr(0, good.size() - 20));
  REQUIRE_FALSE(cut);
  CHECK_THAT(cut.error().message(), Catch::StartsWith("tape line 2: "));
  CHECK_FALSE(read_tape("{\"keelwatch_tape\":2}\n"));
  CHECK_FALSE(read_tape("hello\n"));
}

TEST_CASE("a timeline tells what changed and when, and that silence is not health", "[app]") {
  const auto primary = [](std::vector<model::Sender> senders) {
    return answering("pg-1", primary_facts(1000), std::move(senders));
  };
  std::vector<TapeEntry> tape;
  tape.push_back({kNow, {.kubernetes = slices({}).kubernetes}});
  tape.push_back({kNow + 100ms,
                  {.postgres = postgres({primary({sender_row("pg-2", 1000)}),
                                         answering("pg-2", standby_facts(1000), {}, {receiver()})},
                                        kNow + 100ms)}});
  tape.push_back({kNow + 2s,
                  {.postgres = postgres(
                       {primary({}), silent("pg-2", model::Reachability::kRefused)}, kNow + 2s)}});
  const std::string text = to_text(timeline(tape, config::Config{}, 20s));
  CHECK_THAT(text, Catch::Contains("+0.1s keelwatch_replication_standby_state{cluster=\"pg\","
                                   "namespace=\"default\",pod=\"pg-2\"} streaming\n"));
  CHECK_THAT(text, Catch::Contains("+2.0s keelwatch_replication_standby_state{cluster=\"pg\","
                                   "namespace=\"default\",pod=\"pg-2\"} unreachable\n"));
  CHECK_THAT(text, Catch::Contains("+2.0s keelwatch_replication_lag_bytes{cluster=\"pg\","
                                   "namespace=\"default\",pod=\"pg-2\",stage=\"replay\"} gone\n"));
  // The tape ends; what is not repeated turns unknown.
  CHECK_THAT(text, Catch::Contains("keelwatch_cluster_writable_primaries{cluster=\"pg\","
                                   "namespace=\"default\"} gone\n"));
}

TEST_CASE("each recorded fault gives its golden timeline", "[app][tapes]") {
  // Update after a deliberate change: KEELWATCH_UPDATE_GOLDENS=1 build/debug/tests/test_app [tapes]
  const fs::path folder = fs::path(KEELWATCH_SOURCE_DIR) / "tests/tapes";
  const bool update = std::getenv("KEELWATCH_UPDATE_GOLDENS") != nullptr;
  int tapes = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".tape") continue;
    INFO(entry.path());
    ++tapes;
    const auto tape = read_tape(slurp(entry.path()));
    REQUIRE(tape);
    const std::string text = to_text(timeline(*tape, config::Config{}, 0s));
    fs::path golden = entry.path();
    golden.replace_extension(".timeline");
    if (update) std::ofstream(golden) << text;
    CHECK(text == slurp(golden));
  }
  CHECK(tapes > 0);
}

// A plugin taken out of the Cluster while its ScheduledBackup stays, on a real PostgreSQL.
TEST_CASE("the no-op archiver is named although pg_stat_archiver goes on", "[app][tapes]") {
  const auto tape = read_tape(slurp(KEELWATCH_SOURCE_DIR "/tests/tapes/archiver-noop.tape"));
  REQUIRE(tape);
  const config::Config config;
  std::vector<std::pair<std::string, double>> archived;  // of the primary, from Moment to Moment
  std::string last;
  replay(*tape, config, 0s, [&](const Moment& moment) {
    for (const metrics::Point& point : moment.samples.points) {
      const std::string& prefix = point.series->prefix;
      if (prefix.find("pod=\"pg-1\"") == std::string::npos) continue;
      if (prefix.starts_with("keelwatch_archiver_archived_total") ||
          prefix.starts_with("keelwatch_archiver_failed_total")) {
        archived.emplace_back(prefix.substr(0, prefix.find('{')), point.value);
      }
    }
    last = sample_lines(moment, "keelwatch_backup_") +
           sample_lines(moment, "keelwatch_archiver_configured") +
           sample_lines(moment, "keelwatch_recovery_restorable_backups") +
           sample_lines(moment, "keelwatch_recovery_loss_if_storage_dies_bytes");
  });
  const auto values = [&](const std::string& name) {
    std::vector<double> found;
    for (const auto& [of, value] : archived) {
      if (of == name) found.push_back(value);
    }
    REQUIRE(found.size() > 2);
    return found;
  };
  const std::vector<double> successes = values("keelwatch_archiver_archived_total");
  const std::vector<double> failures = values("keelwatch_archiver_failed_total");
  CHECK(successes.back() >= successes.front() + 2);
  CHECK(failures.back() == failures.front());
  CAPTURE(last);
  const std::string cluster = "{namespace=\"default\",cluster=\"pg\"";
  CHECK_THAT(last, Catch::Contains("keelwatch_backup_without_archiver" + cluster + "} 1\n"));
  CHECK_THAT(last, Catch::Contains("keelwatch_archiver_configured" + cluster + "} 0\n"));
  CHECK_THAT(last, Catch::Contains("keelwatch_backup_schedule_orphaned" + cluster +
                                   ",scheduled_backup=\"pg-nightly\"} 1\n"));
  // What was archived until then is still the Cluster's, and what was written since is at risk.
  CHECK_THAT(last, Catch::Contains("keelwatch_recovery_restorable_backups" + cluster));
  CHECK_THAT(last, Catch::Contains("keelwatch_recovery_loss_if_storage_dies_bytes" + cluster));
}

}  // namespace keelwatch::app
