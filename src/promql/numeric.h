// Numeric building blocks that aggregations and range functions share, step for step as Prometheus
// does them (promql/functions.go, promql/quantile.go, util/kahansum).
#pragma once

#include <cmath>
#include <vector>

namespace keelwatch::promql {

// Go's math.Max and math.Min: the infinity on their side wins over NaN, NaN over everything else.
[[nodiscard]] inline double go_max(double a, double b) {
  if (a == HUGE_VAL || b == HUGE_VAL) return HUGE_VAL;
  if (std::isnan(a) || std::isnan(b)) return std::nan("");
  return a > b || (a == b && !std::signbit(a)) ? a : b;
}
[[nodiscard]] inline double go_min(double a, double b) { return -go_max(-a, -b); }

// Neumaier's compensated sum. The rounding error of an addition is found without comparing sizes
// (Knuth's TwoSum: the same exact error). Must not be compiled with reassociation.
struct KahanSum {
  double sum = 0;
  double compensation = 0;

  void add(double v) {
    const double t = sum + v;
    const double rounded = t - sum;
    const double error = (sum - (t - rounded)) + (v - rounded);
    compensation = std::isinf(t) ? 0 : compensation + error;
    sum = t;
  }
  [[nodiscard]] double total() const { return std::isinf(sum) ? sum : sum + compensation; }
};

// Sum first; once that overflows, an incremental mean.
class Mean {
 public:
  void add(double v) {
    count_ += 1;
    if (!incremental_) {
      KahanSum next = sum_;
      next.add(v);
      if (count_ == 1 || !std::isinf(next.sum)) {
        sum_ = next;
        return;
      }
      incremental_ = true;
      sum_.sum /= count_ - 1;
      sum_.compensation /= count_ - 1;
    }
    const double q = (count_ - 1) / count_;
    KahanSum mean{q * sum_.sum, q * sum_.compensation};
    mean.add(v / count_);
    sum_ = mean;
  }
  [[nodiscard]] double value() const {
    if (incremental_) return std::isinf(sum_.sum) ? sum_.sum : sum_.sum + sum_.compensation;
    return sum_.sum / count_ + (std::isinf(sum_.sum) ? 0 : sum_.compensation / count_);
  }

 private:
  KahanSum sum_;
  double count_ = 0;
  bool incremental_ = false;
};

// The q-quantile of the values, which get sorted; NaN counts as the smallest.
[[nodiscard]] double quantile(double q, std::vector<double>& values);

}  // namespace keelwatch::promql
