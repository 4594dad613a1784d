// Our pages shown to other implementations: prometheus-cpp's serializer and Prometheus itself.
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "metrics/page.h"
#include "tests/metrics/awkward.h"
#include "tests/metrics/manual_clock.h"

using namespace std::chrono_literals;

namespace keelwatch::metrics {
namespace {

constexpr const char* kPromtool = "/usr/bin/promtool";

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "keelwatch-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] std::string file(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

struct Outcome {
  int status;
  std::string output;  // stdout and stderr
};

Outcome run(const std::string& command) {
  Outcome outcome{-1, {}};
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer;
  while (const std::size_t size = fread(buffer.data(), 1, buffer.size(), pipe)) {
    outcome.output.append(buffer.data(), size);
  }
  outcome.status = pclose(pipe);
  return outcome;
}

bool have_promtool() {
  if (access(kPromtool, X_OK) == 0) return true;
  WARN("promtool is missing (package prometheus): Prometheus' own judgement was not asked");
  return false;
}

std::string whole_page(Format format) {
  const SystemClock clock;  // promtool wants no time of 1970
  SelfMetrics self({"0.1.0", "abc"}, clock);
  self.config_loaded(true);
  self.step_done(3ms, 5s);
  self.snapshot_published(clock.steady());
  self.http_request("/metrics", 200);
  SeriesTable table;
  const Samples samples = awkward::samples(table);
  return render(&samples, self, format);
}

using Values = std::map<std::string, double>;  // by the series' text

Values values_of(const std::string& page, std::string_view type = {}) {
  const auto parsed = parse_page(page, type, 10000);
  if (!parsed) FAIL(parsed.error().message() << "\n" << page);
  Values values;
  for (const ParsedSample& s : parsed->samples)
    CHECK(values.emplace(s.labels.text(), s.value).second);
  return values;
}

bool same_to_16_digits(double a, double b) {
  return a == b || std::abs(a - b) <= std::abs(a) * 1e-15 || (std::isinf(a) && a == b);
}

}  // namespace

TEST_CASE("prometheus-cpp prints the same series, types and values, to its 16 digits",
          "[metrics][oracle]") {
  SeriesTable table;
  const Samples samples = awkward::samples(table);
  prometheus::Registry registry;
  // Help without escapes: prometheus-cpp writes it raw, which breaks its own page.
  auto& gauges = prometheus::BuildGauge()
                     .Name(std::string(awkward::kGauge.name()))
                     .Help("Plain.")
                     .Register(registry);
  auto& ratios = prometheus::BuildGauge()
                     .Name(std::string(awkward::kBare.name()))
                     .Help("No labels.")
                     .Register(registry);
  auto& counters = prometheus::BuildCounter()
                       .Name(std::string(awkward::kCounter.name()))
                       .Help(std::string(awkward::kCounter.help()))
                       .Register(registry);
  std::size_t compared = 0;
  for (const Point& point : samples.points) {
    prometheus::Labels labels;
    for (const LabelView l : point.series->labels()) labels.emplace(l.name, l.value);
    const Family* family = point.series->family;
    // Rounded to 16 digits, the largest double is none any more.
    if (std::abs(point.value) == std::numeric_limits<double>::max()) continue;
    ++compared;
    if (family == &awkward::kGauge) gauges.Add(labels).Set(point.value);
    if (family == &awkward::kBare) ratios.Add(labels).Set(point.value);
    if (family == &awkward::kCounter) counters.Add(labels).Increment(point.value);
  }
  std::string theirs_text = prometheus::TextSerializer().Serialize(registry.Collect());
  const Values theirs = values_of(theirs_text);
  const std::string ours_text = awkward::page(Format::kText004);
  const Values ours = values_of(ours_text);
  CHECK(theirs.size() == compared);
  CHECK(ours.size() == samples.points.size());
  for (const auto& [series, value] : theirs) {
    INFO(series);
    REQUIRE(ours.contains(series));
    CHECK(same_to_16_digits(ours.at(series), value));
  }

  const auto their_page = parse_page(theirs_text, {}, 100);
  const auto our_page = parse_page(ours_text, {}, 100);
  std::map<std::string, std::string> types;
  for (const auto& m : their_page->metadata) types[m.name] = m.type;
  for (const auto& m : our_page->metadata) {
    CHECK(types[m.name] == m.type);
    types.erase(m.name);
  }
  CHECK(types.empty());
}

TEST_CASE("promtool check metrics accepts a page with every awkward case", "[metrics][oracle]") {
  if (!have_promtool()) return;
  const TemporaryFolder folder;
  std::ofstream(folder.file("page")) << whole_page(Format::kText004);
  const Outcome outcome = run(std::string(kPromtool) + " check metrics < " + folder.file("page"));
  INFO(outcome.output);
  CHECK(outcome.status == 0);
  CHECK(outcome.output.empty());
  // The question was a real one: a page with one broken escape is refused.
  std::ofstream(folder.file("broken"))
      << whole_page(Format::kText004) << "keelwatch_x{a=\"\\q\"} 1\n";
  CHECK(run(std::string(kPromtool) + " check metrics < " + folder.file("broken")).status != 0);
}

TEST_CASE("Prometheus reads our OpenMetrics page and stores the same numbers",
          "[metrics][oracle]") {
  if (!have_promtool()) return;
  const TemporaryFolder folder;
  // A block wants timestamps, which a page has not.
  const std::string page = whole_page(Format::kOpenMetrics100);
  std::ofstream out(folder.file("page"));
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    out << line << (line.starts_with('#') ? "" : " 1764040000.000") << "\n";
  }
  out.close();
  const std::string promtool = std::string(kPromtool) + " tsdb ";
  const Outcome created = run(promtool + "create-blocks-from openmetrics " + folder.file("page") +
                              " " + folder.file("data"));
  INFO(created.output);
  REQUIRE(created.status == 0);
  std::filesystem::create_directory(folder.file("data") + "/wal");  // dump asks for it
  const Outcome dumped = run(promtool + "dump " + folder.file("data"));
  INFO(dumped.output);
  REQUIRE(dumped.status == 0);

  // {__name__="x", a="b"} 1.5 1764040000000, Go's escapes.
  std::size_t numbers = 0;
  std::istringstream dump(dumped.output);
  const Values ours = values_of(page, content_type(Format::kOpenMetrics100));
  for (std::string line; std::getline(dump, line);) {
    const std::size_t end = line.rfind("} ") + 1;
    std::string series = line.substr(0, end);
    if (series.find(awkward::kGauge.name()) == std::string::npos ||
        series.find("object") != std::string::npos) {
      continue;
    }
    for (std::size_t at = 0; (at = series.find(", ", at)) != std::string::npos;)
      series.erase(at + 1, 1);
    INFO(line);
    REQUIRE(ours.contains(series));
    CHECK(std::strtod(line.c_str() + end, nullptr) == ours.at(series));
    ++numbers;
  }
  CHECK(numbers == awkward::numbers().size());
}

}  // namespace keelwatch::metrics
