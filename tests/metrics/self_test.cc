#include "metrics/self.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "metrics/process.h"
#include "tests/metrics/manual_clock.h"

using namespace std::chrono_literals;

namespace keelwatch::metrics {
namespace {

ParsedPage read(const SelfMetrics& self, Format format = Format::kText004) {
  std::string page;
  self.append(page, format);
  end_page(page, format);
  auto parsed = parse_page(page, content_type(format), 1000);
  if (!parsed) FAIL(parsed.error().message());
  return std::move(parsed).value();
}

// series text → value, as in `keelwatch_x{a="b"}`.
std::map<std::string, double> values(const ParsedPage& page) {
  std::map<std::string, double> found;
  for (const ParsedSample& s : page.samples) {
    const Labels rest = s.labels.without(kMetricName);
    const std::string name(s.labels.get(kMetricName));
    found[rest.empty() ? name : name + rest.text()] = s.value;
  }
  return found;
}

void use_everything(SelfMetrics& self) {
  self.config_loaded(true);
  self.step_done(3ms, 5s);
  self.snapshot_published(SteadyTime(1h));
  self.http_request("/metrics", 200);
  self.page_rendered(1ms);
  self.log_line(LogLevel::kWarn);
  self.notifications_sent("http://am:9093", 3, true, 2ms);
  self.notifications_dropped("http://am:9093", 1);
  self.notification_queue("http://am:9093", 2, 10'000);
  self.alertmanagers_discovered(1);
  self.alerts_untold(0);
  self.heartbeat_sent(WallTime(1h));
  self.state_writable(true);
}

}  // namespace

TEST_CASE("the registry emits what families() describes, and nothing else", "[metrics]") {
  const ManualClock clock;
  SelfMetrics self({"0.1.0", "abc"}, clock);
  use_everything(self);
  const ParsedPage page = read(self);

  std::map<std::string, const Family*> described;
  for (const Family* family : SelfMetrics::families()) {
    CHECK(described.emplace(family->name(), family).second);
  }
  std::set<std::string> emitted;
  for (const auto& metadata : page.metadata) {
    INFO(metadata.name);
    emitted.insert(metadata.name);
    REQUIRE(described.contains(metadata.name));
    CHECK(metadata.type == to_string(described[metadata.name]->type()));
    CHECK(metadata.help == described[metadata.name]->help());
  }
  CHECK(emitted.size() == described.size());

  for (const ParsedSample& sample : page.samples) {
    std::string name(sample.labels.get(kMetricName));
    std::set<std::string> labels;
    for (const LabelView label : sample.labels) labels.emplace(label.name);
    labels.erase(std::string(kMetricName));
    for (const std::string_view suffix : {"_bucket", "_sum", "_count"}) {
      if (!described.contains(name) && name.ends_with(suffix)) {
        name.resize(name.size() - suffix.size());
        if (suffix == "_bucket") CHECK(labels.erase("le") == 1);
      }
    }
    INFO(name);
    REQUIRE(described.contains(name));
    const auto expected = described[name]->labels();
    CHECK(labels == std::set<std::string>(expected.begin(), expected.end()));
  }
}

TEST_CASE("counters count, and what has no value yet is absent", "[metrics]") {
  ManualClock clock;
  SelfMetrics self({"0.1.0", "abc"}, clock);
  auto before = values(read(self));
  CHECK(before["keelwatch_steps_total"] == 0);
  CHECK(before[R"(keelwatch_log_lines_total{level="error"})"] == 0);
  CHECK_FALSE(before.contains("keelwatch_config_last_reload_successful"));
  CHECK_FALSE(before.contains("keelwatch_config_last_reload_success_timestamp_seconds"));
  CHECK_FALSE(before.contains("keelwatch_snapshot_age_seconds"));

  self.step_done(1ms, 5s);
  self.step_done(3s, 5s);
  self.step_done(6s, 5s);
  self.http_request("/metrics", 200);
  self.http_request("/metrics", 200);
  self.http_request("/-/ready", 503);
  self.log_line(LogLevel::kError);
  auto after = values(read(self));
  CHECK(after["keelwatch_steps_total"] == 3);
  CHECK(after["keelwatch_step_overruns_total"] == 1);
  CHECK(after[R"(keelwatch_step_duration_seconds_bucket{le="0.001"})"] == 1);
  CHECK(after[R"(keelwatch_step_duration_seconds_bucket{le="2.5"})"] == 1);
  CHECK(after[R"(keelwatch_step_duration_seconds_bucket{le="+Inf"})"] == 3);
  CHECK(after["keelwatch_step_duration_seconds_count"] == 3);
  CHECK(after["keelwatch_step_duration_seconds_sum"] == Approx(9.001));
  CHECK(after[R"(keelwatch_http_requests_total{code="200",handler="/metrics"})"] == 2);
  CHECK(after[R"(keelwatch_http_requests_total{code="503",handler="/-/ready"})"] == 1);
  CHECK(after[R"(keelwatch_log_lines_total{level="error"})"] == 1);
}

TEST_CASE("a bad reload keeps the time of the last good one", "[metrics]") {
  ManualClock clock;
  SelfMetrics self({"0.1.0", "abc"}, clock);
  self.config_loaded(false);
  CHECK(values(read(self))["keelwatch_config_last_reload_successful"] == 0);
  CHECK_FALSE(
      values(read(self)).contains("keelwatch_config_last_reload_success_timestamp_seconds"));
  self.config_loaded(true);
  const double at = to_unix_seconds(clock.wall());
  clock.now += 1h;
  self.config_loaded(false);
  auto found = values(read(self));
  CHECK(found["keelwatch_config_last_reload_successful"] == 0);
  CHECK(found["keelwatch_config_last_reload_success_timestamp_seconds"] == at);
}

TEST_CASE("a snapshot grows old by itself", "[metrics]") {
  ManualClock clock;
  SelfMetrics self({"0.1.0", "abc"}, clock);
  self.snapshot_published(clock.steady());
  CHECK(values(read(self))["keelwatch_snapshot_age_seconds"] == 0);
  clock.now += 17s;
  CHECK(values(read(self))["keelwatch_snapshot_age_seconds"] == 17);
  self.snapshot_published(clock.steady());
  CHECK(values(read(self))["keelwatch_snapshot_age_seconds"] == 0);
}

TEST_CASE("both formats carry the same series, and OpenMetrics drops _total of families",
          "[metrics]") {
  const ManualClock clock;
  SelfMetrics self({"0.1.0", "abc"}, clock);
  use_everything(self);
  const ParsedPage text = read(self);
  const ParsedPage open_metrics = read(self, Format::kOpenMetrics100);
  REQUIRE(text.samples.size() == open_metrics.samples.size());
  for (std::size_t i = 0; i < text.samples.size(); ++i) {
    CHECK(text.samples[i].labels == open_metrics.samples[i].labels);
  }
  for (const auto& metadata : open_metrics.metadata) CHECK_FALSE(metadata.name.ends_with("_total"));
}

TEST_CASE("the process tells about itself", "[metrics]") {
  const ManualClock clock;
  const SelfMetrics self({"0.1.0", "abc"}, clock);
  auto found = values(read(self));
  CHECK(found["process_resident_memory_bytes"] > 1e6);
  CHECK(found["process_virtual_memory_bytes"] > found["process_resident_memory_bytes"]);
  CHECK(found["process_open_fds"] >= 3);
  CHECK(found["process_max_fds"] >= found["process_open_fds"]);
  CHECK(found.contains("process_cpu_seconds_total"));
  const double now = to_unix_seconds(SystemClock().wall());
  CHECK(found["process_start_time_seconds"] < now + 2);
  CHECK(found["process_start_time_seconds"] > now - 24 * 3600);
}

TEST_CASE("a program's name cannot confuse the reading of /proc", "[metrics]") {
  const std::string stat =
      "4711 (a) R 1 (x) S 1 4711 4711 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 9000 1048576 "
      "256 18446744073709551615 1 1 0 0 0 0 0 0 0";
  const ProcessFacts facts =
      parse_process(stat, "cpu  1 2 3\nbtime 1764000000\nprocesses 9\n", 100, 4096);
  CHECK(facts.cpu_seconds == 3);
  CHECK(facts.virtual_bytes == 1048576);
  CHECK(facts.resident_bytes == 256 * 4096);
  CHECK(facts.start_time_seconds == 1764000090);

  const ProcessFacts nothing = parse_process("", "", 100, 4096);
  CHECK_FALSE(nothing.cpu_seconds);
  CHECK_FALSE(nothing.resident_bytes);
  const ProcessFacts cut = parse_process("1 (a) S 1 2 3", "btime", 100, 4096);
  CHECK_FALSE(cut.cpu_seconds);
  CHECK_FALSE(cut.start_time_seconds);
}

TEST_CASE("many threads count without losing one", "[metrics]") {
  const ManualClock clock;
  SelfMetrics self({"0.1.0", "abc"}, clock);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&self] {
        for (int i = 0; i < 500; ++i) {
          self.http_request("/metrics", 200 + i % 3);
          self.step_done(1ms, 5s);
          if (i % 50 == 0) {
            std::string page;
            self.append(page, Format::kText004);
          }
        }
      });
    }
  }
  auto found = values(read(self));
  CHECK(found["keelwatch_steps_total"] == 2000);
  CHECK(found[R"(keelwatch_http_requests_total{code="201",handler="/metrics"})"] == 4 * 167);
}

}  // namespace keelwatch::metrics
