#include "metrics/exposition.h"

#include <libdeflate.h>

#include <bit>
#include <catch2/catch.hpp>
#include <charconv>
#include <cmath>
#include <map>
#include <random>

#include "metrics/text.h"
#include "tests/metrics/awkward.h"

namespace keelwatch::metrics {
namespace {

std::string number(double value) {
  std::string out;
  append_number(out, value);
  return out;
}

}  // namespace

TEST_CASE("numbers print in Prometheus' forms, whole ones without exponent", "[metrics]") {
  struct Case {
    double value;
    const char* text;
  };
  const Case cases[] = {
      {0, "0"},
      {-0.0, "-0"},
      {100000, "100000"},
      {-16777216, "-16777216"},
      {1764040723, "1764040723"},
      {0.1 + 0.2, "0.30000000000000004"},
      {0.5, "0.5"},
      {1e15, "1e+15"},
      {1e300, "1e+300"},
      {std::numeric_limits<double>::infinity(), "+Inf"},
      {-std::numeric_limits<double>::infinity(), "-Inf"},
      {std::nan(""), "NaN"},
      {-std::nan(""), "NaN"},
  };
  for (const Case& c : cases) CHECK(number(c.value) == c.text);
}

TEST_CASE("every finite number reads back as the same bits", "[metrics]") {
  std::mt19937_64 random(7);
  std::vector<double> values = awkward::numbers();
  for (int i = 0; i < 20000; ++i) {
    values.push_back(std::bit_cast<double>(random()));
    values.push_back(static_cast<double>(random() >> (random() % 64)));
  }
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    const std::string text = number(value);
    double back = 0;
    std::from_chars(text.data(), text.data() + text.size(), back);
    if (std::bit_cast<std::uint64_t>(back) != std::bit_cast<std::uint64_t>(value)) FAIL(text);
  }
}

TEST_CASE("a page prints families with samples only, help and type once", "[metrics]") {
  constexpr Family kHelp("keelwatch_help", Type::kGauge, "One \\ \"two\"\nthree.", {"a"});
  constexpr Family kSilent("keelwatch_silent", Type::kGauge, "Nothing known.", {});
  constexpr Family kEvents("keelwatch_events_total", Type::kCounter, "Events.", {"a"});
  const Family* const declared[] = {&kHelp, &kSilent, &kEvents};
  SeriesTable table;
  Writer writer(table, declared);
  const auto known = [](double v) { return Observed<double>::known(v, WallTime{}); };
  writer.write(kEvents, {"x"}, known(3));
  writer.write(kHelp, {"y\n"}, known(1));
  writer.write(kHelp, {""}, known(2));
  const Samples samples = std::move(writer).finish();

  std::string text;
  append_samples(text, samples, Format::kText004);
  end_page(text, Format::kText004);
  CHECK(text ==
        "# HELP keelwatch_help One \\\\ \"two\"\\nthree.\n"
        "# TYPE keelwatch_help gauge\n"
        "keelwatch_help{a=\"y\\n\"} 1\n"
        "keelwatch_help 2\n"
        "# HELP keelwatch_events_total Events.\n"
        "# TYPE keelwatch_events_total counter\n"
        "keelwatch_events_total{a=\"x\"} 3\n");

  std::string open_metrics;
  append_samples(open_metrics, samples, Format::kOpenMetrics100);
  end_page(open_metrics, Format::kOpenMetrics100);
  CHECK(open_metrics ==
        "# HELP keelwatch_help One \\\\ \\\"two\\\"\\nthree.\n"
        "# TYPE keelwatch_help gauge\n"
        "keelwatch_help{a=\"y\\n\"} 1\n"
        "keelwatch_help 2\n"
        "# HELP keelwatch_events Events.\n"
        "# TYPE keelwatch_events counter\n"
        "keelwatch_events_total{a=\"x\"} 3\n"
        "# EOF\n");
}

TEST_CASE("the format follows the Accept header", "[metrics]") {
  struct Case {
    const char* name;
    const char* accept;
    Format format;
  };
  constexpr Format kText = Format::kText004;
  constexpr Format kOpen = Format::kOpenMetrics100;
  const Case cases[] = {
      {"nothing", "", kText},
      {"curl", "*/*", kText},
      {"a browser", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", kText},
      {"Prometheus 2.42",
       "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
       "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
       kOpen},
      {"Prometheus 3",
       "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
       "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;"
       "escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
       kOpen},
      {"Prometheus preferring text",
       "text/plain;version=0.0.4;q=0.9, application/openmetrics-text;version=1.0.0;q=0.8", kText},
      {"only the old OpenMetrics", "application/openmetrics-text;version=0.0.1", kText},
      {"without a version", "application/openmetrics-text", kOpen},
      {"a tie", "application/openmetrics-text, text/plain", kText},
      {"refused by name, allowed by star", "application/openmetrics-text;q=0,application/*;q=0.5",
       kText},
      {"blanks and case", "Application/OpenMetrics-Text ; Version=1.0.0 ; Q=0.9 , text/plain;q=0.1",
       kOpen},
      {"a broken q", "application/openmetrics-text;q=high", kText},
      {"an infinite q", "application/openmetrics-text;q=nan", kText},
      {"only commas", ",,;;,=,", kText},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    CHECK(negotiate(c.accept) == c.format);
  }
  CHECK(content_type(kText) == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(content_type(kOpen) == "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

TEST_CASE("gzip gives the page back, an empty one too", "[metrics]") {
  for (const std::string& text :
       {awkward::page(Format::kText004), std::string(), std::string(3 << 20, 'x')}) {
    const std::string packed = gzip(text);
    CHECK(packed.substr(0, 2) == "\x1F\x8B");
    std::string unpacked(text.size(), '\0');
    std::size_t size = 0;
    libdeflate_decompressor* decompressor = libdeflate_alloc_decompressor();
    const auto result =
        libdeflate_gzip_decompress(decompressor, packed.data(), packed.size(), unpacked.data(),
                                   unpacked.size(), text.empty() ? nullptr : &size);
    libdeflate_free_decompressor(decompressor);
    CHECK(result == LIBDEFLATE_SUCCESS);
    CHECK(size == text.size());
    CHECK(unpacked == text);
  }
}

TEST_CASE("our own parser reads our awkward page back in both formats", "[metrics]") {
  for (const Format format : {Format::kText004, Format::kOpenMetrics100}) {
    const auto parsed = parse_page(awkward::page(format), content_type(format), 1000);
    REQUIRE(parsed);
    SeriesTable table;
    const Samples samples = awkward::samples(table);
    REQUIRE(parsed->samples.size() == samples.points.size());
    for (std::size_t i = 0; i < samples.points.size(); ++i) {
      const Series& series = *samples.points[i].series;
      CHECK(parsed->samples[i].labels == series.labels().with(kMetricName, series.family->name()));
      CHECK(std::bit_cast<std::uint64_t>(parsed->samples[i].value) ==
            std::bit_cast<std::uint64_t>(samples.points[i].value));
    }
    REQUIRE(parsed->metadata.size() == 3);
    CHECK(parsed->metadata[1].name == awkward::kGauge.name());
    CHECK(parsed->metadata[1].help == awkward::kGauge.help());
  }
}

}  // namespace keelwatch::metrics
