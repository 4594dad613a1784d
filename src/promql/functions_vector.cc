#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "promql/implementations.h"
#include "promql/numeric.h"
#include "promql/plan.h"

namespace keelwatch::promql::fn {
namespace {

Block single_series(Labels labels, std::vector<double> values) {
  SetBuilder builder;
  builder.add(std::make_shared<const Labels>(std::move(labels)));
  return {builder.finish(), std::move(values)};
}

// What a selector asks for with =, each label once (promql/functions.go,
// createLabelsForAbsentFunction).
Labels asked_labels(const Expr& expr) {
  const auto* selector = expr.as<VectorSelector>();
  if (const auto* matrix = expr.as<MatrixSelector>()) {
    selector = matrix->selector->as<VectorSelector>();
  }
  if (selector == nullptr) return {};
  std::vector<LabelView> labels;
  for (const LabelMatcher& matcher : selector->matchers) {
    if (matcher.name == kMetricName) continue;
    const auto same = [&](const LabelMatcher& other) { return other.name == matcher.name; };
    const bool once =
        std::count_if(selector->matchers.begin(), selector->matchers.end(), same) == 1;
    if (once && matcher.op == store::Matcher::Op::kEqual) {
      labels.push_back({matcher.name, matcher.value});
    }
  }
  return Labels(std::move(labels));
}

Result<Value> extreme(CallNode& call, Evaluation& evaluation, bool larger) {
  Result<Column> a = call.arg(0).column(evaluation);
  if (!a) return a.error();
  Result<Column> b = call.arg(1).column(evaluation);
  if (!b) return b.error();
  for (std::size_t s = 0; s < a->values.size(); ++s) {
    double& out = a->values[s];
    out = larger ? go_max(out, b->values[s]) : go_min(out, b->values[s]);
  }
  return Value(*std::move(a));
}

Result<Value> sorted(CallNode& call, Evaluation& evaluation, bool down) {
  Result<Block> block = call.arg(0).block(evaluation);
  if (!block) return block.error();
  call.warn_of_sorting(evaluation);
  if (evaluation.grid.count != 1) return Value(*std::move(block));  // a range answer is by labels
  std::vector<std::size_t> order(block->set->size());
  std::iota(order.begin(), order.end(), 0);
  const std::vector<double>& values = block->values;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (std::isnan(values[a]) || std::isnan(values[b])) {
      return !std::isnan(values[a]) && std::isnan(values[b]);  // NaN is last either way
    }
    return down ? values[a] > values[b] : values[a] < values[b];
  });
  return Value(permute(*block, order));
}

}  // namespace

Result<Value> absent(CallNode& call, Evaluation& evaluation) {
  Result<Block> block = call.arg(0).block(evaluation);
  if (!block) return block.error();
  const std::size_t steps = evaluation.grid.count;
  if (Result<void> charged = evaluation.charge(steps); !charged) return charged.error();
  std::vector<double> values(steps, 1);
  for (std::size_t i = 0; i < block->values.size(); ++i) {
    if (!is_absent(block->values[i])) values[i % steps] = absent_cell();
  }
  return Value(single_series(asked_labels(*call.call().args[0]), std::move(values)));
}

Result<Value> absent_over_time(CallNode& call, Evaluation& evaluation) {
  RangeNode& range = call.range();
  Result<SetPtr> set = range.prepare(evaluation);
  if (!set) return set.error();
  const Grid& grid = evaluation.grid;
  if (Result<void> charged = evaluation.charge(grid.count); !charged) return charged.error();
  std::vector<double> values(grid.count, 1);
  const auto before = [](const Sample& sample, std::int64_t t) { return sample.timestamp_ms <= t; };
  Ranges ranges;
  for (std::size_t i = 0; i < (*set)->size(); ++i) {
    const std::size_t at = i % RangeNode::kSeriesAtOnce;
    if (at == 0) {
      const std::size_t last = std::min((*set)->size(), i + RangeNode::kSeriesAtOnce);
      Result<void> read = range.read(evaluation, i, last, ranges);
      if (!read) return read.error();
    }
    const std::span<const Sample> samples = ranges.of(at);
    for (std::size_t s = 0; s < grid.count; ++s) {
      const RangeNode::Bounds bounds = range.bounds(grid, s);
      const auto first = std::lower_bound(samples.begin(), samples.end(), bounds.begin, before);
      if (first != samples.end() && first->timestamp_ms <= bounds.end) values[s] = absent_cell();
    }
    if (!evaluation.due(grid.count)) continue;
    if (Result<void> charged = evaluation.charge(0); !charged) return charged.error();
  }
  return Value(single_series(asked_labels(*call.call().args[0]), std::move(values)));
}

Result<Value> scalar(CallNode& call, Evaluation& evaluation) {
  Result<Block> block = call.arg(0).block(evaluation);
  if (!block) return block.error();
  const std::size_t steps = evaluation.grid.count;
  if (Result<void> charged = evaluation.charge(steps); !charged) return charged.error();
  Column out{std::vector<double>(steps, std::nan(""))};
  std::vector<std::uint8_t> seen(steps, 0);
  for (std::size_t i = 0; i < block->values.size(); ++i) {
    if (is_absent(block->values[i])) continue;
    const std::size_t s = i % steps;
    out.values[s] = seen[s] == 0 ? block->values[i] : std::nan("");
    seen[s] = 1;
  }
  return Value(std::move(out));
}

Result<Value> vector(CallNode& call, Evaluation& evaluation) {
  Result<Column> column = call.arg(0).column(evaluation);
  if (!column) return column.error();
  return Value(single_series({}, std::move(column->values)));
}

Result<Value> pi(CallNode&, Evaluation& evaluation) {
  Result<void> charged = evaluation.charge(evaluation.grid.count);
  if (!charged) return charged.error();
  return Value(Column{std::vector<double>(evaluation.grid.count, std::numbers::pi)});
}

Result<Value> min_of(CallNode& call, Evaluation& evaluation) {
  return extreme(call, evaluation, false);
}

Result<Value> max_of(CallNode& call, Evaluation& evaluation) {
  return extreme(call, evaluation, true);
}

Result<Value> sort(CallNode& call, Evaluation& evaluation) {
  return sorted(call, evaluation, false);
}

Result<Value> sort_desc(CallNode& call, Evaluation& evaluation) {
  return sorted(call, evaluation, true);
}

Result<Value> only_native(CallNode& call, Evaluation& evaluation) {
  Result<Block> block = call.arg(0).block(evaluation);
  if (!block) return block.error();
  return Value(Block{std::make_shared<const SeriesSet>(), {}});
}

Result<Value> unsupported(CallNode& call, Evaluation&) {
  return Error(ErrorCode::kUnsupported,
               fmt::format("function \"{}\" is not supported", call.call().function->name));
}

}  // namespace keelwatch::promql::fn
