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
