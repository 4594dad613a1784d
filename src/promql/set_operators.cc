// and, or, unless.
#include <algorithm>

#include "promql/matching.h"

namespace keelwatch::promql {
namespace {

class SetOperatorNode final : public Node {
 public:
  SetOperatorNode(Span span, const Binary& binary, NodePtr lhs, NodePtr rhs)
      : Node(span), binary_(binary), lhs_(std::move(lhs)), rhs_(std::move(rhs)) {}

  Result<Value> evaluate(Evaluation& evaluation) override {
    Result<Block> lhs = lhs_->block(evaluation);
    if (!lhs) return lhs.error();
    Result<Block> rhs = rhs_->block(evaluation);
    if (!rhs) return rhs.error();
    refresh(lhs->set, rhs->set);
    const std::size_t steps = evaluation.grid.count;
    if (binary_.op != BinaryOp::kOr) {
      const std::vector<std::uint8_t> present = presence(*rhs, groups_.rhs, steps);
      keep(*lhs, groups_.lhs, present, steps, binary_.op == BinaryOp::kAnd);
      return Value(*std::move(lhs));
    }
    keep(*rhs, groups_.rhs, presence(*lhs, groups_.lhs, steps), steps, false);
    Block both{joined_, std::move(lhs->values)};
    both.values.insert(both.values.end(), rhs->values.begin(), rhs->values.end());
    Result<Block> merged = regroup(merged_, std::move(both), steps);
    if (!merged) return merged.error();
    return Value(*std::move(merged));
  }

 private:
  void refresh(const SetPtr& lhs, const SetPtr& rhs) {
    if (lhs == lhs_set_ && rhs == rhs_set_) return;
    lhs_set_ = lhs;
    rhs_set_ = rhs;
    groups_ = match_groups(binary_.matching, *lhs, *rhs);
    if (binary_.op != BinaryOp::kOr) return;
    SetBuilder builder;
    merged_ = {};
    for (const SetPtr& side : {lhs, rhs}) {
      for (std::size_t i = 0; i < side->size(); ++i) {
        const std::uint32_t to = builder.add(side->labels[i], side->drops(i));
        merged_.identity = merged_.identity && to == merged_.to.size();
        merged_.to.push_back(to);
      }
    }
    merged_.out = builder.finish();
    joined_ = merged_.out;
  }

  // 1 for each group and step at which one of its series has a value.
  [[nodiscard]] std::vector<std::uint8_t> presence(const Block& block,
                                                   const std::vector<std::uint32_t>& group,
                                                   std::size_t steps) const {
    std::vector<std::uint8_t> present(groups_.count * steps, 0);
    for (std::size_t i = 0; i < block.set->size(); ++i) {
      for (std::size_t s = 0; s < steps; ++s) {
        if (!is_absent(block.values[i * steps + s])) present[group[i] * steps + s] = 1;
      }
    }
    return present;
  }

  static void keep(Block& block, const std::vector<std::uint32_t>& group,
                   const std::vector<std::uint8_t>& present, std::size_t steps, bool wanted) {
    for (std::size_t i = 0; i < block.set->size(); ++i) {
      for (std::size_t s = 0; s < steps; ++s) {
        if ((present[group[i] * steps + s] != 0) != wanted) {
          block.values[i * steps + s] = absent_cell();
        }
      }
    }
  }

  const Binary& binary_;
  NodePtr lhs_;
  NodePtr rhs_;
  SetPtr lhs_set_;
  SetPtr rhs_set_;
  MatchGroups groups_;
  SetMap merged_;
  SetPtr joined_;
};

}  // namespace

NodePtr make_set_operator(Span span, const Binary& binary, NodePtr lhs, NodePtr rhs) {
  return std::make_unique<SetOperatorNode>(span, binary, std::move(lhs), std::move(rhs));
}

}  // namespace keelwatch::promql
