// Aggregations over time. Windows hold at least one sample.
#include <algorithm>
#include <cmath>
#include <limits>

#include "promql/implementations.h"
#include "promql/numeric.h"

namespace keelwatch::promql {

double quantile(double q, std::vector<double>& values) {
  if (values.empty() || std::isnan(q)) return std::numeric_limits<double>::quiet_NaN();
  if (q < 0) return -std::numeric_limits<double>::infinity();
  if (q > 1) return std::numeric_limits<double>::infinity();
  std::sort(values.begin(), values.end(), [](double a, double b) {
    if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && !std::isnan(b);
    return a < b;
  });
  const double rank = q * static_cast<double>(values.size() - 1);
  const auto lower = static_cast<std::size_t>(std::floor(rank));
  const std::size_t upper = std::min(values.size() - 1, lower + 1);
  const double weight = rank - std::floor(rank);
  if (weight == 0) return values[lower];  // an infinity times 0 would be NaN
  return values[lower] * (1 - weight) + values[upper] * weight;
}

namespace fn {
namespace {

std::vector<double> values_of(const Window& w) {
  std::vector<double> values;
  values.reserve(w.samples.size());
  for (const Sample& sample : w.samples) values.push_back(sample.value);
  return values;
}

// The sample that no later one beats; a number beats NaN.
template <typename Beats>
const Sample& best(const Window& w, Beats beats) {
  const Sample* found = &w.samples.front();
  for (const Sample& sample : w.samples.subspan(1)) {
    if (beats(sample.value, found->value) || std::isnan(found->value)) found = &sample;
  }
  return *found;
}

double seconds(const Sample& sample) { return static_cast<double>(sample.timestamp_ms) / 1000; }

}  // namespace

double avg_over_time(const Window& w) {
  Mean mean;
  for (const Sample& sample : w.samples) mean.add(sample.value);
  return mean.value();
}

double sum_over_time(const Window& w) {
  KahanSum sum;
  for (const Sample& sample : w.samples) sum.add(sample.value);
  return sum.total();
}

double count_over_time(const Window& w) { return static_cast<double>(w.samples.size()); }
double first_over_time(const Window& w) { return w.samples.front().value; }
double last_over_time(const Window& w) { return w.samples.back().value; }
double present_over_time(const Window&) { return 1; }

double mad_over_time(const Window& w) {
  std::vector<double> values = values_of(w);
  for (const double value : values) {
    if (std::isnan(value)) return value;  // not dropped silently
  }
  const double median = quantile(0.5, values);
  for (double& value : values) value = std::abs(value - median);
  return quantile(0.5, values);
}

double max_over_time(const Window& w) {
  return best(w, [](double a, double b) { return a > b; }).value;
}

double min_over_time(const Window& w) {
  return best(w, [](double a, double b) { return a < b; }).value;
}

// The rule by params[0]: 0 takes each interval's left value, 1 its right one, everything else their
// mean. NaN counts as zero.
double integral(const Window& w) {
  const auto value_of = [](const Sample& s) { return std::isnan(s.value) ? 0 : s.value; };
  KahanSum sum;
  for (std::size_t i = 1; i < w.samples.size(); ++i) {
    const double left = value_of(w.samples[i - 1]);
    const double right = value_of(w.samples[i]);
    KahanSum height;
    if (w.params[0] == 0) {
      height.sum = left;
    } else if (w.params[0] == 1) {
      height.sum = right;
    } else if (left != 0 || right != 0) {
      height.sum = left;
      height.add(right);
      const bool overflow = std::isinf(height.sum) && !std::isinf(left) && !std::isinf(right);
      if (overflow) {
        height = KahanSum{left / 2, 0};
        height.add(right / 2);
      } else {
        height.sum /= 2;
        height.compensation /= 2;
      }
    }
    if (height.sum == 0 && height.compensation == 0) continue;
    const double seconds =
        static_cast<double>(w.samples[i].timestamp_ms - w.samples[i - 1].timestamp_ms) / 1000;
    sum.compensation += height.compensation * seconds;
    sum.add(height.sum * seconds);
  }
  return sum.total();
}

double quantile_over_time(const Window& w) {
  std::vector<double> values = values_of(w);
  return quantile(w.params[0], values);
}

double stdvar_over_time(const Window& w) {
  double count = 0;
  KahanSum mean;
  KahanSum squares;
  for (const Sample& sample : w.samples) {
    count += 1;
    const double delta = sample.value - (mean.sum + mean.compensation);
    mean.add(delta / count);
    squares.add(delta * (sample.value - (mean.sum + mean.compensation)));
  }
  return (squares.sum + squares.compensation) / count;
}

double stddev_over_time(const Window& w) { return std::sqrt(stdvar_over_time(w)); }

double ts_of_first_over_time(const Window& w) { return seconds(w.samples.front()); }
double ts_of_last_over_time(const Window& w) { return seconds(w.samples.back()); }

double ts_of_max_over_time(const Window& w) {
  return seconds(best(w, [](double a, double b) { return a >= b; }));
}

double ts_of_min_over_time(const Window& w) {
  return seconds(best(w, [](double a, double b) { return a <= b; }));
}

}  // namespace fn
}  // namespace keelwatch::promql
