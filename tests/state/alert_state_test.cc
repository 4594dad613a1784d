#include "state/alert_state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <string>

#include "tests/state/saved_alerts.h"

using namespace std::chrono_literals;

namespace keelwatch::state {
namespace {

class TestClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const override { return instant(now.load()).wall; }
  [[nodiscard]] SteadyTime steady() const override { return instant(now.load()).steady; }
  std::atomic<Duration> now{Duration(10min)};
};

struct Process {
  TestClock clock;
  Logger log{LogLevel::kInfo, LogFormat::kLogfmt, [](std::string_view) {}};
  metrics::SelfMetrics self{{"0", "0"}, clock};

  [[nodiscard]] bool writable_metric() const {
    std::string page;
    self.append(page, metrics::Format::kText004);
    return page.find("\nkeelwatch_state_writable 1\n") != std::string::npos;
  }
};

std::shared_ptr<const std::vector<rules::SavedRule>> two_alerts(rules::Instant now) {
  return std::make_shared<const std::vector<rules::SavedRule>>(
      saved({alert("pg-1", rules::AlertState::kFiring, instant(0s)),
             alert("pg-2", rules::AlertState::kPending, instant(0s))},
            now));
}

}  // namespace

TEST_CASE("what was put is there in the next process", "[state]") {
  Folder folder;
  Process p;
  {
    AlertState state(folder.file(), p.clock, p.log, p.self);
    CHECK_FALSE(state.load(30s)->written_at);
    state.put(instant(10min), two_alerts(instant(10min)), {transition("A", 1min)});
    CHECK(state.flush(30s));
    CHECK(state.writable());
    CHECK(p.writable_metric());
  }
  AlertState state(folder.file(), p.clock, p.log, p.self);
  const auto kept = state.load(30s);
  REQUIRE(kept);
  REQUIRE(kept->rules.size() == 1);
  CHECK(kept->rules[0].alerts.size() == 2);
  CHECK(read_history(folder.file(), {})->size() == 1);
}

TEST_CASE("what was put just before the end is written", "[state]") {
  Folder folder;
  Process p;
  {
    AlertState state(folder.file(), p.clock, p.log, p.self);
    state.put(instant(10min), two_alerts(instant(10min)), {});
  }
  AlertState state(folder.file(), p.clock, p.log, p.self);
  CHECK(state.load(30s)->rules.size() == 1);
}

TEST_CASE("after more than an hour pending alerts start afresh, firing ones stay", "[state]") {
  for (const auto& [downtime, left] : {std::pair(59min, 2U), std::pair(61min, 1U)}) {
    Folder folder;
    Process p;
    {
      AlertState state(folder.file(), p.clock, p.log, p.self);
      state.put(instant(10min), two_alerts(instant(10min)), {});
    }
    p.clock.now = Duration(10min) + downtime;
    AlertState state(folder.file(), p.clock, p.log, p.self);
    const auto kept = state.load(30s);
    REQUIRE(kept);
    CHECK(kept->rules.at(0).alerts.size() == left);
    CHECK(kept->rules[0].alerts[0].state == rules::AlertState::kFiring);
  }
}

TEST_CASE("nobody waits for a file that another process holds, and it is taken over later",
          "[state]") {
  Folder folder;
  Process p;
  const int other = open((folder.file() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(flock(other, LOCK_EX) == 0);
  AlertState state(folder.file(), p.clock, p.log, p.self);
  CHECK(state.load(10ms).error().code() == ErrorCode::kTimeout);
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) {
    state.put(instant(10min), two_alerts(instant(10min)), {transition("A", 1min)});
  }
  CHECK(std::chrono::steady_clock::now() - begun < 2s);
  CHECK_FALSE(state.flush(10ms));
  close(other);
  CHECK(state.flush(30s));
  CHECK(state.writable());
  CHECK(read_history(folder.file(), {})->size() == 1000);
}

TEST_CASE("a disk that takes nothing is told in a metric, and nobody waits", "[state]") {
  Process p;
  // A folder cannot be made below a file.
  AlertState state("/proc/version/alerts.db", p.clock, p.log, p.self);
  CHECK_FALSE(state.load(30s));
  state.put(instant(10min), two_alerts(instant(10min)), {});
  CHECK_FALSE(state.writable());
  CHECK_FALSE(p.writable_metric());
}

TEST_CASE("a file that is damaged while it is used is begun anew with all that is known",
          "[state]") {
  Folder folder;
  Process p;
  AlertState state(folder.file(), p.clock, p.log, p.self);
  state.put(instant(10min), two_alerts(instant(10min)), {});
  REQUIRE(state.flush(30s));
  for (const char* part : {"", "-wal"}) {
    std::ofstream(folder.file() + part, std::ios::in | std::ios::out) << std::string(64, 'x');
  }
  p.clock.now = Duration(20min);
  state.put(instant(20min), nullptr, {transition("A", 1min)});
  REQUIRE(state.flush(30s));
  p.clock.now = Duration(30min);
  state.put(instant(30min), two_alerts(instant(30min)), {transition("B", 1min)});
  REQUIRE(state.flush(30s));
  CHECK(state.writable());
}

}  // namespace keelwatch::state
