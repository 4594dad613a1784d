// Aggregations that pick series (topk, bottomk, limitk) or make series of values (count_values).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/diagnostics.h"
#include "promql/aggregation.h"
#include "promql/printer.h"

namespace keelwatch::promql {
namespace {

class SelectionNode final : public Node {
 public:
  SelectionNode(Span span, const Aggregate& aggregate, NodePtr parameter, NodePtr expr)
      : Node(span),
        aggregate_(aggregate),
        parameter_(std::move(parameter)),
        expr_(std::move(expr)) {}

  Result<Value> evaluate(Evaluation& evaluation) override {
    Result<Column> parameter = parameter_->column(evaluation);
    if (!parameter) return parameter.error();
    Result<Block> in = expr_->block(evaluation);
    if (!in) return in.error();
    const std::size_t steps = evaluation.grid.count;
    for (const double k : parameter->values) {
      if (std::isnan(k)) return Error(ErrorCode::kInvalid, "Parameter value is NaN");
      if (std::abs(k) >= 9223372036854775808.0) {
        return Error(ErrorCode::kInvalid, fmt::format("Scalar value {} overflows int64", k));
      }
    }
    const std::vector<std::vector<std::uint32_t>>& members =
        members_.get(in->set, [&] { return members_of(*in->set); });
    if (steps == 1) return Value(permute(*in, pick_all(*in, members, 0, 1, parameter->values[0])));
    Block out{in->set, std::vector<double>(in->values.size(), absent_cell())};
    for (std::size_t s = 0; s < steps; ++s) {
      for (const std::size_t i : pick_all(*in, members, s, steps, parameter->values[s])) {
        out.values[i * steps + s] = in->values[i * steps + s];
      }
      if (Result<void> charged = evaluation.charge(0); !charged) return charged.error();
    }
    return Value(std::move(out));
  }

 private:
  [[nodiscard]] std::vector<std::vector<std::uint32_t>> members_of(const SeriesSet& set) const {
    const Groups groups = make_groups(aggregate_, set);
    std::vector<std::vector<std::uint32_t>> members(groups.set->size());
    for (std::uint32_t i = 0; i < groups.of.size(); ++i) members[groups.of[i]].push_back(i);
    return members;
  }

  // The chosen series of each group at a step, the best first.
  [[nodiscard]] std::vector<std::size_t> pick_all(
      const Block& in, const std::vector<std::vector<std::uint32_t>>& members, std::size_t step,
      std::size_t steps, double parameter) const {
    std::vector<std::size_t> picked;
    if (parameter < 1) return picked;
    std::vector<std::uint32_t> present;
    for (const std::vector<std::uint32_t>& group : members) {
      present.clear();
      for (const std::uint32_t i : group) {
        if (!is_absent(in.values[i * steps + step])) present.push_back(i);
      }
      const auto k = parameter < static_cast<double>(present.size())
                         ? static_cast<std::size_t>(parameter)
                         : present.size();
      if (aggregate_.op != AggregateOp::kLimitk) order(in, present, step, steps, k);
      picked.insert(picked.end(), present.begin(),
                    present.begin() + static_cast<std::ptrdiff_t>(k));
    }
    return picked;
  }

  // NaN is the worst either way; of equals the earlier series wins.
  void order(const Block& in, std::vector<std::uint32_t>& present, std::size_t step,
             std::size_t steps, std::size_t k) const {
    const bool top = aggregate_.op == AggregateOp::kTopk;
    std::partial_sort(present.begin(), present.begin() + static_cast<std::ptrdiff_t>(k),
                      present.end(), [&](std::uint32_t a, std::uint32_t b) {
                        const double x = in.values[a * steps + step];
                        const double y = in.values[b * steps + step];
                        if (std::isnan(x) != std::isnan(y)) return std::isnan(y);
                        if (x != y && !std::isnan(x)) return top ? x > y : x < y;
                        return a < b;
                      });
  }

  const Aggregate& aggregate_;
  NodePtr parameter_;
  NodePtr expr_;
  SetCache<std::vector<std::vector<std::uint32_t>>> members_;
};

// Of a value and its labels as text, in additions.
constexpr std::size_t kCostOfText = 64;

class CountValuesNode final : public Node {
 public:
  CountValuesNode(Span span, const Aggregate& aggregate, NodePtr parameter, NodePtr expr)
      : Node(span),
        aggregate_(aggregate),
        parameter_(std::move(parameter)),
        expr_(std::move(expr)) {}

  Result<Value> evaluate(Evaluation& evaluation) override {
    Result<std::string> label = parameter_->text(evaluation);
    if (!label) return label.error();
    if (!is_label_name(*label)) {
      return Error(ErrorCode::kInvalid, fmt::format("invalid label name {}", quote(*label)));
    }
    Result<Block> in = expr_->block(evaluation);
    if (!in) return in.error();
    const std::size_t steps = evaluation.grid.count;
    if (Result<void> charged = evaluation.charge(in->set->size()); !charged) {
      return charged.error();
    }
    const Groups groups = make_groups(aggregate_, *in->set);
    // The label is set first and then grouped: "without" may take it away again.
    const std::vector<std::string>& grouping = aggregate_.grouping;
    const bool removed = aggregate_.without &&
                         (*label == kMetricName ||
                          std::find(grouping.begin(), grouping.end(), *label) != grouping.end());
    SetBuilder builder;
    Block out;
    for (std::size_t i = 0; i < groups.of.size(); ++i) {
      const Labels& base = *groups.set->labels[groups.of[i]];
      // The label may be the name: one that is written stays.
      const bool drop = groups.set->drops(groups.of[i]) && *label != kMetricName;
      for (std::size_t s = 0; s < steps; ++s) {
        const double value = in->values[i * steps + s];
        if (is_absent(value)) continue;
        const std::size_t series =
            builder.add(std::make_shared<const Labels>(
                            removed ? base : base.with(*label, format_number(value))),
                        drop);
        const bool grows = out.values.size() < (series + 1) * steps;
        if (grows || evaluation.due(kCostOfText)) {
          Result<void> charged = evaluation.charge(grows ? steps : 0);
          if (!charged) return charged.error();
        }
        if (grows) out.values.resize((series + 1) * steps, absent_cell());
        double& count = out.values[series * steps + s];
        count = is_absent(count) ? 1 : count + 1;
      }
    }
    out.set = builder.finish();
    return Value(std::move(out));
  }

 private:
  const Aggregate& aggregate_;
  NodePtr parameter_;
  NodePtr expr_;
};

}  // namespace

NodePtr make_selection(Span span, const Aggregate& aggregate, NodePtr parameter, NodePtr expr) {
  return std::make_unique<SelectionNode>(span, aggregate, std::move(parameter), std::move(expr));
}

NodePtr make_count_values(Span span, const Aggregate& aggregate, NodePtr parameter, NodePtr expr) {
  return std::make_unique<CountValuesNode>(span, aggregate, std::move(parameter), std::move(expr));
}

}  // namespace keelwatch::promql
