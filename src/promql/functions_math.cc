#include <cmath>
#include <numbers>

#include "promql/implementations.h"
#include "promql/numeric.h"

namespace keelwatch::promql::fn {
namespace {

// Go takes e^x / 2 from here on, which overflows a little earlier than the exact value.
constexpr double kLargeAngle = 21;

}  // namespace

double abs(double v, const double*) { return std::abs(v); }
double acos(double v, const double*) { return std::acos(v); }
double acosh(double v, const double*) { return std::acosh(v); }
double asin(double v, const double*) { return std::asin(v); }
double asinh(double v, const double*) { return std::asinh(v); }
double atan(double v, const double*) { return std::atan(v); }
double atanh(double v, const double*) { return std::atanh(v); }
double ceil(double v, const double*) { return std::ceil(v); }
double cos(double v, const double*) { return std::cos(v); }
double cosh(double v, const double*) {
  return std::abs(v) > kLargeAngle ? std::exp(std::abs(v)) * 0.5 : std::cosh(v);
}
double deg(double v, const double*) { return v * (180 / std::numbers::pi); }
double exp(double v, const double*) { return std::exp(v); }
double floor(double v, const double*) { return std::floor(v); }
double ln(double v, const double*) { return std::log(v); }
double log10(double v, const double*) { return std::log10(v); }
double log2(double v, const double*) { return std::log2(v); }
double rad(double v, const double*) { return v * (std::numbers::pi / 180); }
double sin(double v, const double*) { return std::sin(v); }
double sinh(double v, const double*) {
  if (!(std::abs(v) > kLargeAngle)) return std::sinh(v);
  return std::copysign(std::exp(std::abs(v)) * 0.5, v);
}
double sqrt(double v, const double*) { return std::sqrt(v); }
double tan(double v, const double*) { return std::tan(v); }
double tanh(double v, const double*) { return std::tanh(v); }

double sgn(double v, const double*) {
  if (v < 0) return -1;
  return v > 0 ? 1 : v;  // a zero keeps its sign, NaN stays
}

double clamp_min(double v, const double* p) { return go_max(p[0], v); }

double clamp_max(double v, const double* p) { return go_min(p[0], v); }

// Bounds that cross select nothing.
double clamp(double v, const double* p) {
  if (p[1] < p[0]) return absent_cell();
  return go_max(p[0], go_min(p[1], v));
}

double round(double v, const double* p) {
  // Ties go up. Dividing by the inverse is what Prometheus does; it keeps 0.1 steps exact.
  const double inverse = 1 / p[0];
  return std::floor(v * inverse + 0.5) / inverse;
}

}  // namespace keelwatch::promql::fn
