#include "store/store_metrics.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <string>

#include "metrics/exposition.h"
#include "store/store.h"

namespace keelwatch::store {
namespace {

std::string page(const Store& store) {
  metrics::SeriesTable table;
  metrics::Writer writer(table, metric_families());
  write_metrics(store.stats(), WallTime{}, writer);
  std::string text;
  metrics::append_samples(text, std::move(writer).finish(), metrics::Format::kText004);
  return text;
}

// The value of a line that begins with `series`, or -1.
double value_of(const std::string& page, const std::string& series) {
  const std::size_t at = page.find("\n" + series + " ");
  return at == std::string::npos ? -1 : std::stod(page.substr(at + series.size() + 2));
}

}  // namespace

TEST_CASE("what the store refuses, forgets and evicts is counted in metrics", "[store]") {
  constexpr std::int64_t kSlot = 5000;
  Store store({.retention = std::chrono::hours(10), .memory_budget = 100'000, .max_series = 1});
  const SeriesId id = *store.series(Labels{{kMetricName, "m"}});
  std::int64_t now = 1'700'000'000'000;
  REQUIRE_FALSE(store.series(Labels{{kMetricName, "another"}}));
  REQUIRE(store.append(id, now, 1) == AppendOutcome::kAdded);
  REQUIRE(store.append(id, now, 2) == AppendOutcome::kDuplicate);
  REQUIRE(store.append(id, now - 1, 2) == AppendOutcome::kOutOfOrder);
  REQUIRE(store.append(id, now - 2, 2) == AppendOutcome::kOutOfOrder);
  store.end_step(now);
  std::string text = page(store);
  CHECK(value_of(text, "keelwatch_store_series") == 1);
  CHECK(value_of(text, "keelwatch_store_samples") == 1);
  CHECK(value_of(text, "keelwatch_store_refused_samples_total{reason=\"out_of_order\"}") == 2);
  CHECK(value_of(text, "keelwatch_store_refused_samples_total{reason=\"duplicate\"}") == 1);
  CHECK(value_of(text, "keelwatch_store_refused_series_total") == 1);
  CHECK(value_of(text, "keelwatch_store_bytes{part=\"retired\"}") == 0);
  CHECK(value_of(text, "keelwatch_store_evicted_samples_total") == 0);
  CHECK(value_of(text, "keelwatch_store_expired_samples_total") == 0);

  // Values that do not compress: the budget runs out long before the retention.
  for (int i = 0; i < 20'000; ++i) {
    now += kSlot;
    store.append(id, now, std::sin(i));
    store.end_step(now);
  }
  text = page(store);
  const double evicted = value_of(text, "keelwatch_store_evicted_samples_total");
  CHECK(evicted > 10'000);
  CHECK(value_of(text, "keelwatch_store_expired_samples_total") == 0);
  CHECK(value_of(text, "keelwatch_store_appended_samples_total") == 20'001);
  CHECK(value_of(text, "keelwatch_store_samples") == 20'001 - evicted);
  const double bytes = value_of(text, "keelwatch_store_bytes{part=\"chunks\"}") +
                       value_of(text, "keelwatch_store_bytes{part=\"series\"}") +
                       value_of(text, "keelwatch_store_bytes{part=\"index\"}");
  CHECK(bytes > 50'000);
  CHECK(bytes <= 100'000);

  // Nothing is appended for longer than the retention.
  for (int minutes = 0; minutes <= 660; minutes += 10) store.end_step(now + minutes * 60'000);
  text = page(store);
  CHECK(value_of(text, "keelwatch_store_expired_samples_total") == 20'001 - evicted);
  CHECK(value_of(text, "keelwatch_store_samples") == 0);
  CHECK(value_of(text, "keelwatch_store_series") == 0);
}

TEST_CASE("samples that the clock has stepped back behind are counted in a metric", "[store]") {
  Store store;
  const SeriesId id = *store.series(Labels{{kMetricName, "m"}});
  constexpr std::int64_t kNow = 1'700'000'000'000;
  for (const std::int64_t time : {kNow, kNow + 86'400'000, kNow + 86'405'000}) {
    REQUIRE(store.append(id, time, 1) == AppendOutcome::kAdded);
    store.end_step(time);
  }
  store.end_step(kNow + 5000);
  const std::string text = page(store);
  CHECK(value_of(text, "keelwatch_store_future_samples_total") == 2);
  CHECK(value_of(text, "keelwatch_store_samples") == 1);
}

}  // namespace keelwatch::store
