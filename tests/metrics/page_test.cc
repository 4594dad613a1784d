#include "metrics/page.h"

#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "tests/metrics/awkward.h"
#include "tests/metrics/manual_clock.h"

using namespace std::chrono_literals;

namespace keelwatch::metrics {
namespace {

std::shared_ptr<const Samples> awkward_samples() {
  SeriesTable table;  // the samples keep their series alive without it
  return std::make_shared<const Samples>(awkward::samples(table));
}

}  // namespace

TEST_CASE("a page is the step's samples, our own metrics and the end", "[metrics]") {
  const ManualClock clock;
  SelfMetrics self({"0.1.0", "abc"}, clock);
  const Page page(awkward_samples(), self, clock);
  const auto text = page.body(Format::kText004, Encoding::kIdentity);
  CHECK(text->starts_with("# HELP keelwatch_awkward_events_total "));
  CHECK_THAT(*text, Catch::Contains("\nkeelwatch_build_info{"));
  CHECK_FALSE(text->ends_with("# EOF\n"));
  const auto open_metrics = page.body(Format::kOpenMetrics100, Encoding::kIdentity);
  CHECK(open_metrics->ends_with("\n# EOF\n"));
  CHECK(parse_page(*open_metrics, content_type(Format::kOpenMetrics100), 1000));
}

TEST_CASE("without samples a page still shows our own metrics", "[metrics]") {
  const ManualClock clock;
  SelfMetrics self({"0.1.0", "abc"}, clock);
  const std::string text = render(nullptr, self, Format::kText004);
  CHECK_THAT(text, Catch::Contains("keelwatch_build_info{"));
  CHECK_THAT(text, !Catch::Contains("awkward"));
}

TEST_CASE("each form is rendered once, by whoever asks first", "[metrics]") {
  const ManualClock clock;
  SelfMetrics self({"0.1.0", "abc"}, clock);
  const Page page(awkward_samples(), self, clock);
  std::vector<std::shared_ptr<const std::string>> seen(8);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < seen.size(); ++t) {
      threads.emplace_back([&, t] {
        const Format format = t % 2 == 0 ? Format::kText004 : Format::kOpenMetrics100;
        const Encoding encoding = t % 4 < 2 ? Encoding::kGzip : Encoding::kIdentity;
        seen[t] = page.body(format, encoding);
      });
    }
  }
  for (std::size_t t = 0; t < 4; ++t) CHECK(seen[t] == seen[t + 4]);
  CHECK(*seen[0] == *page.body(Format::kText004, Encoding::kGzip));
  std::string own;
  self.append(own, Format::kText004);
  CHECK_THAT(own, Catch::Contains("\nkeelwatch_page_render_duration_seconds_count 4\n"));
}

TEST_CASE("the compressed form holds the text already shown", "[metrics]") {
  ManualClock clock;
  SelfMetrics self({"0.1.0", "abc"}, clock);
  const Page page(awkward_samples(), self, clock);
  const auto text = page.body(Format::kText004, Encoding::kIdentity);
  self.step_done(1ms, 5s);
  CHECK(*page.body(Format::kText004, Encoding::kGzip) == gzip(*text));
}

}  // namespace keelwatch::metrics
