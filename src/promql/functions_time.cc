#include <chrono>
#include <cmath>

#include "promql/implementations.h"
#include "promql/plan.h"

namespace keelwatch::promql::fn {
namespace {

using std::chrono::days;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

// Whole seconds, as Go's int64 conversion; times that no calendar has become the epoch.
seconds whole_seconds(double t) {
  const bool sane = t > -6e10 && t < 9e11;  // years 69 to 30489
  return seconds(sane ? static_cast<std::int64_t>(t) : 0);
}

sys_days day(double t) {
  return std::chrono::floor<days>(std::chrono::sys_seconds(whole_seconds(t)));
}
seconds of_day(double t) { return std::chrono::sys_seconds(whole_seconds(t)) - day(t); }
year_month_day date(double t) { return year_month_day(day(t)); }

Result<Value> constant(Evaluation& evaluation, double value) {
  const std::size_t steps = evaluation.grid.count;
  if (Result<void> charged = evaluation.charge(steps); !charged) return charged.error();
  return Value(Column{std::vector<double>(steps, value)});
}

}  // namespace

double minute(double t) { return static_cast<double>(of_day(t).count() / 60 % 60); }
double hour(double t) { return static_cast<double>(of_day(t).count() / 3600); }
double day_of_week(double t) { return std::chrono::weekday(day(t)).c_encoding(); }
double day_of_month(double t) { return static_cast<unsigned>(date(t).day()); }
double month(double t) { return static_cast<unsigned>(date(t).month()); }
double year(double t) { return static_cast<int>(date(t).year()); }

double day_of_year(double t) {
  const sys_days first = date(t).year() / std::chrono::January / 1;
  return static_cast<double>((day(t) - first).count() + 1);
}

double days_in_month(double t) {
  const year_month_day d = date(t);
  return static_cast<unsigned>((d.year() / d.month() / std::chrono::last).day());
}

Result<Value> time(CallNode&, Evaluation& evaluation) {
  Result<void> charged = evaluation.charge(evaluation.grid.count);
  if (!charged) return charged.error();
  Column column;
  for (std::size_t s = 0; s < evaluation.grid.count; ++s) {
    column.values.push_back(static_cast<double>(evaluation.grid.at(s)) / 1000);
  }
  return Value(std::move(column));
}

Result<Value> start(CallNode&, Evaluation& evaluation) {
  return constant(evaluation, static_cast<double>(evaluation.query.start) / 1000);
}

Result<Value> end(CallNode&, Evaluation& evaluation) {
  return constant(evaluation, static_cast<double>(evaluation.query.end) / 1000);
}

Result<Value> step(CallNode&, Evaluation& evaluation) {
  // A range of one step has none, as an instant query.
  const auto step = static_cast<double>(evaluation.query.step) / 1000;
  return constant(evaluation, evaluation.query.range() == 0 ? 0 : step);
}

Result<Value> range(CallNode&, Evaluation& evaluation) {
  return constant(evaluation, static_cast<double>(evaluation.query.range()) / 1000);
}

// Of a selector the samples' own times; of anything else the evaluation's.
Result<Value> timestamp(CallNode& call, Evaluation& evaluation) {
  auto* selector = dynamic_cast<SelectorNode*>(&call.arg(0));
  Result<Value> value =
      selector != nullptr ? selector->timestamps(evaluation) : call.arg(0).evaluate(evaluation);
  if (!value) return value;
  Block block = std::get<Block>(*std::move(value));
  if (selector == nullptr) {
    const std::size_t steps = evaluation.grid.count;
    for (std::size_t i = 0; i < block.values.size(); ++i) {
      if (is_absent(block.values[i])) continue;
      block.values[i] = static_cast<double>(evaluation.grid.at(i % steps)) / 1000;
    }
  }
  Result<Block> named = call.without_names(std::move(block), evaluation);
  if (!named) return named.error();
  return Value(*std::move(named));
}

}  // namespace keelwatch::promql::fn
