#include "promql/matching.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "promql/arithmetic.h"
#include "promql/printer.h"

namespace keelwatch::promql {
namespace {

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// {a="b", c="d"}: how Prometheus' messages show labels.
std::string spaced(const Labels& labels) {
  std::string out = "{";
  for (const LabelView label : labels) {
    if (out.size() > 1) out += ", ";
    out += fmt::format("{}={}", label.name, quote(label.value));
  }
  return out + '}';
}

// promql/engine.go, resultMetric.
Labels result_labels(const Binary& binary, const Labels& many, const Labels& one) {
  const Matching& matching = binary.matching;
  const bool keeps_name = is_comparison(binary.op);
  const bool one_to_one = matching.cardinality == Cardinality::kOneToOne;
  std::vector<LabelView> labels;
  for (const LabelView label : many) {
    if (label.name == kMetricName && !keeps_name) continue;
    if (one_to_one && contains(matching.labels, label.name) != matching.on) continue;
    if (contains(matching.include, label.name)) continue;
    labels.push_back(label);
  }
  for (const std::string& name : matching.include) labels.push_back({name, one.get(name)});
  return Labels(std::move(labels));
}

// Two vectors, one operator. "many" is the side whose labels the result has: the left one, or the
// right one with group_right.
class MatchingNode final : public Node {
 public:
  MatchingNode(Span span, const Binary& binary, NodePtr lhs, NodePtr rhs)
      : Node(span),
        binary_(binary),
        swapped_(binary.matching.cardinality == Cardinality::kOneToMany),
        lhs_(std::move(lhs)),
        rhs_(std::move(rhs)) {}

  Result<Value> evaluate(Evaluation& evaluation) override {
    Result<Block> lhs = lhs_->block(evaluation);
    if (!lhs) return lhs.error();
    Result<Block> rhs = rhs_->block(evaluation);
    if (!rhs) return rhs.error();
    const Block& many = swapped_ ? *rhs : *lhs;
    const Block& one = swapped_ ? *lhs : *rhs;
    const std::size_t steps = evaluation.grid.count;
    if (Result<void> paired = refresh(many.set, one.set, evaluation); !paired) {
      return paired.error();
    }
    if (Result<void> charged = evaluation.charge(out_->size() * steps); !charged) {
      return charged.error();
    }
    if (Result<void> unique = check_one_side(many, one, steps); !unique) return unique.error();
    Block out{out_, std::vector<double>(out_->size() * steps, absent_cell())};
    Result<void> joined =
        is_comparison(binary_.op)
            ? with_comparison(binary_.op,
                              [&](auto f) { return compare_all(many, one, out, evaluation, f); })
            : with_arithmetic(binary_.op,
                              [&](auto f) { return compute_all(many, one, out, evaluation, f); });
    if (!joined) return joined.error();
    return Value(std::move(out));
  }

 private:
  struct Pair {
    std::uint32_t many;
    std::uint32_t one;
    std::uint32_t out;
    std::uint32_t group;
  };

  // The pairs may be as many as the product of both sides, so each counts against the limit.
  [[nodiscard]] Result<void> refresh(const SetPtr& many, const SetPtr& one,
                                     Evaluation& evaluation) {
    if (many == many_set_ && one == one_set_) return evaluation.charge(pairs_.size());
    many_set_ = one_set_ = nullptr;  // nothing is known until all pairs are made
    const bool delayed = evaluation.options.delayed_name_removal;
    groups_ = match_groups(binary_.matching, *many, *one);
    std::vector<std::vector<std::uint32_t>> members(groups_.count);
    for (std::uint32_t k = 0; k < one->size(); ++k) members[groups_.rhs[k]].push_back(k);
    ambiguous_ = std::any_of(members.begin(), members.end(),
                             [](const auto& group) { return group.size() > 1; });
    std::vector<std::uint32_t> crowd(groups_.count, 0);
    for (const std::uint32_t group : groups_.lhs) ++crowd[group];
    pairs_.clear();
    pairs_of_crowds_ = false;
    SetBuilder builder;
    std::vector<std::uint32_t> uses;
    for (std::uint32_t i = 0; i < many->size(); ++i) {
      for (const std::uint32_t k : members[groups_.lhs[i]]) {
        if (Result<void> charged = evaluation.charge(1); !charged) return charged;
        Labels labels = result_labels(binary_, *many->labels[i], *one->labels[k]);
        if (binary_.return_bool && !delayed) labels = labels.without(kMetricName);
        const bool drops = binary_.return_bool ? delayed : many->drops(i);
        const std::uint32_t out =
            builder.add(std::make_shared<const Labels>(std::move(labels)), drops);
        uses.resize(std::max<std::size_t>(uses.size(), out + 1), 0);
        pairs_of_crowds_ = pairs_of_crowds_ || ++uses[out] > 1 || crowd[groups_.lhs[i]] > 1;
        pairs_.push_back({i, k, out, groups_.lhs[i]});
      }
    }
    out_ = builder.finish();
    many_set_ = many;
    one_set_ = one;
    return {};
  }

  // Series of the "one" side with equal signatures at the same step, wherever the other side has
  // anything at all.
  [[nodiscard]] Result<void> check_one_side(const Block& many, const Block& one,
                                            std::size_t steps) const {
    if (!ambiguous_ || many.set->size() == 0) return {};
    constexpr std::uint32_t kNone = ~0U;
    std::vector<std::uint32_t> seen(groups_.count * steps, kNone);
    const std::vector<std::uint8_t> present = presence(many, steps);
    for (std::uint32_t k = 0; k < one.set->size(); ++k) {
      for (std::size_t s = 0; s < steps; ++s) {
        if (is_absent(one.values[k * steps + s])) continue;
        std::uint32_t& first = seen[groups_.rhs[k] * steps + s];
        if (first == kNone) {
          first = k;
        } else if (present[s] != 0) {
          return duplicate(*one.set->labels[first], *one.set->labels[k]);
        }
      }
    }
    return {};
  }

  // 1 for each step at which any series has a value.
  static std::vector<std::uint8_t> presence(const Block& block, std::size_t steps) {
    std::vector<std::uint8_t> present(steps, 0);
    for (std::size_t i = 0; i < block.values.size(); ++i) {
      if (!is_absent(block.values[i])) present[i % steps] = 1;
    }
    return present;
  }

  [[nodiscard]] Error duplicate(const Labels& first, const Labels& second) const {
    return Error(
        ErrorCode::kInvalid,
        fmt::format("found duplicate series for the match group {} on the {} hand-side of "
                    "the operation: [{}, {}];many-to-many matching not allowed: matching "
                    "labels must be unique on one side",
                    spaced(signature(binary_.matching, first)), swapped_ ? "left" : "right",
                    spaced(std::min(first, second)), spaced(std::max(first, second))));
  }

  template <typename F>
  Result<void> compute_all(const Block& many, const Block& one, Block& out, Evaluation& evaluation,
                           F f) {
    return join(many, one, out, evaluation,
                [this, f](double a, double b) { return swapped_ ? f(b, a) : f(a, b); });
  }

  // A comparison keeps the left value, whichever side has the labels.
  template <typename F>
  Result<void> compare_all(const Block& many, const Block& one, Block& out, Evaluation& evaluation,
                           F holds) {
    return join(many, one, out, evaluation, [this, holds](double a, double b) {
      const double left = swapped_ ? b : a;
      const double right = swapped_ ? a : b;
      const bool kept = holds(left, right);
      if (binary_.return_bool) return kept ? 1.0 : 0.0;
      return kept ? left : absent_cell();
    });
  }

  template <typename F>
  Result<void> join(const Block& many, const Block& one, Block& out, Evaluation& evaluation, F f) {
    const std::size_t steps = out_->size() == 0 ? 0 : out.values.size() / out_->size();
    const bool one_to_one = binary_.matching.cardinality == Cardinality::kOneToOne;
    std::vector<std::uint8_t> taken;
    if (pairs_of_crowds_ && one_to_one) taken.resize(groups_.count * steps, 0);
    for (const Pair& pair : pairs_) {
      const double* a = many.values.data() + pair.many * steps;
      const double* b = one.values.data() + pair.one * steps;
      double* o = out.values.data() + pair.out * steps;
      for (std::size_t s = 0; s < steps; ++s) {
        if (is_absent(a[s]) || is_absent(b[s])) continue;
        // One-to-one is judged before a comparison filters: the match is ambiguous either way.
        if (!taken.empty() && taken[pair.group * steps + s]++ > 0) return ambiguous(true);
        const double value = f(a[s], b[s]);
        if (is_absent(value)) continue;
        if (pairs_of_crowds_ && !is_absent(o[s])) return ambiguous(one_to_one);
        o[s] = value;
      }
      if (!evaluation.due(steps)) continue;
      if (Result<void> charged = evaluation.charge(0); !charged) return charged;
    }
    return {};
  }

  static Error ambiguous(bool one_to_one) {
    return Error(ErrorCode::kInvalid,
                 one_to_one ? "multiple matches for labels: many-to-one matching must be explicit "
                              "(group_left/group_right)"
                            : "multiple matches for labels: grouping labels must ensure unique "
                              "matches");
  }

  const Binary& binary_;
  bool swapped_;
  NodePtr lhs_;
  NodePtr rhs_;
  SetPtr many_set_;
  SetPtr one_set_;
  MatchGroups groups_;  // lhs is the "many" side here
  bool ambiguous_ = false;
  bool pairs_of_crowds_ = false;  // two pairs may meet in one group or one result
  std::vector<Pair> pairs_;
  SetPtr out_;
};

}  // namespace

Labels signature(const Matching& matching, const Labels& labels) {
  std::vector<LabelView> kept;
  for (const LabelView label : labels) {
    const bool named = contains(matching.labels, label.name);
    if (matching.on ? named : (!named && label.name != kMetricName)) kept.push_back(label);
  }
  return Labels(std::move(kept));
}

MatchGroups match_groups(const Matching& matching, const SeriesSet& lhs, const SeriesSet& rhs) {
  MatchGroups groups;
  std::unordered_map<Labels, std::uint32_t, LabelsHash> numbers;
  const auto number = [&](const Labels& labels) {
    return numbers.emplace(signature(matching, labels), static_cast<std::uint32_t>(numbers.size()))
        .first->second;
  };
  for (const LabelsPtr& labels : lhs.labels) groups.lhs.push_back(number(*labels));
  for (const LabelsPtr& labels : rhs.labels) groups.rhs.push_back(number(*labels));
  groups.count = static_cast<std::uint32_t>(numbers.size());
  return groups;
}

NodePtr make_matching(Span span, const Binary& binary, NodePtr lhs, NodePtr rhs) {
  return std::make_unique<MatchingNode>(span, binary, std::move(lhs), std::move(rhs));
}

}  // namespace keelwatch::promql
