#include "app/front.h"

#include <catch2/catch.hpp>
#include <thread>

#include "tests/metrics/manual_clock.h"
#include "tests/support/keelwatch_process.h"
#include "tests/support/world_builder.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::app {
namespace {

http::Request request(std::vector<http::Header> headers = {}) {
  http::Request r;
  r.headers = std::move(headers);
  return r;
}

const http::Header kGzip{"Accept-Encoding", "gzip"};
const http::Header kOpenMetrics{"Accept", "application/openmetrics-text; version=1.0.0"};
const std::string kFact =
    "keelwatch_instance_up{namespace=\"default\",cluster=\"pg\",pod=\"pg-1\"}";
const std::string kAge = "keelwatch_snapshot_age_seconds";

// A program whose steps a test makes, with slots of five seconds.
struct Fixture {
  metrics::ManualClock clock;
  metrics::SelfMetrics self{{"0.1.0", "abc"}, clock};
  config::Config config;
  Front front{self, clock, 5s};
  State state;

  Fixture() { config.step_interval = 5s; }

  void step(std::uint64_t position = 1000) {
    front.show(app::step(state, world({answering("pg-1", primary_facts(position))}), config));
  }
  [[nodiscard]] std::string page() { return *front.serve_metrics(request()).body; }
  [[nodiscard]] http::Response explain() const {
    http::Request r;
    r.query = {{"series", "keelwatch_instance_up"}};
    return front.serve_explain(r);
  }
  // How many pages have been rendered.
  [[nodiscard]] double rendered() const {
    std::string own;
    self.append(own, metrics::Format::kText004);
    return value_on(own, "keelwatch_page_render_duration_seconds_count").value_or(-1);
  }
};

}  // namespace

TEST_CASE("a program whose first step never ends is unhealthy after three slots", "[app]") {
  Fixture f;
  CHECK(f.front.serve_healthy().status == 200);
  CHECK(f.front.serve_ready().status == 503);
  CHECK(f.explain().status == 503);
  f.clock.now += 15s;
  CHECK(f.front.serve_healthy().status == 200);
  f.clock.now += 1s;
  const http::Response sick = f.front.serve_healthy();
  CHECK(sick.status == 503);
  CHECK(*sick.body == "no step has ended yet, 16s after the start\n");
  CHECK(f.front.serve_ready().status == 503);
  CHECK(value_on(f.page(), kAge) == 16);
  CHECK(value_on(f.page(), "keelwatch_steps_total") == 0);

  f.step();
  CHECK(f.front.serve_healthy().status == 200);
  CHECK(f.front.serve_ready().status == 200);
  CHECK(value_on(f.page(), kAge) == 0);
}

TEST_CASE("a Moment older than three slots is served by nothing", "[app]") {
  Fixture f;
  f.step();
  f.clock.now += 15s;
  CHECK(f.front.serve_healthy().status == 200);
  CHECK(value_on(f.page(), kFact) == 1);
  CHECK(f.explain().status == 200);

  f.clock.now += 2s;
  CHECK_FALSE(value_on(f.page(), kFact));
  for (const http::Response& refused :
       {f.front.serve_healthy(), f.front.serve_ready(), f.explain()}) {
    CHECK(refused.status == 503);
    CHECK(*refused.body == "the last step was 17s ago: what it saw is not served as fresh\n");
  }
}

TEST_CASE("the page without facts is as old as its request, not as the first one", "[app]") {
  Fixture f;
  CHECK(value_on(f.page(), kAge) == 0);
  f.clock.now += 3s;
  CHECK(value_on(f.page(), kAge) == 3);
  f.step();
  f.clock.now += 20s;
  CHECK(value_on(f.page(), kAge) == 20);
  f.clock.now += 20s;
  CHECK(value_on(f.page(), kAge) == 40);
}

TEST_CASE("a Moment is believed for three of its own slots", "[app]") {
  Fixture f;
  f.config.step_interval = 60s;
  f.step();
  f.clock.now += 170s;
  CHECK(f.front.serve_ready().status == 200);
  f.clock.now += 11s;
  CHECK(f.front.serve_ready().status == 503);
}

TEST_CASE("nothing is rendered while nobody scrapes", "[app]") {
  Fixture f;
  for (int i = 0; i < 3; ++i) f.step();
  CHECK(f.rendered() == 0);
}

TEST_CASE("the forms of a page that were asked for lately are made before they are asked for again",
          "[app]") {
  Fixture f;
  f.step();
  const auto gzip = [&] { return f.front.serve_metrics(request({kGzip, kOpenMetrics})); };
  const http::Response first = gzip();
  CHECK(f.rendered() == 1);
  CHECK(gzip().body == first.body);

  f.step(2000);
  CHECK(f.rendered() == 2);
  const http::Response second = gzip();
  CHECK(f.rendered() == 2);
  CHECK(second.body != first.body);
  CHECK(second.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8");

  (void)f.page();  // another form, for the first time
  CHECK(f.rendered() == 3);
  f.step(3000);
  CHECK(f.rendered() == 5);

  f.clock.now += Front::kWanted - 1s;
  (void)f.page();
  f.clock.now += 2s;  // only the plain text has been asked for since
  f.step(4000);
  CHECK(f.rendered() == 6);
  f.clock.now += Front::kWanted + 1s;
  f.step(5000);
  CHECK(f.rendered() == 6);
}

TEST_CASE("no more bodies live than those of the newest Moment and of the one before", "[app]") {
  Fixture f;
  f.step();
  std::weak_ptr<const std::string> old = f.front.serve_metrics(request()).body;
  CHECK_FALSE(old.expired());
  f.step(2000);
  CHECK(old.expired());
}

TEST_CASE("scrapes beside steps get whole pages of one Moment", "[app]") {
  Fixture f;
  f.step();
  std::jthread scraper([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      (void)f.front.serve_metrics(request({kGzip}));
      (void)f.front.serve_metrics(request());
      (void)f.front.serve_healthy();
    }
  });
  for (std::uint64_t i = 0; i < 200; ++i) {
    f.step(i);
    const std::string page = f.page();
    REQUIRE(page.ends_with("\n"));
    REQUIRE(value_on(page, kFact) == 1);
  }
}

}  // namespace keelwatch::app
