// keelwatch killed at random moments in front of a real Alertmanager, with a webhook behind it.
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <random>
#include <thread>

#include "base/json.h"
#include "tests/e2e/system.h"
#include "tests/support/alertmanager_server.h"
#include "tests/support/keelwatch_process.h"
#include "tests/support/webhook.h"

using namespace std::chrono_literals;

namespace keelwatch::testing {
namespace {

using std::chrono::steady_clock;

// state and activeAt of an alert; "" if there is none.
struct Seen {
  std::string state;
  std::string active_at;
};
Seen look(const KeelwatchProcess& keelwatch, const std::string& name) {
  Seen seen;
  JsonReader reader;
  const std::string body = keelwatch.get("/api/v1/alerts").body;
  reader.parse(body)["data"]["alerts"].for_each([&](JsonValue alert) {
    if (alert["labels"]["alertname"].string() != name) return;
    seen = {std::string(alert["state"].string().value_or("")),
            std::string(alert["activeAt"].string().value_or(""))};
  });
  return seen;
}

template <typename F>
bool until(F&& holds, Duration patience) {
  const auto end = steady_clock::now() + patience;
  while (!holds()) {
    if (steady_clock::now() > end) return false;
    std::this_thread::sleep_for(50ms);
  }
  return true;
}

// Killed so many times, 0.3 to 2.3 s after it serves.
void kill_often(int times) {
  const Webhook webhook;
  const AlertmanagerServer alertmanager(
      "route:\n  receiver: phone\n  group_by: ['...']\n  group_wait: 0s\n  group_interval: 1s\n"
      "  repeat_interval: 4h\nreceivers:\n- name: phone\n  webhook_configs:\n  - url: " +
      webhook.url() + "\n    send_resolved: true\n");
  const Folder folder;
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  const Duration hold = 1s * (times / 2 + 5);
  std::ofstream(folder.path + "/rules.yaml")
      << "groups:\n- name: g\n  interval: 1s\n  rules:\n"
      << "  - {alert: Always, expr: vector(1)}\n"
      << "  - {alert: Ends, expr: 'vector(time()) < " << now + times << "'}\n"
      << "  - {alert: Waits, expr: vector(1), for: "
      << std::chrono::duration_cast<std::chrono::seconds>(hold).count() << "s}\n";
  const std::string config = "kubernetes: {enabled: off}\nstep_interval: 500ms\nrules: {files: ['" +
                             folder.path + "/rules.yaml']}\nalerts:\n  state_file: " + folder.path +
                             "/state.db\n  alertmanagers: [{url: " + alertmanager.url() + "}]\n";
  std::mt19937 random(7);
  std::uniform_int_distribution<int> wait(300, 2300);
  std::string always_since;
  std::string waits_since;
  for (int i = 0; i < times; ++i) {
    INFO("kill " << i);
    KeelwatchProcess keelwatch(config);
    REQUIRE(until([&] { return look(keelwatch, "Always").state == "firing"; }, 10s));
    REQUIRE(until([&] { return !look(keelwatch, "Waits").state.empty(); }, 10s));
    if (i == 0) {  // written at all
      std::this_thread::sleep_for(1s);
      always_since = look(keelwatch, "Always").active_at;
      waits_since = look(keelwatch, "Waits").active_at;
    }
    CHECK(look(keelwatch, "Always").active_at == always_since);
    CHECK(look(keelwatch, "Waits").active_at == waits_since);
    std::this_thread::sleep_for(1ms * wait(random));
    keelwatch.signal(SIGKILL);
    (void)keelwatch.wait_exit(10s);
  }
  const KeelwatchProcess keelwatch(config);
  CHECK(until([&] { return look(keelwatch, "Waits").state == "firing"; }, hold));
  CHECK(until([&] { return webhook.times("Ends resolved") == 1; }, 60s));
  CHECK(until([&] { return webhook.times("Waits firing") == 1; }, 30s));
  std::this_thread::sleep_for(3s);  // what would come twice has come by then
  std::string told;
  for (const char* what : {"Always firing", "Always resolved", "Waits firing", "Waits resolved",
                           "Ends firing", "Ends resolved"}) {
    told += std::string(what) + " " + std::to_string(webhook.times(what)) + ", ";
  }
  CHECK(told ==
        "Always firing 1, Always resolved 0, Waits firing 1, Waits resolved 0, Ends firing 1, "
        "Ends resolved 1, ");
  if (const char* figures = std::getenv("KEELWATCH_FIGURES")) {
    std::ofstream(figures, std::ios::app) << times << " kills; at the webhook: " << told << "\n";
  }
}

}  // namespace

TEST_CASE("kill -9 loses no alert, resolves none twice and restarts no for", "[e2e]") {
  kill_often(10);
}

TEST_CASE("kill -9, 200 times, loses no alert, resolves none twice and restarts no for",
          "[.][e2e][long:kill-alerts]") {
  kill_often(200);
}

}  // namespace keelwatch::testing
