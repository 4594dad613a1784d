// Implementations that the table in functions.cc names, one file of them per kind.
#pragma once

#include "promql/functions.h"

namespace keelwatch::promql::fn {

// functions_math.cc
double abs(double v, const double*);
double acos(double v, const double*);
double acosh(double v, const double*);
double asin(double v, const double*);
double asinh(double v, const double*);
double atan(double v, const double*);
double atanh(double v, const double*);
double ceil(double v, const double*);
double clamp(double v, const double* p);
double clamp_max(double v, const double* p);
double clamp_min(double v, const double* p);
double cos(double v, const double*);
double cosh(double v, const double*);
double deg(double v, const double*);
double exp(double v, const double*);
double floor(double v, const double*);
double ln(double v, const double*);
double log10(double v, const double*);
double log2(double v, const double*);
double rad(double v, const double*);
double round(double v, const double* p);
double sgn(double v, const double*);
double sin(double v, const double*);
double sinh(double v, const double*);
double sqrt(double v, const double*);
double tan(double v, const double*);
double tanh(double v, const double*);

// functions_time.cc
double minute(double t);
double hour(double t);
double day_of_week(double t);
double day_of_month(double t);
double day_of_year(double t);
double days_in_month(double t);
double month(double t);
double year(double t);
Result<Value> time(CallNode& call, Evaluation& evaluation);
Result<Value> start(CallNode& call, Evaluation& evaluation);
Result<Value> end(CallNode& call, Evaluation& evaluation);
Result<Value> step(CallNode& call, Evaluation& evaluation);
Result<Value> range(CallNode& call, Evaluation& evaluation);
Result<Value> timestamp(CallNode& call, Evaluation& evaluation);

// functions_range.cc: rates, changes, regression
double rate(const Window& w);
double increase(const Window& w);
double delta(const Window& w);
double irate(const Window& w);
double idelta(const Window& w);
double changes(const Window& w);
double resets(const Window& w);
double deriv(const Window& w);
double predict_linear(const Window& w);
double double_exponential_smoothing(const Window& w);

// functions_over_time.cc: aggregations over time
double avg_over_time(const Window& w);
double count_over_time(const Window& w);
double first_over_time(const Window& w);
double last_over_time(const Window& w);
double integral(const Window& window);
double mad_over_time(const Window& w);
double max_over_time(const Window& w);
double min_over_time(const Window& w);
double present_over_time(const Window& w);
double quantile_over_time(const Window& w);
double stddev_over_time(const Window& w);
double stdvar_over_time(const Window& w);
double sum_over_time(const Window& w);
double ts_of_first_over_time(const Window& w);
double ts_of_last_over_time(const Window& w);
double ts_of_max_over_time(const Window& w);
double ts_of_min_over_time(const Window& w);

// functions_vector.cc
Result<Value> absent(CallNode& call, Evaluation& evaluation);
Result<Value> absent_over_time(CallNode& call, Evaluation& evaluation);
Result<Value> scalar(CallNode& call, Evaluation& evaluation);
Result<Value> vector(CallNode& call, Evaluation& evaluation);
Result<Value> pi(CallNode& call, Evaluation& evaluation);
Result<Value> min_of(CallNode& call, Evaluation& evaluation);
Result<Value> max_of(CallNode& call, Evaluation& evaluation);
Result<Value> sort(CallNode& call, Evaluation& evaluation);
Result<Value> sort_desc(CallNode& call, Evaluation& evaluation);
// histogram_count and its like: a float is no native histogram, so nothing is left.
Result<Value> only_native(CallNode& call, Evaluation& evaluation);
Result<Value> unsupported(CallNode& call, Evaluation& evaluation);

// functions_label.cc
Result<Value> label_replace(CallNode& call, Evaluation& evaluation);
Result<Value> label_join(CallNode& call, Evaluation& evaluation);
Result<Value> sort_by_label(CallNode& call, Evaluation& evaluation);
Result<Value> sort_by_label_desc(CallNode& call, Evaluation& evaluation);

// functions_histogram.cc
Result<Value> histogram_quantile(CallNode& call, Evaluation& evaluation);
Result<Value> histogram_quantiles(CallNode& call, Evaluation& evaluation);
Result<Value> histogram_fraction(CallNode& call, Evaluation& evaluation);

// functions_info.cc
Result<Value> info(CallNode& call, Evaluation& evaluation);

}  // namespace keelwatch::promql::fn
