// Rates, changes and regression. Windows hold at least one sample.
#include <algorithm>
#include <cmath>

#include "promql/implementations.h"
#include "promql/numeric.h"

namespace keelwatch::promql::fn {
namespace {

double seconds(std::int64_t ms) { return static_cast<double>(ms) / 1000; }

// promql/functions.go, extrapolatedRate: the difference between the first and the last sample,
// stretched to the window's edges unless the series seems to begin or end inside it.
double extrapolated(const Window& w, bool counter, bool per_second) {
  const auto n = w.samples.size();
  if (n < 2) return absent_cell();
  const Sample& first = w.samples.front();
  const Sample& last = w.samples.back();
  double difference = last.value - first.value;
  if (counter) {
    double previous = first.value;
    for (const Sample& sample : w.samples.subspan(1)) {
      if (sample.value < previous) difference += previous;
      previous = sample.value;
    }
  }
  double to_start = seconds(first.timestamp_ms - w.begin_ms);
  double to_end = seconds(w.end_ms - last.timestamp_ms);
  const double sampled = seconds(last.timestamp_ms - first.timestamp_ms);
  const double average_gap = sampled / static_cast<double>(n - 1);
  const double threshold = average_gap * 1.1;
  if (to_start >= threshold) to_start = average_gap / 2;
  if (counter) {
    // A counter cannot have been below zero before its first sample.
    double to_zero = to_start;
    if (difference > 0 && first.value >= 0) to_zero = sampled * (first.value / difference);
    to_start = std::min(to_start, to_zero);
  }
  if (to_end >= threshold) to_end = average_gap / 2;
  double factor = (sampled + to_start + to_end) / sampled;
  if (per_second) factor /= seconds(w.end_ms - w.begin_ms);
  return difference * factor;
}

double instant_difference(const Window& w, bool rate) {
  const auto n = w.samples.size();
  if (n < 2) return absent_cell();
  const Sample& last = w.samples[n - 1];
  const Sample& previous = w.samples[n - 2];
  if (last.timestamp_ms == previous.timestamp_ms) return absent_cell();
  const bool reset = rate && last.value < previous.value;
  const double difference = reset ? last.value : last.value - previous.value;
  return rate ? difference / seconds(last.timestamp_ms - previous.timestamp_ms) : difference;
}

struct Line {
  double slope;
  double intercept;
};

// Least squares with compensated sums; times relative to `intercept_ms`.
Line regression(std::span<const Sample> samples, std::int64_t intercept_ms) {
  double n = 0;
  KahanSum x;
  KahanSum y;
  KahanSum xy;
  KahanSum x2;
  const double first = samples.front().value;
  bool constant = true;
  for (const Sample& sample : samples) {
    constant = constant && sample.value == first;
    n += 1;
    const double t = seconds(sample.timestamp_ms - intercept_ms);
    x.add(t);
    y.add(sample.value);
    xy.add(t * sample.value);
    x2.add(t * t);
  }
  if (constant) {
    if (std::isinf(first)) return {std::nan(""), std::nan("")};
    return {0, first};
  }
  const double sum_x = x.sum + x.compensation;
  const double sum_y = y.sum + y.compensation;
  const double cov = xy.sum + xy.compensation - sum_x * sum_y / n;
  const double var = x2.sum + x2.compensation - sum_x * sum_x / n;
  const double slope = cov / var;
  return {slope, sum_y / n - slope * sum_x / n};
}

}  // namespace

double rate(const Window& w) { return extrapolated(w, true, true); }
double increase(const Window& w) { return extrapolated(w, true, false); }
double delta(const Window& w) { return extrapolated(w, false, false); }
double irate(const Window& w) { return instant_difference(w, true); }
double idelta(const Window& w) { return instant_difference(w, false); }

double changes(const Window& w) {
  double count = 0;
  double previous = w.samples.front().value;
  for (const Sample& sample : w.samples.subspan(1)) {
    const bool both_nan = std::isnan(sample.value) && std::isnan(previous);
    if (sample.value != previous && !both_nan) ++count;
    previous = sample.value;
  }
  return count;
}

double resets(const Window& w) {
  double count = 0;
  double previous = w.samples.front().value;
  for (const Sample& sample : w.samples.subspan(1)) {
    if (sample.value < previous) ++count;
    previous = sample.value;
  }
  return count;
}

double deriv(const Window& w) {
  if (w.samples.size() < 2) return absent_cell();
  // Relative to the first sample: the slope is the same and loses least.
  return regression(w.samples, w.samples.front().timestamp_ms).slope;
}

double predict_linear(const Window& w) {
  if (w.samples.size() < 2) return absent_cell();
  const Line line = regression(w.samples, w.at_ms);
  return line.slope * w.params[0] + line.intercept;
}

double double_exponential_smoothing(const Window& w) {
  const double smoothing = w.params[0];
  const double trend_factor = w.params[1];
  if (w.samples.size() < 2) return absent_cell();
  double level = w.samples[0].value;
  double previous = 0;
  double trend = w.samples[1].value - w.samples[0].value;
  for (std::size_t i = 1; i < w.samples.size(); ++i) {
    if (i > 1) trend = trend_factor * (level - previous) + (1 - trend_factor) * trend;
    previous = level;
    level = smoothing * w.samples[i].value + (1 - smoothing) * (level + trend);
  }
  return level;
}

}  // namespace keelwatch::promql::fn
