#include "state/alert_file.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "config/limits.h"
#include "tests/state/saved_alerts.h"

using namespace std::chrono_literals;

namespace keelwatch::state {
namespace {

using rules::AlertState;

struct Disk {
  Folder folder;
  std::vector<std::string> lines;
  Logger log{LogLevel::kInfo, LogFormat::kLogfmt,
             [this](std::string_view line) { lines.emplace_back(line); }};

  std::unique_ptr<AlertFile> open() {
    auto opened = AlertFile::open(folder.file(), kWall, log);
    if (!opened) FAIL(opened.error().message());
    return *std::move(opened);
  }
  KeptAlerts load() {
    auto kept = open()->load();
    if (!kept) FAIL(kept.error().message());
    return *std::move(kept);
  }
};

void write(AlertFile& file, rules::Instant now, const std::vector<rules::SavedRule>* alerts,
           const std::vector<rules::Transition>& transitions = {}) {
  const Result<void> written = file.write(now, alerts, transitions);
  if (!written) FAIL(written.error().message());
}

}  // namespace

TEST_CASE("a new file knows nothing, and says so", "[state]") {
  Disk disk;
  const KeptAlerts kept = disk.load();
  CHECK(kept.rules.empty());
  CHECK_FALSE(kept.written_at);
}

TEST_CASE("alerts come back exactly as they were kept", "[state]") {
  Disk disk;
  const rules::Instant now = instant(10min);
  rules::Alert firing = alert("pg-1", AlertState::kFiring, instant(1min));
  firing.keep_firing_since = instant(5min);
  firing.last_sent_at = instant(9min);
  firing.held = "postgres silent since then";
  rules::Alert ended = alert("pg-2", AlertState::kInactive, instant(2min));
  ended.resolved_at = instant(8min);
  ended.value = -0.0;
  const auto kept = saved({firing, alert("pg-3", AlertState::kPending, instant(9min)), ended}, now);
  {
    const auto file = disk.open();
    write(*file, now, &kept);
  }
  const KeptAlerts back = disk.load();
  CHECK(back.written_at == now.wall);
  REQUIRE(back.rules.size() == 1);
  CHECK(back.rules[0].key == "g;r");
  REQUIRE(back.rules[0].alerts.size() == 3);
  for (const rules::SavedAlert& one : kept[0].alerts) {
    CHECK(std::ranges::count(back.rules[0].alerts, one) == 1);
  }
}

TEST_CASE("a value that is no number is kept as well", "[state]") {
  Disk disk;
  rules::Alert odd = alert("pg-1", AlertState::kFiring, instant(1min));
  odd.value = std::nan("");
  const auto kept = saved({odd}, instant(2min));
  write(*disk.open(), instant(2min), &kept);
  CHECK(std::isnan(disk.load().rules.at(0).alerts.at(0).value));
}

TEST_CASE("lengths grow while the process runs, and not while it does not", "[state]") {
  Disk disk;
  const auto kept = saved({alert("pg-1", AlertState::kPending, instant(0s))}, instant(1min));
  {
    const auto file = disk.open();
    write(*file, instant(1min), &kept);
    write(*file, instant(4min), nullptr);  // nothing has changed but the time
  }
  CHECK(disk.load().rules.at(0).alerts.at(0).active_at.ago == 4min);
  // The next process: whatever its clocks say, nothing grows before it has written alerts itself.
  {
    const auto file = disk.open();
    REQUIRE(file->load());
    write(*file, {kWall + 3h, SteadyTime(1s)}, nullptr);
  }
  CHECK(disk.load().rules.at(0).alerts.at(0).active_at.ago == 4min);
}

TEST_CASE("alerts that are no more are removed, and those that stay are not", "[state]") {
  Disk disk;
  const rules::Alert one = alert("pg-1", AlertState::kFiring, instant(0s));
  const rules::Alert two = alert("pg-2", AlertState::kFiring, instant(0s));
  const auto both = saved({one, two}, instant(1min));
  const auto left = saved({two}, instant(2min));
  const auto file = disk.open();
  write(*file, instant(1min), &both);
  write(*file, instant(2min), &left);
  const auto kept = file->load();
  REQUIRE(kept);
  REQUIRE(kept->rules.size() == 1);
  REQUIRE(kept->rules[0].alerts.size() == 1);
  CHECK(kept->rules[0].alerts[0].labels == two.labels);
}

TEST_CASE("a file that is none, or damaged, or of a later version is moved aside", "[state]") {
  struct Case {
    const char* name;
    std::function<void(const std::string&)> spoil;
    const char* moved;
  };
  const Case cases[] = {
      {"no database",
       [](const std::string& path) { std::ofstream(path) << std::string(8192, 'x'); }, "damaged"},
      {"cut in the middle",
       [](const std::string& path) {
         std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2 / 4096 * 4096);
       },
       "damaged"},
      {"a page of garbage",
       [](const std::string& path) {
         std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
         file.seekp(4096);
         file << std::string(8192, '\x7F');
       },
       "damaged"},
      {"of a later version",
       [](const std::string& path) {
         auto database = SqliteDatabase::open(path, SqliteDatabase::Access::kReadWrite, 1s);
         REQUIRE(database);
         REQUIRE(database->execute("PRAGMA user_version=99"));
       },
       "version-99"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    Disk disk;
    std::vector<rules::Alert> alerts;
    for (int i = 0; i < 100; ++i) {
      alerts.push_back(alert("pg-" + std::to_string(i), AlertState::kFiring, instant(0s)));
    }
    const auto kept = saved(alerts, instant(1min));
    write(*disk.open(), instant(1min), &kept);
    c.spoil(disk.folder.file());
    CHECK_FALSE(disk.load().written_at);
    CHECK(disk.folder.has(c.moved));
    REQUIRE_FALSE(disk.lines.empty());
    CHECK(disk.lines.back().find("level=error") != std::string::npos);
    CHECK(disk.lines.back().find("moved_to=") != std::string::npos);
    write(*disk.open(), instant(1min), &kept);  // and goes on
    CHECK(disk.load().rules.at(0).alerts.size() == 100);
  }
}

TEST_CASE("an alert that makes no sense is left out, the others are not", "[state]") {
  Disk disk;
  const auto kept = saved({alert("pg-1", AlertState::kFiring, instant(0s)),
                           alert("pg-2", AlertState::kFiring, instant(0s))},
                          instant(1min));
  write(*disk.open(), instant(1min), &kept);
  for (const char* body : {"nonsense", "{}", R"({"state":7})", R"({"state":1,"active_at":[1]})"}) {
    INFO(body);
    {
      auto database =
          SqliteDatabase::open(disk.folder.file(), SqliteDatabase::Access::kReadWrite, 1s);
      REQUIRE(database);
      auto update = database->prepare("UPDATE alert SET body = ? WHERE labels LIKE '%pg-1%'");
      REQUIRE(update);
      REQUIRE(update->bind(1, body).run());
    }
    CHECK(disk.load().rules.at(0).alerts.size() == 1);
  }
}

TEST_CASE("two processes do not keep their alerts in one file", "[state]") {
  Disk disk;
  const auto first = disk.open();
  const auto second = AlertFile::open(disk.folder.file(), kWall, disk.log);
  REQUIRE_FALSE(second);
  CHECK(second.error().code() == ErrorCode::kInvalid);
  CHECK(second.error().message().ends_with("another process keeps its alerts there"));
}

TEST_CASE("the history is read newest first, by name and time, while it is written", "[state]") {
  Disk disk;
  const auto file = disk.open();
  write(*file, instant(1min), nullptr,
        {transition("A", 1min), transition("B", 2min), transition("A", 3min)});
  const auto names = [&](const HistoryQuery& query) {
    const auto history = read_history(disk.folder.file(), query);
    REQUIRE(history);
    std::string text;
    for (const rules::Transition& t : *history) text += t.labels.get("alertname");
    return text;
  };
  CHECK(names({}) == "ABA");
  CHECK(names({.alertname = "A"}) == "AA");
  CHECK(names({.from = kWall + 2min}) == "AB");
  CHECK(names({.to = kWall + 2min}) == "BA");
  CHECK(names({.limit = 1}) == "A");
  const auto history = read_history(disk.folder.file(), {.limit = 1});
  CHECK((*history)[0].at == kWall + 3min);
  CHECK((*history)[0].from == AlertState::kPending);
  CHECK((*history)[0].to == AlertState::kFiring);
  CHECK((*history)[0].value == 1.5);
  CHECK((*history)[0].reason == "why");
  CHECK(read_history(disk.folder.file() + "x", {}).error().code() == ErrorCode::kNotFound);
}

TEST_CASE("the history forgets its oldest lines", "[state]") {
  Disk disk;
  const auto file = disk.open();
  std::vector<rules::Transition> many(limits::kHistoryRows, transition("A", 1min));
  many.front() = transition("Oldest", 0s);
  write(*file, instant(1min), nullptr, many);
  CHECK(read_history(disk.folder.file(), {.alertname = "Oldest"})->size() == 1);
  write(*file, instant(2min), nullptr, {transition("B", 2min)});
  CHECK(read_history(disk.folder.file(), {.alertname = "Oldest"})->empty());
  CHECK(read_history(disk.folder.file(), {.limit = 1'000'000})->size() == limits::kHistoryRows);
}

}  // namespace keelwatch::state
