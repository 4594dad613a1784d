#include "promql/aggregation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "promql/numeric.h"
#include "promql/printer.h"

namespace keelwatch::promql {
namespace {

// Accumulators: add() per value, value() once there was one.
struct Sum : KahanSum {
  [[nodiscard]] double value() const { return total(); }
};

struct Count {
  double count = 0;
  void add(double) { ++count; }
  [[nodiscard]] double value() const { return count; }
};

struct One {
  void add(double) {}
  [[nodiscard]] double value() const { return 1; }
};

template <bool kLargest>
struct Extreme {
  double best = std::numeric_limits<double>::quiet_NaN();
  void add(double v) {
    if (std::isnan(best) || (kLargest ? v > best : v < best)) best = v;
  }
  [[nodiscard]] double value() const { return best; }
};

// Welford's; the first value decides whether there is a variance at all, as in Prometheus.
template <bool kRoot>
struct Variance {
  double count = 0;
  double mean = 0;
  double squares = 0;
  void add(double v) {
    if (++count == 1) {
      mean = v;
      squares = std::isfinite(v) ? 0 : std::numeric_limits<double>::quiet_NaN();
      return;
    }
    const double delta = v - mean;
    mean += delta / count;
    squares += delta * (v - mean);
  }
  [[nodiscard]] double value() const {
    return kRoot ? std::sqrt(squares / count) : squares / count;
  }
};

class AggregateNode final : public Node {
 public:
  AggregateNode(Span span, const Aggregate& aggregate, NodePtr parameter, NodePtr expr)
      : Node(span),
        aggregate_(aggregate),
        parameter_(std::move(parameter)),
        expr_(std::move(expr)) {}

  Result<Value> evaluate(Evaluation& evaluation) override {
    Column parameter;
    if (parameter_) {
      Result<Column> column = parameter_->column(evaluation);
      if (!column) return column.error();
      parameter = *std::move(column);
    }
    Result<Block> in = expr_->block(evaluation);
    if (!in) return in.error();
    const std::size_t steps = evaluation.grid.count;
    const Groups& groups = groups_.get(in->set, [&] { return make_groups(aggregate_, *in->set); });
    if (Result<void> charged = evaluation.charge(groups.set->size() * steps); !charged) {
      return charged.error();
    }
    if (aggregate_.op == AggregateOp::kQuantile) {
      return quantiles(*in, groups, parameter, evaluation);
    }
    return Value(accumulate(*in, groups, steps));
  }

 private:
  [[nodiscard]] Block accumulate(const Block& in, const Groups& groups, std::size_t steps) const {
    switch (aggregate_.op) {
      case AggregateOp::kSum:
        return run<Sum>(in, groups, steps);
      case AggregateOp::kAvg:
        return run<Mean>(in, groups, steps);
      case AggregateOp::kCount:
        return run<Count>(in, groups, steps);
      case AggregateOp::kMin:
        return run<Extreme<false>>(in, groups, steps);
      case AggregateOp::kMax:
        return run<Extreme<true>>(in, groups, steps);
      case AggregateOp::kStddev:
        return run<Variance<true>>(in, groups, steps);
      case AggregateOp::kStdvar:
        return run<Variance<false>>(in, groups, steps);
      default:
        return run<One>(in, groups, steps);
    }
  }

  template <typename Accumulator>
  static Block run(const Block& in, const Groups& groups, std::size_t steps) {
    const std::size_t cells = groups.set->size() * steps;
    std::vector<Accumulator> state(cells);
    std::vector<std::uint8_t> filled(cells, 0);
    for (std::size_t i = 0; i < groups.of.size(); ++i) {
      const double* values = in.values.data() + i * steps;
      const std::size_t base = groups.of[i] * steps;
      for (std::size_t s = 0; s < steps; ++s) {
        if (is_absent(values[s])) continue;
        state[base + s].add(values[s]);
        filled[base + s] = 1;
      }
    }
    Block out{groups.set, std::vector<double>(cells, absent_cell())};
    for (std::size_t c = 0; c < cells; ++c) {
      if (filled[c] != 0) out.values[c] = state[c].value();
    }
    return out;
  }

  Result<Value> quantiles(const Block& in, const Groups& groups, const Column& parameter,
                          Evaluation& evaluation) const {
    const std::size_t steps = evaluation.grid.count;
    for (const double q : parameter.values) {
      if (q >= 0 && q <= 1) continue;
      evaluation.warn(
          parameter_->span(),
          fmt::format("quantile value should be between 0 and 1, got {}", format_number(q)));
    }
    std::vector<std::vector<std::size_t>> members(groups.set->size());
    for (std::size_t i = 0; i < groups.of.size(); ++i) members[groups.of[i]].push_back(i);
    Block out{groups.set, std::vector<double>(members.size() * steps, absent_cell())};
    std::vector<double> values;
    for (std::size_t group = 0; group < members.size(); ++group) {
      for (std::size_t s = 0; s < steps; ++s) {
        values.clear();
        for (const std::size_t i : members[group]) {
          const double value = in.values[i * steps + s];
          if (!is_absent(value)) values.push_back(value);
        }
        if (values.empty()) continue;
        out.values[group * steps + s] = quantile(parameter.values[s], values);
        if (!evaluation.due(values.size())) continue;
        if (Result<void> charged = evaluation.charge(0); !charged) return charged.error();
      }
    }
    return Value(std::move(out));
  }

  const Aggregate& aggregate_;
  NodePtr parameter_;
  NodePtr expr_;
  SetCache<Groups> groups_;
};

}  // namespace

Labels group_labels(const Aggregate& aggregate, const Labels& labels) {
  std::vector<LabelView> kept;
  for (const LabelView label : labels) {
    const bool named = std::find(aggregate.grouping.begin(), aggregate.grouping.end(),
                                 label.name) != aggregate.grouping.end();
    const bool keep = aggregate.without ? !named && label.name != kMetricName : named;
    if (keep) kept.push_back(label);
  }
  return Labels(std::move(kept));
}

Groups make_groups(const Aggregate& aggregate, const SeriesSet& set) {
  Groups groups;
  SetBuilder builder;
  for (std::size_t i = 0; i < set.size(); ++i) {
    groups.of.push_back(builder.add(
        std::make_shared<const Labels>(group_labels(aggregate, *set.labels[i])), set.drops(i)));
  }
  groups.set = builder.finish();
  return groups;
}

NodePtr make_aggregate(Span span, const Aggregate& aggregate, NodePtr parameter, NodePtr expr) {
  switch (aggregate.op) {
    case AggregateOp::kTopk:
    case AggregateOp::kBottomk:
    case AggregateOp::kLimitk:
      return make_selection(span, aggregate, std::move(parameter), std::move(expr));
    case AggregateOp::kCountValues:
      return make_count_values(span, aggregate, std::move(parameter), std::move(expr));
    default:
      return std::make_unique<AggregateNode>(span, aggregate, std::move(parameter),
                                             std::move(expr));
  }
}

}  // namespace keelwatch::promql
