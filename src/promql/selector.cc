#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "promql/plan.h"

namespace keelwatch::promql {
namespace {

bool is_marker(double value) { return value != value && (is_stale(value) || is_unknown(value)); }

void drop_markers(Ranges& ranges) {
  std::size_t kept = 0;
  std::size_t next = 0;
  for (std::size_t series = 0; series + 1 < ranges.offsets.size(); ++series) {
    const std::size_t end = ranges.offsets[series + 1];
    ranges.offsets[series] = kept;
    for (; next < end; ++next) {
      if (!is_marker(ranges.samples[next].value)) ranges.samples[kept++] = ranges.samples[next];
    }
  }
  ranges.offsets.back() = kept;
  ranges.samples.resize(kept);
}

// Of each series the newest sample, however old.
void report_unknown(const store::Queryable& store, const std::vector<store::SeriesRef>& refs,
                    std::int64_t at, UnknownList& out) {
  std::vector<Sample> samples;
  std::vector<std::uint8_t> found;
  store.read_last(refs, std::numeric_limits<std::int64_t>::min(), at, samples, found);
  for (std::size_t i = 0; i < refs.size(); ++i) {
    if (found[i] != 0 && is_unknown(samples[i].value)) {
      out.push_back({refs[i].labels, samples[i].timestamp_ms});
    }
  }
}

// A selector's own shift among those of the subqueries around it.
Result<TimeShift> surrounded(TimeShift shift, const Surroundings& around,
                             const Evaluation& evaluation) {
  for (auto modifiers = around.rbegin(); modifiers != around.rend(); ++modifiers) {
    TimeShift outer(**modifiers);
    if (Result<void> resolved = outer.resolve(evaluation); !resolved) return resolved.error();
    shift.surround(outer);
  }
  return shift;
}

std::int64_t floor_to_multiple(std::int64_t value, std::int64_t step) {
  const std::int64_t remainder = value % step;
  return value - (remainder < 0 ? remainder + step : remainder);
}

}  // namespace

Result<void> TimeShift::resolve(const Evaluation& evaluation) {
  offset_ = 0;
  fixed_ = false;
  if (modifiers_ == nullptr) return {};
  if (modifiers_->offset) {
    Result<std::int64_t> offset =
        evaluate_duration(*modifiers_->offset, evaluation.query.step, evaluation.query.range());
    if (!offset) return offset.error();
    offset_ = *offset;
  }
  fixed_ = modifiers_->anchor != Anchor::kNone;
  switch (modifiers_->anchor) {
    case Anchor::kNone:
      break;
    case Anchor::kTime:
      fixed_at_ = modifiers_->anchor_ms;
      break;
    case Anchor::kStart:
      fixed_at_ = evaluation.query.start;
      break;
    case Anchor::kEnd:
      fixed_at_ = evaluation.query.end;
      break;
  }
  return {};
}

void Selection::refresh(const store::Queryable& store) {
  // The generation first: a series that appears between the two calls is found next time.
  const std::uint64_t generation = store.generation();
  if (set_ && store_ == &store && generation_ == generation) return;
  refs_ = store.select(matchers_);
  auto set = std::make_shared<SeriesSet>();
  set->labels.reserve(refs_.size());
  for (const store::SeriesRef& ref : refs_) set->labels.push_back(ref.labels);
  set_ = std::move(set);
  store_ = &store;
  generation_ = generation;
}

Result<Value> SelectorNode::evaluate(Evaluation& evaluation) {
  if (Result<void> resolved = shift_.resolve(evaluation); !resolved) return resolved.error();
  return select(evaluation, false);
}

Result<Value> SelectorNode::timestamps(Evaluation& evaluation) {
  if (Result<void> resolved = shift_.resolve(evaluation); !resolved) return resolved.error();
  return select(evaluation, true);
}

Result<Value> SelectorNode::timestamps(Evaluation& evaluation, const TimeShift& shift) {
  shift_ = shift;
  return select(evaluation, true);
}

Result<Value> SelectorNode::select(Evaluation& evaluation, bool timestamps) {
  selection_.refresh(evaluation.store);
  const std::size_t steps = evaluation.grid.count;
  const std::size_t cells = selection_.refs().size() * steps;
  if (Result<void> charged = evaluation.charge(cells); !charged) return charged.error();
  Block block{selection_.set(), std::vector<double>(cells, absent_cell())};
  if (steps == 1 || shift_.fixed()) {
    select_instant(evaluation, timestamps, block.values);
  } else if (Result<void> read = select_range(evaluation, timestamps, block.values); !read) {
    return read.error();
  }
  return Value(std::move(block));
}

void SelectorNode::select_instant(Evaluation& evaluation, bool timestamps,
                                  std::vector<double>& cells) {
  const std::int64_t at = shift_.apply(evaluation.grid.start);
  const auto& refs = selection_.refs();
  evaluation.store.read_last(refs, at - evaluation.options.lookback_ms, at, samples_, found_);
  const std::size_t steps = evaluation.grid.count;
  for (std::size_t i = 0; i < refs.size(); ++i) {
    if (found_[i] == 0 || is_marker(samples_[i].value)) continue;
    const double cell =
        timestamps ? static_cast<double>(samples_[i].timestamp_ms) / 1000 : samples_[i].value;
    std::fill_n(cells.data() + i * steps, steps, cell);
  }
}

Result<void> SelectorNode::select_range(Evaluation& evaluation, bool timestamps,
                                        std::vector<double>& cells) {
  const Grid& grid = evaluation.grid;
  const std::int64_t lookback = evaluation.options.lookback_ms;
  const std::span<const store::SeriesRef> refs(selection_.refs());
  for (std::size_t first = 0; first < refs.size(); first += RangeNode::kSeriesAtOnce) {
    const std::size_t count = std::min(RangeNode::kSeriesAtOnce, refs.size() - first);
    samples_.clear();
    evaluation.store.read(refs.subspan(first, count), shift_.apply(grid.start) - lookback,
                          shift_.apply(grid.end()), samples_, offsets_);
    if (Result<void> charged = evaluation.charge(samples_.size()); !charged) return charged;
    for (std::size_t i = 0; i < count; ++i) {
      double* out = cells.data() + (first + i) * grid.count;
      std::size_t next = offsets_[i];
      for (std::size_t s = 0; s < grid.count; ++s) {
        const std::int64_t at = shift_.apply(grid.at(s));
        while (next < offsets_[i + 1] && samples_[next].timestamp_ms <= at) ++next;
        if (next == offsets_[i]) continue;
        const Sample& sample = samples_[next - 1];
        if (sample.timestamp_ms <= at - lookback || is_marker(sample.value)) continue;
        out[s] = timestamps ? static_cast<double>(sample.timestamp_ms) / 1000 : sample.value;
      }
    }
  }
  return {};
}

Result<void> SelectorNode::find_unknown(Evaluation& evaluation, const Surroundings& around,
                                        UnknownList& out) {
  if (Result<void> resolved = shift_.resolve(evaluation); !resolved) return resolved;
  const Result<TimeShift> shift = surrounded(shift_, around, evaluation);
  if (!shift) return shift.error();
  selection_.refresh(evaluation.store);
  report_unknown(evaluation.store, selection_.refs(), shift->apply(evaluation.grid.start), out);
  return {};
}

MatrixNode::MatrixNode(Span span, const MatrixSelector& matrix,
                       std::vector<store::Matcher> matchers)
    : RangeNode(span),
      matrix_(matrix),
      shift_(matrix.selector->as<VectorSelector>()->modifiers),
      selection_(std::move(matchers)) {}

Result<void> MatrixNode::resolve(const Evaluation& evaluation) {
  Result<std::int64_t> range =
      evaluate_duration(*matrix_.range, evaluation.query.step, evaluation.query.range());
  if (!range) return range.error();
  if (*range <= 0) return Error(ErrorCode::kInvalid, "duration must be greater than 0");
  range_ms_ = *range;
  return shift_.resolve(evaluation);
}

Result<void> RangeNode::read_all(Evaluation& evaluation, Ranges& out) {
  Result<SetPtr> set = prepare(evaluation);
  if (!set) return set.error();
  out.set = *std::move(set);
  out.samples.clear();
  out.offsets.assign(1, 0);
  Ranges part;
  for (std::size_t first = 0; first < out.set->size(); first += kSeriesAtOnce) {
    const std::size_t last = std::min(out.set->size(), first + kSeriesAtOnce);
    if (Result<void> done = read(evaluation, first, last, part); !done) return done;
    for (std::size_t i = 1; i < part.offsets.size(); ++i) {
      out.offsets.push_back(out.samples.size() + part.offsets[i]);
    }
    out.samples.insert(out.samples.end(), part.samples.begin(), part.samples.end());
  }
  return {};
}

Result<SetPtr> MatrixNode::prepare(Evaluation& evaluation) {
  if (Result<void> resolved = resolve(evaluation); !resolved) return resolved.error();
  selection_.refresh(evaluation.store);
  return selection_.set();
}

Result<void> MatrixNode::read(Evaluation& evaluation, std::size_t first, std::size_t last,
                              Ranges& out) {
  out.samples.clear();
  const Grid& grid = evaluation.grid;
  const std::span<const store::SeriesRef> refs(selection_.refs());
  evaluation.store.read(refs.subspan(first, last - first), shift_.apply(grid.start) - range_ms_,
                        shift_.apply(grid.end()), out.samples, out.offsets);
  const auto marker = [](const Sample& sample) { return is_marker(sample.value); };
  if (std::any_of(out.samples.begin(), out.samples.end(), marker)) drop_markers(out);
  return evaluation.charge(out.samples.size());
}

RangeNode::Bounds MatrixNode::bounds(const Grid& grid, std::size_t step) const {
  const std::int64_t end = shift_.apply(grid.at(step));
  return {end - range_ms_, end};
}

Result<void> MatrixNode::find_unknown(Evaluation& evaluation, const Surroundings& around,
                                      UnknownList& out) {
  if (Result<void> resolved = resolve(evaluation); !resolved) return resolved;
  const Result<TimeShift> shift = surrounded(shift_, around, evaluation);
  if (!shift) return shift.error();
  selection_.refresh(evaluation.store);
  report_unknown(evaluation.store, selection_.refs(), shift->apply(evaluation.grid.start), out);
  return {};
}

Result<SetPtr> SubqueryNode::prepare(Evaluation& evaluation) {
  const std::int64_t query_step = evaluation.query.step;
  Result<std::int64_t> range =
      evaluate_duration(*subquery_.range, query_step, evaluation.query.range());
  if (!range) return range.error();
  Result<std::int64_t> step = evaluation.options.subquery_step_ms;
  if (subquery_.step) {
    step = evaluate_duration(*subquery_.step, query_step, evaluation.query.range());
    if (!step) return step.error();
  }
  if (*range <= 0 || *step <= 0) {
    return Error(ErrorCode::kInvalid, "duration must be greater than 0");
  }
  range_ms_ = *range;
  if (Result<void> resolved = shift_.resolve(evaluation); !resolved) return resolved.error();
  const Grid outer = evaluation.grid;
  const std::int64_t begin = shift_.apply(outer.start) - range_ms_;
  const std::int64_t end = shift_.apply(outer.end());
  Grid grid;
  grid.step = *step;
  grid.start = floor_to_multiple(begin, *step) + *step;
  if (grid.start > end) {
    inner_block_ = {std::make_shared<SeriesSet>(), {}};
    return inner_block_.set;
  }
  grid.count = static_cast<std::size_t>((end - grid.start) / *step) + 1;
  if (grid.count > evaluation.options.max_steps * 100) {
    return Error(ErrorCode::kTooLarge, fmt::format("a subquery of {} steps, {} are allowed",
                                                   grid.count, evaluation.options.max_steps * 100));
  }
  const std::int64_t outer_until = std::exchange(evaluation.until, end);
  evaluation.grid = grid;
  Result<Block> block = inner_->block(evaluation);
  evaluation.grid = outer;
  evaluation.until = outer_until;
  if (!block) return block.error();
  inner_grid_ = grid;
  inner_block_ = *std::move(block);
  return inner_block_.set;
}

Result<void> SubqueryNode::read(Evaluation& evaluation, std::size_t first, std::size_t last,
                                Ranges& out) {
  out.samples.clear();
  out.offsets.assign(1, 0);
  for (std::size_t i = first; i < last; ++i) {
    const double* cells = inner_block_.values.data() + i * inner_grid_.count;
    for (std::size_t s = 0; s < inner_grid_.count; ++s) {
      if (!is_absent(cells[s])) out.samples.push_back({inner_grid_.at(s), cells[s]});
    }
    Result<void> charged = evaluation.charge(out.samples.size() - out.offsets.back());
    if (!charged) return charged;
    out.offsets.push_back(out.samples.size());
  }
  return {};
}

RangeNode::Bounds SubqueryNode::bounds(const Grid& grid, std::size_t step) const {
  const std::int64_t end = shift_.apply(grid.at(step));
  return {end - range_ms_, end};
}

}  // namespace keelwatch::promql
