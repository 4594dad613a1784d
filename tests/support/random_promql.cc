#include "tests/support/random_promql.h"

#include <fmt/format.h>

#include <vector>

#include "tests/support/random_series.h"

namespace keelwatch::testing {
namespace {

constexpr int kDepth = 4;

}  // namespace

std::string RandomPromql::pick(std::initializer_list<std::string_view> choices) {
  return std::string(choices.begin()[below(choices.size())]);
}

std::string RandomPromql::instant_expression() {
  if (one_in(60)) return refused();
  if (one_in(100)) return pick({"\"text\"", "'it\\'s'", "`raw\\n`"});
  if (one_in(60)) return selector() + "[" + duration() + "]" + modifiers();
  if (v3_ && one_in(80)) {
    return "(" + vector(2, Precision::kAny) + ")[" + duration() + ":" + duration() + "]";
  }
  if (one_in(40)) {
    const std::string sort = pick({"sort", "sort_desc"});
    return sort + "(" + vector(kDepth - 1, Precision::kExact) + ")";
  }
  if (v3_ && one_in(60)) {
    // A label that is missing has no place in Prometheus' order: these series have all of them.
    return pick({"sort_by_label", "sort_by_label_desc"}) + "(" +
           pick({"rank", "req_total", "rate(req_total[5m])", "sum by (instance, code, job) (rank)",
                 "rank > 0"}) +
           ", \"" + pick({"instance", "code", "job"}) + "\")";
  }
  return range_expression();
}

std::string RandomPromql::range_expression() {
  if (one_in(60)) return refused();
  if (one_in(12)) return scalar(kDepth, Precision::kAny);
  return vector(1 + static_cast<int>(below(kDepth)), Precision::kAny);
}

std::string RandomPromql::number() {
  if (v3_ && one_in(12)) return pick({"1m", "90s", "1h30m", "0x1F", "1_000.5", "250ms"});
  return pick({"0", "1", "2", "-1", "0.5", "3", "7.25", "10", "100", "1e3", "-12.5", "0x10", "Inf",
               "-Inf", "NaN", "42"});
}

std::string RandomPromql::duration() {
  if (v3_ && one_in(15)) {
    return pick({"1m + 30s", "2m * 2", "step() + 1m", "range() + 5m", "max_of(step(), 2m)", "300",
                 "-(1m - 4m)", "min_of(10m, 3m)", "2 ^ 7", "5m / 2", "(7m % 4m)"});
  }
  return pick({"15s", "30s", "45s", "1m", "90s", "2m", "5m", "5m", "7m30s", "10m", "20m"});
}

std::string RandomPromql::modifiers() {
  std::string out;
  if (one_in(7)) {
    out += " offset ";
    out += v3_ && one_in(6) ? pick({"(1m + 15s)", "-(30s)", "-step()", "(2m*2)", "60"})
                            : pick({"30s", "1m", "5m", "-1m", "-45s"});
  }
  if (one_in(9)) {
    out += " @ ";
    out += one_in(2) ? pick({"start()", "end()"})
                     : fmt::format("{}.5", kSeriesStartMs / 1000 + 60 * below(45));
  }
  return out;
}

std::string RandomPromql::matchers(const std::string& metric) {
  std::vector<std::string> out;
  if (one_in(2))
    out.push_back("instance" +
                  pick({"=\"i1\"", "!=\"i1\"", "=~\"i[12]\"", "!~\"i[12]\"", "=~\"i.*|\"",
                        one_in(3) ? "=\"\"" : "!=\"\"", "=~\".+\"", "!=\"none\""}));
  if (one_in(6)) out.push_back("job" + pick({"=\"api\"", "=~\"a.*\"", "!=\"api\"", "!~\".*b\""}));
  if (metric == "req_total" && one_in(3))
    out.push_back("code" + pick({"=\"200\"", "=~\"5..\"", "!~\"2..|404\"", "!=\"\""}));
  std::string text;
  for (const std::string& matcher : out) text += (text.empty() ? "" : ", ") + matcher;
  if (!text.empty() || metric.empty()) {
    if (metric.empty())
      text += (text.empty() ? "" : ", ") +
              pick({"__name__=~\"temp|level\"", "__name__=\"temp\"", "__name__=~\"lev.*\""});
    return "{" + text + "}";
  }
  return one_in(10) ? "{}" : "";
}

std::string RandomPromql::selector() {
  if (v3_ && one_in(14))
    return one_in(2) ? "{\"http.requests\"}" : "{\"http.requests\", instance=~\"i[13]\"}";
  if (one_in(40)) return matchers("");
  const std::string metric =
      pick({"req_total", "req_total", "temp", "temp", "temp", "level", "level", "weird", "meta",
            "lat_bucket", "lat_count", "lat_sum", "sparse", "sparse", "temp", "level", "req_total",
            one_in(3) ? "nothing" : "temp"});
  return metric + matchers(metric);
}

std::string RandomPromql::range_vector(int depth, Precision precision, bool counter) {
  // Prometheus 2's windows are closed at both ends, which shows where subqueries nest.
  const bool subquery = one_in(3) && (v3_ || subqueries_ == 0) && subqueries_ < 2;
  if (!subquery) {
    if (counter && !one_in(6)) {
      return pick({"req_total", "lat_bucket", "lat_count"}) + "[" + duration() + "]" + modifiers();
    }
    return selector() + "[" + duration() + "]" + modifiers();
  }
  ++subqueries_;
  std::string out = vector(depth - 1, precision);
  --subqueries_;
  if (out.front() != '(' || one_in(2)) out = "(" + out + ")";
  out += "[" + pick({"1m", "2m", "5m", "7m30s", "10m"}) + ":";
  out += v3_ && one_in(8) ? pick({"15s * 2", "step() + 15s"})
                          : pick({"", "15s", "30s", "1m", "40s", "7s"});
  return out + "]" + modifiers();
}

std::string RandomPromql::range_function(int depth, bool exact) {
  if (!exact) {
    if (v3_ && one_in(8)) {
      return "integral(" + range_vector(depth, Precision::kExact, false) +
             pick({")", ", 0)", ", 1)", ", 2)", ", 3)"});
    }
    if (v3_ && one_in(8)) {
      return "double_exponential_smoothing(" + range_vector(depth, Precision::kExact, false) +
             pick({", 0.5, 0.3)", ", 0.1, 0.9)", ", 1, 0.5)"});
    }
    // Prometheus 2 predicts from another time where the window is fixed.
    if (v3_ && one_in(4)) {
      return "predict_linear(" + range_vector(depth, Precision::kExact, false) + ", " +
             pick({"60", "3600", "-30"}) + ")";
    }
    if (one_in(3)) {
      return "quantile_over_time(" + pick({"0.5", "0.9", "0", "1", "-1", "2", "0.99", "NaN"}) +
             ", " + range_vector(depth, Precision::kExact, false) + ")";
    }
    return pick({"stddev_over_time", "stdvar_over_time", "deriv"}) + "(" +
           range_vector(depth, Precision::kExact, false) + ")";
  }
  if (one_in(3)) {
    return pick({"rate", "increase", "irate", "resets"}) + "(" +
           range_vector(depth, Precision::kExact, true) + ")";
  }
  if (v3_ && one_in(4)) {
    return pick({"first_over_time", "mad_over_time", "ts_of_first_over_time",
                 "ts_of_last_over_time", "ts_of_max_over_time", "ts_of_min_over_time"}) +
           "(" + range_vector(depth, Precision::kExact, false) + ")";
  }
  return pick({"avg_over_time", "sum_over_time", "min_over_time", "max_over_time",
               "count_over_time", "last_over_time", "present_over_time", "changes", "delta",
               "idelta", "absent_over_time"}) +
         "(" + range_vector(depth, Precision::kExact, false) + ")";
}

std::string RandomPromql::distinct_vector(int depth) {
  const std::string rank = "rank" + matchers("rank");
  switch (depth <= 0 ? 0 : below(8)) {
    case 1:
      return pick({"avg_over_time", "sum_over_time", "max_over_time", "rate", "last_over_time"}) +
             "(" + rank + "[" + pick({"2m", "5m", "10m"}) + "])";
    case 2:
      return pick({"abs", "-", "atan"}) + "(" + distinct_vector(depth - 1) + ")";
    case 3:
      return "(" + rank + pick({" and ", " unless ", " or "}) + vector(depth - 1, Precision::kAny) +
             " * rank)";
    case 4:
      return "(" + distinct_vector(depth - 1) + pick({" * 2", " > 0"}) + ")";
    case 5:
      return pick({"sum", "max", "avg"}) + " by (instance, " + pick({"job", "code"}) + ") (" +
             distinct_vector(depth - 1) + ")";
    default:
      return rank + modifiers();
  }
}

// Prometheus forgets the offset of a selector that is timestamp()'s argument and has an @.
std::string RandomPromql::timestamp_argument(int depth) {
  const std::string made = vector(depth, Precision::kAny);
  const bool both =
      made.find(" @ ") != std::string::npos && made.find(" offset ") != std::string::npos;
  return both ? "temp" : made;
}

std::string RandomPromql::grouping() {
  switch (below(5)) {
    case 0:
      return "";
    case 1:
    case 2:
      return " by (" +
             pick({"job", "instance", "job, instance", "code", "", "__name__, job", "le, job",
                   "instance,"}) +
             ")";
    default:
      return " without (" + pick({"instance", "job", "code", "instance, code", "le", "none", ""}) +
             ")";
  }
}

std::string RandomPromql::aggregation(int depth, Precision precision) {
  const std::string by = grouping();
  const bool before = one_in(2);
  std::string op;
  std::string parameter;
  std::string picked;
  Precision inner = precision;
  switch (below(precision == Precision::kAny ? 12 : 8)) {
    case 0:
    case 1:
      op = pick({"count", "group"});
      inner = Precision::kAny;
      break;
    case 2:
      op = pick({"topk", "bottomk"});
      parameter = pick({"1", "2", "3", "5", "0", "-1"}) + ", ";
      picked = distinct_vector(depth - 1);
      break;
    case 3:
      op = v3_ && one_in(2) ? "limitk" : "count_values";
      parameter = op == "limitk" ? pick({"1, ", "2, ", "4, ", "0, "})
                  : v3_          ? pick({"\"v\", ", "\"instance\", ", "\"job\", "})
                                 : "\"v\", ";
      inner = Precision::kExact;
      break;
    case 8:
    case 9:
      op = pick({"stddev", "stdvar"});
      inner = Precision::kExact;
      break;
    case 10:
      op = "quantile";
      parameter = pick({"0.5", "0.9", "0", "1", "-0.1", "1.5", "0.25"}) + ", ";
      inner = Precision::kExact;
      break;
    default:
      op = pick({"sum", "sum", "avg", "min", "max"});
      break;
  }
  if (op == "limitk" || (op == "count_values" && !v3_)) picked = selector();
  if (picked.empty()) picked = vector(depth - 1, inner);
  const std::string body = "(" + parameter + picked + ")";
  return before ? op + by + body : op + body + by;
}

std::string RandomPromql::matching() {
  switch (below(8)) {
    case 0:
      return " on (instance) ";
    case 1:
      return " on (job, instance) ";
    case 2:
      return " ignoring (code) ";
    case 3:
      return " ignoring (job) ";
    case 4:
      return " on (instance) group_left " + pick({"", "(version) ", "() "});
    case 5:
      return " on (job) group_right " + pick({"", "(code) "});
    case 6:
      return " ignoring (code) group_left ";
    default:
      return " ";
  }
}

std::string RandomPromql::arithmetic(int depth, Precision precision) {
  const bool any = precision == Precision::kAny && one_in(2);
  const std::string op = any ? pick({"*", "/"}) : pick({"+", "-", "*", "/", "%"});
  const Precision operand = any ? Precision::kAny : Precision::kExact;
  switch (below(4)) {
    case 0:
      return "(" + scalar(depth - 1, operand) + " " + op + " " + vector(depth - 1, operand) + ")";
    case 1:
      return vector(depth - 1, operand) + " " + op + " " + number();
    case 2: {
      // Joins that mostly succeed.
      if (one_in(3)) return "temp * on (instance) group_left (version) meta";
      const std::string metric = pick({"temp", "level", "req_total", "sparse"});
      const std::string left = metric + matchers(metric) + modifiers();
      return left + " " + op + " " + metric + modifiers();
    }
    default:
      return "(" + vector(depth - 1, operand) + " " + op + matching() + vector(depth - 1, operand) +
             ")";
  }
}

std::string RandomPromql::comparison(int depth) {
  const std::string op = pick({"==", "!=", "<", "<=", ">", ">="});
  const std::string modifier = one_in(3) ? " bool" : "";
  switch (below(3)) {
    case 0:
      return "(" + vector(depth - 1, Precision::kExact) + " " + op + modifier + " " + number() +
             ")";
    case 1:
      return "(" + scalar(depth - 1, Precision::kExact) + " " + op + modifier + " " +
             vector(depth - 1, Precision::kExact) + ")";
    default:
      return "(" + vector(depth - 1, Precision::kExact) + " " + op + modifier + matching() +
             vector(depth - 1, Precision::kExact) + ")";
  }
}

std::string RandomPromql::set_operation(int depth, Precision precision) {
  const std::string on = pick({" ", " ", " on (instance) ", " on () ", " ignoring (job) ",
                               " on (job) ", " ignoring (code) "});
  return "(" + vector(depth - 1, precision) + " " + pick({"and", "or", "unless"}) + on +
         vector(depth - 1, precision) + ")";
}

std::string RandomPromql::labels_changed(int depth, Precision precision) {
  const std::string v = vector(depth - 1, precision);
  switch (below(4)) {
    case 0:
      return "label_join(" + v + ", \"" + pick({"x", "job", "instance"}) + "\", \"" +
             pick({"-", "", ","}) + "\", \"job\", \"" + pick({"instance", "code", "none"}) + "\")";
    case 1:
      return "label_replace(" + v + ", \"" + pick({"x", "code", "__name__"}) + "\", \"" +
             pick({"$1", "v-$1", "${1}x", "", "$2$1"}) + "\", \"instance\", \"" +
             pick({"i(.*)", "(i)(1|2)", "(.*)", "none", ""}) + "\")";
    default:
      return "label_replace(" + v + ", \"" + pick({"job", "instance"}) + "\", \"$1\", \"" +
             pick({"job", "code", "instance"}) + "\", \"" + pick({"(.).*", "(.+)", "(a|b).*"}) +
             "\")";
  }
}

std::string RandomPromql::time_part(int depth) {
  const std::string function = pick({"minute", "hour", "day_of_month", "day_of_week", "day_of_year",
                                     "days_in_month", "month", "year"});
  if (one_in(4)) return function + "()";
  if (one_in(2)) return function + "(vector(time() + " + pick({"0", "86400 * 40", "-1e8"}) + "))";
  return function + "(timestamp(" + timestamp_argument(depth - 1) + "))";
}

std::string RandomPromql::histogram(int depth) {
  std::string buckets = "lat_bucket" + matchers("lat_bucket");
  if (one_in(2)) buckets = "rate(" + buckets + "[" + pick({"2m", "5m", "10m"}) + "])";
  if (one_in(3)) {
    buckets = "sum" + pick({" by (le) ", " by (le, job) ", " without (instance) ", " by (job) "}) +
              "(" + buckets + ")";
  }
  if (one_in(12)) buckets = vector(depth - 1, Precision::kExact);
  if (v3_ && one_in(5)) {
    return "histogram_fraction(" + pick({"0", "0.1", "-Inf", "0.3", "NaN"}) + ", " +
           pick({"0.25", "1", "Inf", "0.05"}) + ", " + buckets + ")";
  }
  if (v3_ && one_in(6)) return "histogram_quantiles(" + buckets + ", \"q\", 0.5, 0.9)";
  return "histogram_quantile(" + pick({"0.5", "0.9", "0", "1", "-1", "2", "0.99", "0.123"}) + ", " +
         buckets + ")";
}

std::string RandomPromql::exact_vector(int depth) {
  switch (below(18)) {
    case 0:
    case 1:
      return pick({"abs", "ceil", "floor", "sgn", "sqrt", "deg", "rad"}) + "(" +
             vector(depth - 1, Precision::kExact) + ")";
    case 2:
      return one_in(2)
                 ? "clamp(" + vector(depth - 1, Precision::kExact) + ", " +
                       pick({"0, 10", "-5, 5", "10, 0", "NaN, 5"}) + ")"
                 : pick({"clamp_min", "clamp_max"}) + "(" + vector(depth - 1, Precision::kExact) +
                       ", " + scalar(depth - 2, Precision::kExact) + ")";
    case 3:
      return "round(" + vector(depth - 1, Precision::kExact) + pick({"", ", 5", ", 0.5", ", 10"}) +
             ")";
    case 4:
      return one_in(3) ? "vector(" + scalar(depth - 1, Precision::kExact) + ")"
                       : "timestamp(" + timestamp_argument(depth - 1) + ")";
    case 5:
      return "absent(" + vector(depth - 1, Precision::kAny) + ")";
    case 6:
      return time_part(depth);
    case 7:
    case 8:
      return range_function(depth, true);
    case 9:
    case 10:
    case 11:
      return aggregation(depth, Precision::kExact);
    case 12:
      return arithmetic(depth, Precision::kExact);
    case 13:
      return comparison(depth);
    case 14:
      return set_operation(depth, Precision::kExact);
    case 15:
      return labels_changed(depth, Precision::kExact);
    case 16:
      if (v3_ && one_in(2)) {
        return "info(" + vector(depth - 1, Precision::kExact) +
               pick({")", ", {version=~\".+\"})", ", {__name__=\"meta\"})",
                     ", {__name__=~\".*_info\", zone!=\"\"})"});
      }
      return selector() + modifiers();
    default:
      return "-" + selector();
  }
}

std::string RandomPromql::inexact_vector(int depth) {
  switch (below(5)) {
    case 0:
      return pick({"exp", "ln", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan",
                   "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"}) +
             "(" + vector(depth - 1, Precision::kExact) + ")";
    case 1:
      return range_function(depth, false);
    case 2:
      return histogram(depth);
    case 3:
      return "(" + vector(depth - 1, Precision::kExact) + (v3_ ? pick({" ^ ", " atan2 "}) : " ^ ") +
             (one_in(2) ? number() : scalar(depth - 1, Precision::kExact)) + ")";
    default:
      return one_in(2) ? aggregation(depth, Precision::kAny) : arithmetic(depth, Precision::kAny);
  }
}

std::string RandomPromql::vector(int depth, Precision precision) {
  if (depth <= 0 || one_in(8)) return selector() + modifiers();
  const std::string made =
      precision == Precision::kAny && one_in(2) ? inexact_vector(depth) : exact_vector(depth);
  return one_in(12) ? "(" + made + ")" : made;
}

std::string RandomPromql::scalar(int depth, Precision precision) {
  if (depth <= 0) return number();
  switch (below(v3_ ? 9 : 6)) {
    case 0:
    case 1:
      return number();
    case 2:
      return pick({"time()", "pi()"});
    case 3:
      return "scalar(" + (one_in(3) ? "level{instance=\"i1\"}" : vector(depth - 1, precision)) +
             ")";
    case 4:
      return "(" + scalar(depth - 1, Precision::kExact) +
             pick({" + ", " - ", " * ", " / ", " % "}) + scalar(depth - 1, Precision::kExact) + ")";
    case 5:
      return "(" + scalar(depth - 1, Precision::kExact) + pick({" == ", " != ", " < ", " >= "}) +
             "bool " + scalar(depth - 1, Precision::kExact) + ")";
    case 6:
      return pick({"min_of", "max_of"}) + "(" + scalar(depth - 1, precision) + ", " +
             scalar(depth - 1, precision) + ")";
    default:
      return pick({"start()", "end()", "range()", "step()"});
  }
}

std::string RandomPromql::refused() {
  const std::string v = vector(2, Precision::kAny);
  switch (below(12)) {
    case 0:
      return v + " + \"text\"";
    case 1:
      return "rate(" + selector() + ")";
    case 2:
      return "sum(1)";
    case 3:
      return "1 == 1";
    case 4:
      return "{instance=~\".*\"}";
    case 5:
      return "topk(" + selector() + ", 1)";
    case 6:
      return v + " and 1";
    case 7:
      return "abs(" + selector() + "[5m])";
    case 8:
      return "unknown_function(" + v + ")";
    case 9:
      return selector() + " offset 1m offset 2m";
    case 10:
      return "(" + v;
    default:
      return selector() + " + on (job) group_left (job) " + selector();
  }
}

}  // namespace keelwatch::testing
