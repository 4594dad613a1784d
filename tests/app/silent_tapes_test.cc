// Each recorded fault, and then no source says anything any more: what fires goes on firing.
#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "app/alerting.h"
#include "app/tape.h"
#include "tests/support/sanitized.h"

using namespace std::chrono_literals;

namespace keelwatch::app {
namespace {

namespace fs = std::filesystem;

// That of the tape; read by the threads of the notifier too.
class TapeClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const override { return WallTime{} + Duration(at_.load()); }
  [[nodiscard]] SteadyTime steady() const override { return SteadyTime{} + Duration(at_.load()); }
  void set(WallTime at) { at_ = at.time_since_epoch().count(); }

 private:
  std::atomic<Duration::rep> at_ = 0;
};

// The bundled rules without waiting: a tape is as short as its fault allows.
std::shared_ptr<const RulesInForce> hasty_rules() {
  auto rules = std::make_shared<RulesInForce>(*bundled_rules());
  for (rules::RuleGroup& group : rules->groups) {
    group.interval = 1s;  // at every slot
    for (rules::Rule& rule : group.rules) rule.hold = Duration::zero();
  }
  return rules;
}

// Labels of what fires, and "held" or "".
std::map<std::string, std::string> firing(const AlertsView& view) {
  std::map<std::string, std::string> out;
  for (const GroupView& group : view.groups) {
    for (const RuleView& rule : group.rules) {
      for (const rules::Alert& alert : rule.alerts) {
        if (alert.state == rules::AlertState::kFiring) out[alert.labels.text()] = alert.held;
      }
    }
  }
  return out;
}

// Alerts that say themselves who is silent: once the API server is, one says so for all its kinds.
bool tells_of_silence(const std::string& labels) {
  return labels.find("\"KeelwatchSourceSilent\"") != std::string::npos ||
         labels.find("\"KeelwatchPlacementUnknown\"") != std::string::npos;
}

}  // namespace

TEST_CASE("whatever fires when all sources fall silent goes on firing", "[app][alerting][tapes]") {
  std::size_t alerts = 0;
  std::size_t tapes = 0;
  for (const auto& entry : fs::directory_iterator(KEELWATCH_SOURCE_DIR "/tests/tapes")) {
    if (entry.path().extension() != ".tape") continue;
    if (tapes++ % 15 != 0 && testing::kSanitized) continue;
    INFO(entry.path().filename().string());
    std::ifstream file(entry.path());
    std::stringstream text;
    text << file.rdbuf();
    const auto tape = read_tape(text.str());
    REQUIRE(tape);
    TapeClock clock;
    clock.set(tape->front().at);
    Logger log(LogLevel::kError, LogFormat::kLogfmt, [](std::string_view) {});
    metrics::SelfMetrics self({.version = "1", .revision = "r"}, clock);
    Alerting alerting(clock, log, self, {}, hasty_rules());
    std::map<std::string, std::string> before;
    replay(*tape, {}, 10min, [&](const Moment& moment) {
      clock.set(moment.world.at);
      alerting.step(moment);
      // What was said last has been judged by then, and is not too old yet.
      if (moment.world.at <= tape->back().at + 6s) before = firing(*alerting.view());
    });
    const std::map<std::string, std::string> after = firing(*alerting.view());
    for (const auto& [labels, held] : before) {
      // What is over already, and only waits for a start to settle, may end.
      if (tells_of_silence(labels) || held.starts_with("not confirmed")) continue;
      INFO(labels);
      CHECK(after.contains(labels));
    }
    alerts += before.size();
  }
  CHECK(alerts > (testing::kSanitized ? 0 : 50));
}

}  // namespace keelwatch::app
