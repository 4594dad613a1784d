#include "promql/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "promql/parser.h"
#include "promql/plan.h"

namespace keelwatch::promql {
namespace {

std::string placed(const SourceFile& source, Span span, std::string_view kind,
                   const std::string& text) {
  const SourceSpan where = source.span_at(span.begin);
  return fmt::format("PromQL {}: {} ({}:{})", kind, text, where.line, where.column);
}

}  // namespace

Result<void> Evaluation::charge(std::size_t count) {
  samples += count;
  if (samples > options.max_samples) {
    return Error(ErrorCode::kTooLarge,
                 fmt::format("query would read more than {} samples", options.max_samples));
  }
  if (context.stop.stop_requested()) return Error(ErrorCode::kCancelled, "query was cancelled");
  if (context.clock != nullptr && context.clock->steady() >= context.deadline) {
    return Error(ErrorCode::kTimeout, "query timed out");
  }
  return {};
}

void Evaluation::warn(Span span, const std::string& text) {
  warnings.insert(placed(source, span, "warning", text));
}

void Evaluation::inform(Span span, const std::string& text) {
  infos.insert(placed(source, span, "info", text));
}

struct Query::State {
  std::string text;
  SourceFile source;
  Options options;
  Plan plan;
  SetCache<SetMap> final_names;

  Evaluation begin(const store::Queryable& store, const Grid& grid, std::int64_t end_ms,
                   const Context& context) {
    return Evaluation{store,   grid,    end_ms, {grid.start, end_ms, grid.step},
                      options, context, source, {},
                      {},      0,       0};
  }

  // With delayed name removal the marked names go now.
  Result<Block> finish(Block block, std::size_t steps) {
    if (block.set->drop_name.empty()) return block;
    const SetMap& map = final_names.get(block.set, [&] {
      SetBuilder builder;
      SetMap made;
      for (std::size_t i = 0; i < block.set->size(); ++i) {
        const LabelsPtr& labels = block.set->labels[i];
        const std::uint32_t to = builder.add(
            block.set->drops(i) ? std::make_shared<const Labels>(labels->without(kMetricName))
                                : labels);
        made.identity = made.identity && to == i;
        made.to.push_back(to);
      }
      made.out = builder.finish();
      return made;
    });
    return regroup(map, std::move(block), steps);
  }

  static void annotate(Evaluation& evaluation, Answer& answer) {
    answer.annotations.warnings.assign(evaluation.warnings.begin(), evaluation.warnings.end());
    answer.annotations.infos.assign(evaluation.infos.begin(), evaluation.infos.end());
  }

  Result<Answer> range_vector(Evaluation& evaluation) {
    Ranges ranges;
    if (Result<void> read = plan.range_root->read_all(evaluation, ranges); !read)
      return read.error();
    // A subquery's names may be marked, and fall together once they are gone.
    Answer answer;
    answer.type = ValueType::kMatrix;
    for (std::size_t i = 0; i < ranges.set->size(); ++i) {
      if (ranges.offsets[i] == ranges.offsets[i + 1]) continue;
      LabelsPtr labels = ranges.set->labels[i];
      if (ranges.set->drops(i)) {
        labels = std::make_shared<const Labels>(labels->without(kMetricName));
      }
      const auto begin = ranges.samples.begin();
      answer.matrix.push_back({std::move(labels),
                               {begin + static_cast<std::ptrdiff_t>(ranges.offsets[i]),
                                begin + static_cast<std::ptrdiff_t>(ranges.offsets[i + 1])}});
    }
    sort_series(answer.matrix);
    const auto same = [](const MatrixSeries& a, const MatrixSeries& b) {
      return *a.labels == *b.labels;
    };
    if (std::adjacent_find(answer.matrix.begin(), answer.matrix.end(), same) !=
        answer.matrix.end()) {
      return Error(ErrorCode::kInvalid, "vector cannot contain metrics with the same labelset");
    }
    annotate(evaluation, answer);
    return answer;
  }

  static void sort_series(std::vector<MatrixSeries>& series) {
    std::sort(series.begin(), series.end(),
              [](const MatrixSeries& a, const MatrixSeries& b) { return *a.labels < *b.labels; });
  }

  static void to_matrix(const Block& block, const Grid& grid, Answer& answer) {
    for (std::size_t i = 0; i < block.set->size(); ++i) {
      MatrixSeries series{block.set->labels[i], {}};
      for (std::size_t s = 0; s < grid.count; ++s) {
        const double value = block.values[i * grid.count + s];
        if (!is_absent(value)) series.samples.push_back({grid.at(s), value});
      }
      if (!series.samples.empty()) answer.matrix.push_back(std::move(series));
    }
    sort_series(answer.matrix);
  }
};

Query::Query(std::unique_ptr<State> state) : state_(std::move(state)) {}
Query::~Query() = default;
Query::Query(Query&&) noexcept = default;
Query& Query::operator=(Query&&) noexcept = default;

Result<Query> Query::compile(std::string_view text, Options options) {
  Result<Plan> plan = promql::compile(text);
  if (!plan) return plan.error();
  return Query(std::make_unique<State>(
      State{std::string(text), SourceFile("", std::string(text)), options, *std::move(plan), {}}));
}

const std::string& Query::text() const { return state_->text; }
const Expr& Query::expr() const { return *state_->plan.expr; }
ValueType Query::type() const { return state_->plan.expr->type; }

Result<Answer> Query::instant(const store::Queryable& store, std::int64_t at_ms,
                              const Context& context) {
  const Grid grid{at_ms, 0, 1};
  Evaluation evaluation = state_->begin(store, grid, at_ms, context);
  if (Result<void> charged = evaluation.charge(0); !charged) return charged.error();
  if (state_->plan.range_root) return state_->range_vector(evaluation);
  Result<Value> value = state_->plan.root->evaluate(evaluation);
  if (!value) return value.error();
  Answer answer;
  answer.type = type();
  if (auto* text = std::get_if<std::string>(&*value)) {
    answer.text = std::move(*text);
  } else if (auto* column = std::get_if<Column>(&*value)) {
    answer.scalar = column->values[0];
  } else {
    Result<Block> block = state_->finish(std::get<Block>(*std::move(value)), 1);
    if (!block) return block.error();
    for (std::size_t i = 0; i < block->set->size(); ++i) {
      if (is_absent(block->values[i])) continue;
      answer.vector.push_back({block->set->labels[i], at_ms, block->values[i]});
    }
  }
  State::annotate(evaluation, answer);
  return answer;
}

Result<Answer> Query::range(const store::Queryable& store, std::int64_t start_ms,
                            std::int64_t end_ms, std::int64_t step_ms, const Context& context) {
  if (type() != ValueType::kVector && type() != ValueType::kScalar) {
    return Error(ErrorCode::kInvalid,
                 fmt::format("invalid expression type \"{}\" for range query, must be scalar or "
                             "instant vector",
                             to_string(type())));
  }
  if (step_ms <= 0) return Error(ErrorCode::kInvalid, "step must be greater than 0");
  if (end_ms < start_ms) return Error(ErrorCode::kInvalid, "end is before start");
  const auto steps = static_cast<std::size_t>((end_ms - start_ms) / step_ms) + 1;
  if (steps > state_->options.max_steps) {
    return Error(ErrorCode::kTooLarge,
                 fmt::format("{} steps, {} are allowed", steps, state_->options.max_steps));
  }
  const Grid grid{start_ms, step_ms, steps};
  Evaluation evaluation = state_->begin(store, grid, end_ms, context);
  if (Result<void> charged = evaluation.charge(0); !charged) return charged.error();
  Result<Value> value = state_->plan.root->evaluate(evaluation);
  if (!value) return value.error();
  Answer answer;
  answer.type = ValueType::kMatrix;
  if (auto* column = std::get_if<Column>(&*value)) {
    SetBuilder builder;
    builder.add(std::make_shared<const Labels>());
    value = Value(Block{builder.finish(), std::move(column->values)});
  }
  Result<Block> block = state_->finish(std::get<Block>(*std::move(value)), steps);
  if (!block) return block.error();
  State::to_matrix(*block, grid, answer);
  State::annotate(evaluation, answer);
  return answer;
}

Result<std::vector<UnknownSeries>> Query::unknown_series(const store::Queryable& store,
                                                         std::int64_t at_ms) {
  const Context context;
  Evaluation evaluation = state_->begin(store, Grid{at_ms, 0, 1}, at_ms, context);
  std::vector<UnknownSeries> found;
  for (const auto& [selector, around] : state_->plan.selectors) {
    Result<void> looked = selector->find_unknown(evaluation, around, found);
    if (!looked) return looked.error();
  }
  for (const auto& [matrix, around] : state_->plan.matrices) {
    Result<void> looked = matrix->find_unknown(evaluation, around, found);
    if (!looked) return looked.error();
  }
  return found;
}

}  // namespace keelwatch::promql
