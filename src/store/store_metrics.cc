#include "store/store_metrics.h"

#include <array>
#include <cstdint>

#include "base/observed.h"

namespace keelwatch::store {
namespace {

using metrics::Family;
using metrics::Type;

constexpr Family kSeries("keelwatch_store_series", Type::kGauge,
                         "Series in the sample store that a query can select.", {});
constexpr Family kSamples("keelwatch_store_samples", Type::kGauge,
                          "Samples in the sample store, markers included.", {});
constexpr Family kBytes("keelwatch_store_bytes", Type::kGauge,
                        "Memory of the sample store: compressed samples, series with their newest "
                        "samples, index, and retired samples that readers may still look at.",
                        {"part"});
constexpr Family kAppended("keelwatch_store_appended_samples_total", Type::kCounter,
                           "Samples taken into the store since keelwatch started.", {});
constexpr Family kRefused("keelwatch_store_refused_samples_total", Type::kCounter,
                          "Samples refused since keelwatch started: older than the newest of their "
                          "series, or as old with another value.",
                          {"reason"});
constexpr Family kRefusedSeries("keelwatch_store_refused_series_total", Type::kCounter,
                                "Attempts to add a series that the limit of series or the memory "
                                "budget refused, since keelwatch started.",
                                {});
constexpr Family kExpired("keelwatch_store_expired_samples_total", Type::kCounter,
                          "Samples forgotten because they had reached the retention, since "
                          "keelwatch started.",
                          {});
constexpr Family kEvicted("keelwatch_store_evicted_samples_total", Type::kCounter,
                          "Samples forgotten before the retention because the memory budget was "
                          "used up, since keelwatch started; rules look back less far then.",
                          {});

constexpr Family kFuture("keelwatch_store_future_samples_total", Type::kCounter,
                         "Samples dropped because the clock stepped back to before them, since "
                         "keelwatch started.",
                         {});

constexpr std::array<const Family*, 9> kFamilies = {&kSeries,   &kSamples, &kBytes,
                                                    &kAppended, &kRefused, &kRefusedSeries,
                                                    &kExpired,  &kEvicted, &kFuture};

}  // namespace

std::span<const metrics::Family* const> metric_families() { return kFamilies; }

void write_metrics(const StoreStats& stats, WallTime at, metrics::Writer& writer) {
  const auto fact = [at](std::uint64_t value) { return Observed<std::uint64_t>::known(value, at); };
  writer.write(kSeries, {}, fact(stats.series));
  writer.write(kSamples, {}, fact(stats.samples));
  writer.write(kBytes, {"chunks"}, fact(stats.chunk_bytes));
  writer.write(kBytes, {"series"}, fact(stats.series_bytes));
  writer.write(kBytes, {"index"}, fact(stats.index_bytes));
  writer.write(kBytes, {"retired"}, fact(stats.retired_bytes));
  writer.write(kAppended, {}, fact(stats.appended));
  writer.write(kRefused, {"out_of_order"}, fact(stats.out_of_order));
  writer.write(kRefused, {"duplicate"}, fact(stats.duplicates));
  writer.write(kRefusedSeries, {}, fact(stats.series_refused));
  writer.write(kExpired, {}, fact(stats.expired_samples));
  writer.write(kEvicted, {}, fact(stats.evicted_samples));
  writer.write(kFuture, {}, fact(stats.future_samples));
}

}  // namespace keelwatch::store
