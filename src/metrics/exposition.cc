#include "metrics/exposition.h"

#include <libdeflate.h>

#include <memory>
#include <new>

#include "metrics/text.h"

namespace keelwatch::metrics {
namespace {

// A series and its text lie anywhere in memory: both cache misses are taken ahead.
void prefetch(const std::vector<Point>& points, std::size_t at) {
  constexpr std::size_t kText = 4;
  constexpr std::size_t kSeries = 10;
  if (at + kSeries >= points.size()) return;
  __builtin_prefetch(points[at + kSeries].series.get());
  const char* text = points[at + kText].series->prefix.data();
  __builtin_prefetch(text);
  __builtin_prefetch(text + 64);
  __builtin_prefetch(text + 128);
}

}  // namespace

void append_samples(std::string& out, const Samples& samples, Format format) {
  constexpr std::size_t kNumber = 20;  // what a value and its newline take, usually
  constexpr std::size_t kHeaders = 16 << 10;
  const std::vector<Point>& points = samples.points;
  out.reserve(out.size() + kHeaders + samples.prefix_bytes + points.size() * kNumber);
  const Family* family = nullptr;
  for (std::size_t i = 0; i < points.size(); ++i) {
    prefetch(points, i);
    const Point& point = points[i];
    const Series& series = *point.series;
    if (series.family != family) {
      family = series.family;
      append_header(out, family->name(), family->type(), family->help(), format);
    }
    out += series.prefix;
    append_number(out, point.value);
    out += '\n';
  }
}

void end_page(std::string& out, Format format) {
  if (format == Format::kOpenMetrics100) out += "# EOF\n";
}

std::string gzip(std::string_view text) {
  constexpr int kLevel = 1;  // 13 % instead of level 6's 11.6 %, at a sixth of its time
  const std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> compressor(
      libdeflate_alloc_compressor(kLevel), &libdeflate_free_compressor);
  if (compressor == nullptr) throw std::bad_alloc();
  const std::size_t bound = libdeflate_gzip_compress_bound(compressor.get(), text.size());
  // Not a std::string: it would fill the whole bound with zeros first.
  const auto buffer = std::make_unique_for_overwrite<char[]>(bound);
  const std::size_t size =
      libdeflate_gzip_compress(compressor.get(), text.data(), text.size(), buffer.get(), bound);
  return std::string(buffer.get(), size);
}

}  // namespace keelwatch::metrics
