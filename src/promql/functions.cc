#include "promql/functions.h"

#include <algorithm>

#include "base/edit_distance.h"
#include "promql/implementations.h"

namespace keelwatch::promql {
namespace {

constexpr ValueType kScalar = ValueType::kScalar;
constexpr ValueType kVector = ValueType::kVector;
constexpr std::size_t kAny = Function::kAny;
constexpr bool kExperimental = true;

constexpr RangeImplementation over(RangeFunction function) {
  return {function, false, Advice::kNone};
}
constexpr RangeImplementation keeping(RangeFunction function) {
  return {function, true, Advice::kNone};
}
constexpr RangeImplementation counting(RangeFunction function) {
  return {function, false, Advice::kCounter};
}

// clang-format off
const Function kFunctions[] = {
    {"abs", "V", 1, 1, kVector, false, "abs(v): absolute values", fn::abs},
    {"absent", "V", 1, 1, kVector, false, "absent(v): 1 if v is empty, with the labels that v asks for", fn::absent},
    {"absent_over_time", "M", 1, 1, kVector, false, "absent_over_time(m): 1 if m has no sample", fn::absent_over_time},
    {"acos", "V", 1, 1, kVector, false, "acos(v): arccosine", fn::acos},
    {"acosh", "V", 1, 1, kVector, false, "acosh(v): inverse hyperbolic cosine", fn::acosh},
    {"asin", "V", 1, 1, kVector, false, "asin(v): arcsine", fn::asin},
    {"asinh", "V", 1, 1, kVector, false, "asinh(v): inverse hyperbolic sine", fn::asinh},
    {"atan", "V", 1, 1, kVector, false, "atan(v): arctangent", fn::atan},
    {"atanh", "V", 1, 1, kVector, false, "atanh(v): inverse hyperbolic tangent", fn::atanh},
    {"avg_over_time", "M", 1, 1, kVector, false, "avg_over_time(m): mean of the samples", over(fn::avg_over_time)},
    {"ceil", "V", 1, 1, kVector, false, "ceil(v): rounded up", fn::ceil},
    {"changes", "M", 1, 1, kVector, false, "changes(m): how often the value changed", over(fn::changes)},
    {"clamp", "VSS", 3, 3, kVector, false, "clamp(v, min, max): held between min and max", fn::clamp},
    {"clamp_max", "VS", 2, 2, kVector, false, "clamp_max(v, max): at most max", fn::clamp_max},
    {"clamp_min", "VS", 2, 2, kVector, false, "clamp_min(v, min): at least min", fn::clamp_min},
    {"cos", "V", 1, 1, kVector, false, "cos(v): cosine", fn::cos},
    {"cosh", "V", 1, 1, kVector, false, "cosh(v): hyperbolic cosine", fn::cosh},
    {"count_over_time", "M", 1, 1, kVector, false, "count_over_time(m): number of samples", over(fn::count_over_time)},
    {"day_of_month", "V", 0, 1, kVector, false, "day_of_month(v = vector(time())): 1 to 31, UTC", fn::day_of_month},
    {"day_of_week", "V", 0, 1, kVector, false, "day_of_week(v = vector(time())): 0 (Sunday) to 6, UTC", fn::day_of_week},
    {"day_of_year", "V", 0, 1, kVector, false, "day_of_year(v = vector(time())): 1 to 366, UTC", fn::day_of_year},
    {"days_in_month", "V", 0, 1, kVector, false, "days_in_month(v = vector(time())): 28 to 31, UTC", fn::days_in_month},
    {"deg", "V", 1, 1, kVector, false, "deg(v): radians to degrees", fn::deg},
    {"delta", "M", 1, 1, kVector, false, "delta(m): difference over the range, extrapolated, of gauges", over(fn::delta)},
    {"deriv", "M", 1, 1, kVector, false, "deriv(m): slope per second by least squares", over(fn::deriv)},
    {"double_exponential_smoothing", "MSS", 3, 3, kVector, kExperimental, "double_exponential_smoothing(m, smoothing, trend): smoothed value, both factors in (0, 1)", RangeImplementation{fn::double_exponential_smoothing, false, Advice::kFactors}},
    {"end", "", 0, 0, kScalar, kExperimental, "end(): the query's end", fn::end},
    {"exp", "V", 1, 1, kVector, false, "exp(v): e to the power of v", fn::exp},
    {"first_over_time", "M", 1, 1, kVector, kExperimental, "first_over_time(m): the oldest sample", keeping(fn::first_over_time)},
    {"floor", "V", 1, 1, kVector, false, "floor(v): rounded down", fn::floor},
    {"histogram_avg", "V", 1, 1, kVector, false, "histogram_avg(v): of native histograms", fn::only_native},
    {"histogram_count", "V", 1, 1, kVector, false, "histogram_count(v): of native histograms", fn::only_native},
    {"histogram_fraction", "SSV", 3, 3, kVector, false, "histogram_fraction(lower, upper, buckets): the part of the observations between the two", fn::histogram_fraction},
    {"histogram_quantile", "SV", 2, 2, kVector, false, "histogram_quantile(q, buckets): the q-quantile, interpolated", fn::histogram_quantile},
    {"histogram_quantiles", "VsS", 3, 12, kVector, kExperimental, "histogram_quantiles(buckets, label, q...): several quantiles, told apart by the label", fn::histogram_quantiles},
    {"histogram_stddev", "V", 1, 1, kVector, false, "histogram_stddev(v): of native histograms", fn::only_native},
    {"histogram_stdvar", "V", 1, 1, kVector, false, "histogram_stdvar(v): of native histograms", fn::only_native},
    {"histogram_sum", "V", 1, 1, kVector, false, "histogram_sum(v): of native histograms", fn::only_native},
    {"hour", "V", 0, 1, kVector, false, "hour(v = vector(time())): 0 to 23, UTC", fn::hour},
    {"idelta", "M", 1, 1, kVector, false, "idelta(m): difference of the newest two samples", over(fn::idelta)},
    {"increase", "M", 1, 1, kVector, false, "increase(m): growth of counters over the range, extrapolated", counting(fn::increase)},
    {"info", "VV", 1, 2, kVector, kExperimental, "info(v, selector = {__name__=\"target_info\"}): v with the labels of info metrics", fn::info},
    {"integral", "MS", 1, 2, kVector, kExperimental, "integral(m, rule = 2): the area below the samples in value seconds; rule 0 takes left values, 1 right ones, 2 means of both", RangeImplementation{fn::integral, false, Advice::kRule}},
    {"irate", "M", 1, 1, kVector, false, "irate(m): growth per second between the newest two samples", over(fn::irate)},
    {"label_join", "Vsss", 3, kAny, kVector, false, "label_join(v, dst, separator, src...): dst = the values of src, joined", fn::label_join},
    {"label_replace", "Vssss", 5, 5, kVector, false, "label_replace(v, dst, replacement, src, regex): dst = replacement where src matches", fn::label_replace},
    {"last_over_time", "M", 1, 1, kVector, false, "last_over_time(m): the newest sample", keeping(fn::last_over_time)},
    {"ln", "V", 1, 1, kVector, false, "ln(v): natural logarithm", fn::ln},
    {"log10", "V", 1, 1, kVector, false, "log10(v): decimal logarithm", fn::log10},
    {"log2", "V", 1, 1, kVector, false, "log2(v): binary logarithm", fn::log2},
    {"mad_over_time", "M", 1, 1, kVector, kExperimental, "mad_over_time(m): median absolute deviation", over(fn::mad_over_time)},
    {"max_of", "SS", 2, 2, kScalar, kExperimental, "max_of(a, b): the larger scalar", fn::max_of},
    {"max_over_time", "M", 1, 1, kVector, false, "max_over_time(m): the largest sample", over(fn::max_over_time)},
    {"min_of", "SS", 2, 2, kScalar, kExperimental, "min_of(a, b): the smaller scalar", fn::min_of},
    {"min_over_time", "M", 1, 1, kVector, false, "min_over_time(m): the smallest sample", over(fn::min_over_time)},
    {"minute", "V", 0, 1, kVector, false, "minute(v = vector(time())): 0 to 59, UTC", fn::minute},
    {"month", "V", 0, 1, kVector, false, "month(v = vector(time())): 1 to 12, UTC", fn::month},
    {"pi", "", 0, 0, kScalar, false, "pi(): 3.14159...", fn::pi},
    {"predict_linear", "MS", 2, 2, kVector, false, "predict_linear(m, seconds): the value in so many seconds, by least squares", over(fn::predict_linear)},
    {"present_over_time", "M", 1, 1, kVector, false, "present_over_time(m): 1 where there is a sample", over(fn::present_over_time)},
    {"quantile_over_time", "SM", 2, 2, kVector, false, "quantile_over_time(q, m): the q-quantile of the samples", RangeImplementation{fn::quantile_over_time, false, Advice::kQuantile}},
    {"rad", "V", 1, 1, kVector, false, "rad(v): degrees to radians", fn::rad},
    {"range", "", 0, 0, kScalar, kExperimental, "range(): seconds from the query's start to its end", fn::range},
    {"rate", "M", 1, 1, kVector, false, "rate(m): growth of counters per second, extrapolated", counting(fn::rate)},
    {"resets", "M", 1, 1, kVector, false, "resets(m): how often the value fell", over(fn::resets)},
    {"round", "VS", 1, 2, kVector, false, "round(v, to = 1): to the nearest multiple", fn::round},
    {"scalar", "V", 1, 1, kScalar, false, "scalar(v): the value of a single series, else NaN", fn::scalar},
    {"sgn", "V", 1, 1, kVector, false, "sgn(v): -1, 0 or 1", fn::sgn},
    {"sin", "V", 1, 1, kVector, false, "sin(v): sine", fn::sin},
    {"sinh", "V", 1, 1, kVector, false, "sinh(v): hyperbolic sine", fn::sinh},
    {"sort", "V", 1, 1, kVector, false, "sort(v): by value, upwards; instant queries only", fn::sort},
    {"sort_by_label", "Vs", 1, kAny, kVector, kExperimental, "sort_by_label(v, label...): by labels, upwards; instant queries only", fn::sort_by_label},
    {"sort_by_label_desc", "Vs", 1, kAny, kVector, kExperimental, "sort_by_label_desc(v, label...): by labels, downwards; instant queries only", fn::sort_by_label_desc},
    {"sort_desc", "V", 1, 1, kVector, false, "sort_desc(v): by value, downwards; instant queries only", fn::sort_desc},
    {"sqrt", "V", 1, 1, kVector, false, "sqrt(v): square root", fn::sqrt},
    {"start", "", 0, 0, kScalar, kExperimental, "start(): the query's start", fn::start},
    {"start_timestamp", "V", 1, 1, kVector, kExperimental, "start_timestamp(v): needs start timestamps, which this program does not keep", fn::unsupported},
    {"stddev_over_time", "M", 1, 1, kVector, false, "stddev_over_time(m): population standard deviation", over(fn::stddev_over_time)},
    {"stdvar_over_time", "M", 1, 1, kVector, false, "stdvar_over_time(m): population variance", over(fn::stdvar_over_time)},
    {"step", "", 0, 0, kScalar, kExperimental, "step(): the query's step in seconds", fn::step},
    {"sum_over_time", "M", 1, 1, kVector, false, "sum_over_time(m): sum of the samples", over(fn::sum_over_time)},
    {"tan", "V", 1, 1, kVector, false, "tan(v): tangent", fn::tan},
    {"tanh", "V", 1, 1, kVector, false, "tanh(v): hyperbolic tangent", fn::tanh},
    {"time", "", 0, 0, kScalar, false, "time(): the evaluation's time", fn::time},
    {"timestamp", "V", 1, 1, kVector, false, "timestamp(v): the time of each sample", fn::timestamp},
    {"ts_of_first_over_time", "M", 1, 1, kVector, kExperimental, "ts_of_first_over_time(m): the time of the oldest sample", over(fn::ts_of_first_over_time)},
    {"ts_of_last_over_time", "M", 1, 1, kVector, kExperimental, "ts_of_last_over_time(m): the time of the newest sample", over(fn::ts_of_last_over_time)},
    {"ts_of_max_over_time", "M", 1, 1, kVector, kExperimental, "ts_of_max_over_time(m): the time of the largest sample, the newest of equals", over(fn::ts_of_max_over_time)},
    {"ts_of_min_over_time", "M", 1, 1, kVector, kExperimental, "ts_of_min_over_time(m): the time of the smallest sample, the newest of equals", over(fn::ts_of_min_over_time)},
    {"vector", "S", 1, 1, kVector, false, "vector(s): s as a series without labels", fn::vector},
    {"year", "V", 0, 1, kVector, false, "year(v = vector(time())): UTC", fn::year},
};
// clang-format on

}  // namespace

ValueType Function::arg(std::size_t i) const {
  // label_join's and sort_by_label's further arguments are strings.
  const char letter = arguments[std::min(i, arguments.size() - 1)];
  switch (letter) {
    case 'S':
      return ValueType::kScalar;
    case 's':
      return ValueType::kString;
    case 'V':
      return ValueType::kVector;
    default:
      return ValueType::kMatrix;
  }
}

std::span<const Function> functions() { return kFunctions; }

const Function* find_function(std::string_view name) {
  const auto at =
      std::lower_bound(std::begin(kFunctions), std::end(kFunctions), name,
                       [](const Function& f, std::string_view n) { return f.name < n; });
  return at != std::end(kFunctions) && at->name == name ? at : nullptr;
}

std::string did_you_mean_function(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Function& function : kFunctions) names.push_back(function.name);
  for (int op = 0; op <= static_cast<int>(AggregateOp::kLimitRatio); ++op) {
    names.push_back(to_string(static_cast<AggregateOp>(op)));
  }
  return did_you_mean(name, names);
}

}  // namespace keelwatch::promql
