#include "tests/support/random_series.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>

namespace keelwatch::testing {
namespace {

constexpr std::int64_t kIntervalMs = 15'000;

class Maker {
 public:
  Maker(std::uint64_t seed, bool wild) : random_(seed), wild_(wild) {}

  std::vector<RandomSeries> run() {
    for (const char* instance : {"i1", "i2", "i3", "i4"}) {
      const char* job = instance[1] < '3' ? "api" : "db";
      for (const char* code : {"200", "404", "500"}) {
        counter({{"__name__", "req_total"}, {"code", code}, {"instance", instance}, {"job", job}});
        distinct({{"__name__", "rank"}, {"code", code}, {"instance", instance}, {"job", job}});
      }
      gauge({{"__name__", "temp"}, {"instance", instance}, {"job", job}}, 8);
      gauge({{"__name__", "level"}, {"instance", instance}, {"job", job}}, 1);
      odd({{"__name__", "weird"}, {"instance", instance}, {"job", job}});
      constant({{"__name__", "meta"},
                {"instance", instance},
                {"version", below(2) == 0 ? "1.0" : "1.1"}});
      constant({{"__name__", "target_info"},
                {"instance", instance},
                {"job", job},
                {"version", below(2) == 0 ? "2.0" : "2.1"},
                {"zone", below(2) == 0 ? "east" : ""}});
      if (wild_) counter({{"__name__", "http.requests"}, {"instance", instance}, {"job", job}});
    }
    for (const char* instance : {"i1", "i5", ""}) {
      gap_one_in_ = 3;
      gauge({{"__name__", "sparse"}, {"instance", instance}, {"code", "200"}}, 4);
      gap_one_in_ = 20;
    }
    histogram("api");
    histogram("db");
    std::sort(out_.begin(), out_.end(),
              [](const RandomSeries& a, const RandomSeries& b) { return a.labels < b.labels; });
    return std::move(out_);
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  // One series; f gives the next value.
  template <typename F>
  void series(const Labels& labels, F f) {
    RandomSeries made{labels, {}};
    std::int64_t at = kSeriesStartMs + kSeriesPhaseMs;
    // Some begin later or end earlier.
    const std::int64_t begin =
        below(4) == 0 ? at + static_cast<std::int64_t>(below(20)) * 60'000 : at;
    const std::int64_t end = kSeriesStartMs + kSeriesSpanMs -
                             (below(4) == 0 ? static_cast<std::int64_t>(below(20)) * 60'000 : 0);
    std::uint64_t gap = 0;
    for (; at < end; at += kIntervalMs) {
      const double value = f();
      if (at < begin) continue;
      if (gap > 0) {
        --gap;
        continue;
      }
      if (below(gap_one_in_) == 0) {
        gap = below(4);
        continue;
      }
      if (below(60) == 0) {  // a long silence
        gap = below(40);
        if (below(2) == 0 && !made.samples.empty()) {
          made.samples.push_back({at, stale_marker()});
          continue;
        }
      }
      const std::int64_t jitter = below(5) == 0 ? static_cast<std::int64_t>(below(8)) * 1000 : 0;
      made.samples.push_back({at + jitter, value});
    }
    if (below(3) == 0) made.samples.push_back({end + kSeriesPhaseMs, stale_marker()});
    if (!made.samples.empty()) out_.push_back(std::move(made));
  }

  void counter(const Labels& labels) {
    double value = static_cast<double>(below(1000));
    const double slope = static_cast<double>(1 + below(30));
    const std::uint64_t reset = 20 + below(200);
    series(labels, [&, value]() mutable {
      value = below(reset) == 0 ? static_cast<double>(below(5))
                                : value + static_cast<double>(below(3)) * slope;
      return value;
    });
  }

  // Multiples of 1/parts, so that sums are exact in any order.
  void gauge(const Labels& labels, int parts) {
    double value = static_cast<double>(below(100)) - 50;
    series(labels, [&, value]() mutable {
      if (below(3) != 0) value += (static_cast<double>(below(41)) - 20) / parts;
      return value;
    });
  }

  // No two samples of all series are equal.
  void distinct(const Labels& labels) {
    series(labels, [&] { return static_cast<double>(random_() >> 11) / (1ULL << 50) - 3; });
  }

  void odd(const Labels& labels) {
    series(labels, [&] {
      switch (below(wild_ ? 8 : 4)) {
        case 0:
          return std::numeric_limits<double>::quiet_NaN();
        case 1:
          return 0.0;
        case 4:
          return std::numeric_limits<double>::infinity();
        case 5:
          return -std::numeric_limits<double>::infinity();
        case 6:
          return -0.0;
        default:
          return static_cast<double>(below(2000)) / 7 - 100;
      }
    });
  }

  void constant(const Labels& labels) {
    series(labels, [] { return 1.0; });
  }

  // Buckets of one histogram grow together; now and then one is ahead of the next, as when a scrape
  // meets an update.
  void histogram(const char* job) {
    static constexpr const char* kBounds[] = {"0.05", "0.1", "0.25", "0.5", "1", "+Inf"};
    for (const char* instance : {"i1", "i2"}) {
      const Labels rest{{"instance", instance}, {"job", job}};
      double base = 0;
      const std::uint64_t seed = random_();
      for (const char* bound : kBounds) {
        base += static_cast<double>(below(4));
        std::mt19937_64 common(seed);
        double value = 0;
        series(rest.with("__name__", "lat_bucket").with("le", bound), [&, base]() mutable {
          const bool reset = common() % 150 == 0;
          value = reset ? 0 : value + base * static_cast<double>(common() % 4);
          return below(50) == 0 ? value + 1 : value;
        });
      }
      counter(rest.with("__name__", "lat_count"));
      counter(rest.with("__name__", "lat_sum"));
    }
  }

  std::mt19937_64 random_;
  bool wild_;
  std::uint64_t gap_one_in_ = 20;
  std::vector<RandomSeries> out_;
};

}  // namespace

std::vector<RandomSeries> random_series(std::uint64_t seed, bool wild) {
  return Maker(seed, wild).run();
}

}  // namespace keelwatch::testing
