#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/utf8.h"
#include "promql/invariance.h"
#include "promql/plan.h"
#include "promql/printer.h"

namespace keelwatch::promql {

SetMap drop_names(const SeriesSet& set, bool delayed) {
  SetMap map;
  SetBuilder builder;
  for (std::size_t i = 0; i < set.size(); ++i) {
    const LabelsPtr& labels = set.labels[i];
    LabelsPtr bare = delayed || !labels->has(kMetricName)
                         ? labels
                         : std::make_shared<const Labels>(labels->without(kMetricName));
    const std::uint32_t to = builder.add(std::move(bare), delayed);
    map.identity = map.identity && to == i;
    map.to.push_back(to);
  }
  map.out = builder.finish();
  return map;
}

Block permute(const Block& block, const std::vector<std::size_t>& order) {
  auto set = std::make_shared<SeriesSet>();
  Block out;
  for (const std::size_t i : order) {
    if (is_absent(block.values[i])) continue;
    set->labels.push_back(block.set->labels[i]);
    if (!block.set->drop_name.empty()) set->drop_name.push_back(block.set->drop_name[i]);
    out.values.push_back(block.values[i]);
  }
  out.set = std::move(set);
  return out;
}

bool is_label_name(std::string_view name) {
  if (name.empty()) return false;
  while (!name.empty()) {
    const std::size_t length = utf8_sequence_length(name);
    if (length == 0) return false;
    name.remove_prefix(length);
  }
  return true;
}

Result<Block> CallNode::without_names(Block block, Evaluation& evaluation) {
  const bool delayed = evaluation.options.delayed_name_removal;
  const SetMap& map = names_.get(block.set, [&] { return drop_names(*block.set, delayed); });
  return regroup(map, std::move(block), evaluation.grid.count);
}

Result<Value> CallNode::evaluate(Evaluation& evaluation) {
  return std::visit(
      [&](const auto& function) -> Result<Value> {
        using F = std::decay_t<decltype(function)>;
        if constexpr (std::is_same_v<F, MathFunction>) {
          return evaluate_math(function, evaluation);
        } else if constexpr (std::is_same_v<F, TimeFunction>) {
          return evaluate_time(function, evaluation);
        } else if constexpr (std::is_same_v<F, RangeImplementation>) {
          return evaluate_range(function, evaluation);
        } else {
          return function(*this, evaluation);
        }
      },
      call_.function->implementation);
}

void CallNode::warn_of_sorting(Evaluation& evaluation) const {
  // What does not change with the steps is evaluated once, as if at an instant.
  if (evaluation.grid.start == evaluation.until) return;
  const auto& args = call_.args;
  if (std::all_of(args.begin(), args.end(),
                  [](const ExprPtr& arg) { return is_step_invariant(*arg); })) {
    return;
  }
  evaluation.warn(span(),
                  "sort is ineffective for range queries since results are always ordered by "
                  "labels");
}

// The scalar arguments from `first` on, step by step: [step * count + argument].
Result<std::vector<double>> CallNode::parameters(Evaluation& evaluation, std::size_t first) {
  const std::size_t count = args_.size() - first;
  const std::size_t steps = evaluation.grid.count;
  if (Result<void> charged = evaluation.charge(count * steps); !charged) return charged.error();
  std::vector<double> out(count * steps);
  for (std::size_t p = 0; p < count; ++p) {
    Result<Column> column = args_[first + p]->column(evaluation);
    if (!column) return column.error();
    for (std::size_t s = 0; s < steps; ++s) out[s * count + p] = column->values[s];
  }
  return out;
}

Result<Value> CallNode::evaluate_math(MathFunction function, Evaluation& evaluation) {
  Result<Block> block = args_[0]->block(evaluation);
  if (!block) return block.error();
  Result<std::vector<double>> params = parameters(evaluation, 1);
  if (!params) return params.error();
  std::size_t count = args_.size() - 1;
  const std::size_t steps = evaluation.grid.count;
  if (params->empty()) {  // the only optional one: round's
    params->assign(steps, 1);
    count = 1;
  }
  double* cell = block->values.data();
  for (std::size_t i = 0; i < block->set->size(); ++i) {
    for (std::size_t s = 0; s < steps; ++s, ++cell) {
      if (!is_absent(*cell)) *cell = function(*cell, params->data() + s * count);
    }
  }
  Result<Block> named = without_names(*std::move(block), evaluation);
  if (!named) return named.error();
  return Value(*std::move(named));
}

Result<Value> CallNode::evaluate_time(TimeFunction function, Evaluation& evaluation) {
  const std::size_t steps = evaluation.grid.count;
  if (args_.empty()) {
    SetBuilder builder;
    builder.add(std::make_shared<const Labels>());
    Block now{builder.finish(), std::vector<double>(steps)};
    for (std::size_t s = 0; s < steps; ++s) {
      now.values[s] = function(static_cast<double>(evaluation.grid.at(s)) / 1000);
    }
    return Value(std::move(now));
  }
  Result<Block> block = args_[0]->block(evaluation);
  if (!block) return block.error();
  for (double& cell : block->values) {
    if (!is_absent(cell)) cell = function(cell);
  }
  Result<Block> named = without_names(*std::move(block), evaluation);
  if (!named) return named.error();
  return Value(*std::move(named));
}

void CallNode::advise(const SetPtr& set, std::size_t series, Evaluation& evaluation) {
  const std::vector<std::uint8_t>& doubtful = doubtful_.get(set, [&] {
    std::vector<std::uint8_t> found(set->size(), 0);
    bool any = false;
    for (std::size_t i = 0; i < set->size(); ++i) {
      const std::string_view name = set->labels[i]->get(kMetricName);
      bool counter = name.empty();
      for (const std::string_view suffix : {"_total", "_sum", "_count", "_bucket"}) {
        counter = counter || name.ends_with(suffix);
      }
      found[i] = counter ? 0 : 1;
      any = any || !counter;
    }
    return any ? found : std::vector<std::uint8_t>();
  });
  if (doubtful.empty() || doubtful[series] == 0) return;
  evaluation.inform(range_->span(), fmt::format("metric might not be a counter, name does not end "
                                                "in _total/_sum/_count/_bucket: {}",
                                                quote(set->labels[series]->get(kMetricName))));
}

// A parameter is judged only at steps where there is something to compute.
Result<void> CallNode::judge_parameters(const RangeImplementation& function,
                                        const std::vector<double>& params,
                                        const std::vector<std::uint8_t>& used,
                                        Evaluation& evaluation) const {
  for (std::size_t i = 0; i < params.size() && !used.empty(); ++i) {
    const std::size_t argument = i % (params.size() / used.size());
    if (used[i / (params.size() / used.size())] == 0) continue;
    const double p = params[i];
    const Span span = args_.empty() ? this->span() : args_[argument]->span();
    if (function.advice == Advice::kQuantile && !(p >= 0 && p <= 1)) {
      evaluation.warn(
          span, fmt::format("quantile value should be between 0 and 1, got {}", format_number(p)));
    } else if (function.advice == Advice::kRule && p != 0 && p != 1 && p != 2) {
      evaluation.warn(span, fmt::format("strategy should be 0, 1, or 2 (default), using 2, got {}",
                                        format_number(p)));
    } else if (function.advice == Advice::kFactors && !(p > 0 && p < 1)) {
      return Error(ErrorCode::kInvalid,
                   argument == 0
                       ? fmt::format("invalid smoothing factor. Expected: 0 < sf < 1, got: {:f}", p)
                       : fmt::format("invalid trend factor. Expected: 0 < tf < 1, got: {:f}", p));
    }
  }
  return {};
}

// Two indices move along the series' samples with the steps.
Result<void> CallNode::window_series(const RangeImplementation& function,
                                     std::span<const Sample> samples, const double* params,
                                     double* cells, std::uint8_t* used,
                                     Evaluation& evaluation) const {
  const Grid& grid = evaluation.grid;
  Window window;
  const bool defaulted = args_.empty() && function.advice == Advice::kRule;
  const std::size_t stride = defaulted ? 1 : args_.size();
  std::size_t begin = 0;
  std::size_t end = 0;
  for (std::size_t s = 0; s < grid.count; ++s) {
    const RangeNode::Bounds bounds = range_->bounds(grid, s);
    if (samples.back().timestamp_ms <= bounds.end) end = samples.size();
    while (end < samples.size() && samples[end].timestamp_ms <= bounds.end) ++end;
    while (begin < end && samples[begin].timestamp_ms <= bounds.begin) ++begin;
    if (begin == end) continue;
    if (used != nullptr) used[s] = 1;
    window.samples = samples.subspan(begin, end - begin);
    window.begin_ms = bounds.begin;
    window.end_ms = bounds.end;
    window.at_ms = grid.at(s);
    window.params = stride == 0 ? nullptr : params + s * stride;
    cells[s] = function.function(window);
    // Windows overlap: their samples may be many times those that were read.
    if (!evaluation.due(end - begin)) continue;
    if (Result<void> charged = evaluation.charge(0); !charged) return charged;
  }
  return {};
}

Result<Value> CallNode::evaluate_range(const RangeImplementation& function,
                                       Evaluation& evaluation) {
  constexpr std::size_t kSeriesAtOnce = RangeNode::kSeriesAtOnce;
  Result<std::vector<double>> params = parameters(evaluation, 0);
  if (!params) return params.error();
  if (params->empty() && function.advice == Advice::kRule) params->assign(evaluation.grid.count, 2);
  Result<SetPtr> set = range_->prepare(evaluation);
  if (!set) return set.error();
  const Grid& grid = evaluation.grid;
  const std::size_t series = (*set)->size();
  if (Result<void> charged = evaluation.charge(series * grid.count); !charged) {
    return charged.error();
  }
  const bool judged = function.advice != Advice::kNone && function.advice != Advice::kCounter;
  std::vector<std::uint8_t> used(judged ? grid.count : 0, 0);
  Block block{*set, std::vector<double>(series * grid.count, absent_cell())};
  for (std::size_t first = 0; first < series; first += kSeriesAtOnce) {
    const std::size_t last = std::min(series, first + kSeriesAtOnce);
    if (Result<void> read = range_->read(evaluation, first, last, ranges_); !read) {
      return read.error();
    }
    for (std::size_t i = first; i < last; ++i) {
      const std::span<const Sample> samples = ranges_.of(i - first);
      if (samples.empty()) continue;
      Result<void> done =
          window_series(function, samples, params->data(), block.values.data() + i * grid.count,
                        judged ? used.data() : nullptr, evaluation);
      if (!done) return done.error();
      if (function.advice != Advice::kCounter) continue;
      const auto cells = std::span(block.values).subspan(i * grid.count, grid.count);
      if (!std::all_of(cells.begin(), cells.end(), is_absent)) advise(*set, i, evaluation);
    }
  }
  if (Result<void> fits = judge_parameters(function, *params, used, evaluation); !fits) {
    return fits.error();
  }
  if (function.keeps_name) return Value(std::move(block));
  Result<Block> named = without_names(std::move(block), evaluation);
  if (!named) return named.error();
  return Value(*std::move(named));
}

}  // namespace keelwatch::promql
