#include "sources/scrape/target_labels.h"

#include <algorithm>

namespace keelwatch::sources {
namespace {

Labels labelled(const Labels& own, const std::vector<std::pair<std::string, std::string>>& labels) {
  Labels result = own;
  std::vector<std::pair<std::string, std::string>> displaced;
  for (const auto& [name, value] : labels) {
    if (value.empty()) continue;
    if (own.has(name)) displaced.emplace_back("exported_" + name, std::string(own.get(name)));
    result = result.with(name, value);
  }
  for (auto& [name, value] : displaced) {
    while (result.has(name)) name.insert(0, "exported_");
    result = result.with(name, value);
  }
  return result;
}

}  // namespace

std::vector<model::ScrapedSeries> with_target_labels(
    const metrics::ParsedPage& page, const std::vector<std::pair<std::string, std::string>>& labels,
    WallTime at) {
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
  std::vector<model::ScrapedSeries> series;
  series.reserve(page.samples.size());
  for (const metrics::ParsedSample& sample : page.samples) {
    series.push_back({labelled(sample.labels, labels), {milliseconds, sample.value}});
  }
  std::stable_sort(series.begin(), series.end(),
                   [](const auto& a, const auto& b) { return a.labels < b.labels; });
  const auto twice = std::ranges::unique(series, {}, &model::ScrapedSeries::labels);
  series.erase(twice.begin(), twice.end());
  return series;
}

}  // namespace keelwatch::sources
