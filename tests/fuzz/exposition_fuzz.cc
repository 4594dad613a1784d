// Two properties for arbitrary bytes:
// - a page that parse_page accepts reads the same after its samples are printed again;
// - whatever label values a hostile object has, our page parses, with those values in it.
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "metrics/exposition.h"
#include "metrics/text.h"

namespace keelwatch::metrics {
namespace {

constexpr std::size_t kMaxSamples = 2000;
constexpr Family kAny("keelwatch_any", Type::kGauge, "Any.", {"a", "b", "c"});

void require(bool condition) {
  if (!condition) std::abort();
}

bool same(double a, double b) {
  return std::isnan(a) ? std::isnan(b)
                       : std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

void read_page(std::string_view text, Format format) {
  const auto page = parse_page(text, content_type(format), kMaxSamples);
  if (!page) {
    require(page.error().message().starts_with("line "));
    return;
  }
  require(page->samples.size() <= kMaxSamples && page->metadata.size() <= kMaxSamples);
  std::string again;
  for (const ParsedSample& sample : page->samples) {
    again += '{';
    for (const LabelView label : sample.labels) {
      if (label.name != kMetricName) {
        again += '"';
        append_label_value(again, label.name);
        again += "\"=";
      }
      again += '"';
      append_label_value(again, label.value);
      again += "\",";
    }
    again += "} ";
    append_number(again, sample.value);
    again += '\n';
  }
  const auto back = parse_page(again, {}, kMaxSamples);
  require(back.has_value() && back->samples.size() == page->samples.size());
  for (std::size_t i = 0; i < back->samples.size(); ++i) {
    require(back->samples[i].labels == page->samples[i].labels);
    require(same(back->samples[i].value, page->samples[i].value));
  }
}

void write_page(std::string_view bytes, Format format) {
  SeriesTable table;
  const Family* const declared[] = {&kAny};
  const std::size_t a = bytes.empty() ? 0 : static_cast<unsigned char>(bytes.front()) % 32;
  const std::string_view first = bytes.substr(0, a);
  const std::string_view rest = bytes.substr(first.size());
  const std::string_view second = rest.substr(0, rest.size() / 2);
  const std::string_view third = rest.substr(second.size());
  Writer writer(table, declared);
  writer.write(kAny, {first, second, third}, Observed<int>::known(1, WallTime{}));
  const Samples samples = std::move(writer).finish();
  const Series& series = *samples.points.at(0).series;

  std::string page;
  append_samples(page, samples, format);
  end_page(page, format);
  const auto parsed = parse_page(page, content_type(format), kMaxSamples);
  require(parsed.has_value() && parsed->samples.size() == 1);
  const Labels labels = series.labels();
  require(parsed->samples[0].labels == labels.with(kMetricName, kAny.name()));
  if (is_utf8(first)) require(labels.get("a") == first);

  // The repaired values are the same series, and so are the raw ones.
  const std::string_view repaired[] = {labels.get("a"), labels.get("b"), labels.get("c")};
  const std::string_view raw[] = {first, second, third};
  require(table.intern(kAny, repaired).get() == &series);
  require(table.intern(kAny, raw).get() == &series);
  require(table.size() == 1);
}

}  // namespace
}  // namespace keelwatch::metrics

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelwatch::metrics;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Format format = (data[0] & 1) != 0 ? Format::kOpenMetrics100 : Format::kText004;
  if ((data[0] & 2) != 0) {
    write_page(text, format);
  } else {
    read_page(text, format);
  }
  return 0;
}
