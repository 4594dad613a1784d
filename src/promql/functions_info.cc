// info(): adds the labels of info metrics (promql/info.go). Series belong together if they agree on
// instance and job.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "promql/implementations.h"
#include "promql/matcher.h"
#include "promql/plan.h"

namespace keelwatch::promql {

std::vector<store::Matcher> info_name_matchers(const VectorSelector& selector) {
  using Op = store::Matcher::Op;
  const auto made = [](Op op, std::string value) {
    return *compile_matcher({op, std::string(kMetricName), std::move(value), {}});
  };
  std::vector<store::Matcher> names;
  bool positive = false;
  for (const LabelMatcher& matcher : selector.matchers) {
    if (matcher.name != kMetricName) continue;
    Result<store::Matcher> compiled = compile_matcher(matcher);
    if (!compiled) continue;  // the type check has refused it
    positive = positive || matcher.op == Op::kEqual || matcher.op == Op::kRegex;
    names.push_back(*std::move(compiled));
  }
  if (names.empty()) return {made(Op::kEqual, "target_info")};
  if (!positive) names.push_back(made(Op::kRegex, ".+_info"));
  return names;
}

namespace fn {
namespace {

struct Wanted {
  std::vector<store::Matcher> names;  // of info metrics
  std::vector<store::Matcher> data;   // of their labels; none: all labels are added

  explicit Wanted(const Call& call) {
    static const VectorSelector kNone;
    const VectorSelector& selector =
        call.args.size() > 1 ? *call.args[1]->as<VectorSelector>() : kNone;
    names = info_name_matchers(selector);
    for (const LabelMatcher& matcher : selector.matchers) {
      if (matcher.name == kMetricName) continue;
      if (Result<store::Matcher> compiled = compile_matcher(matcher)) {
        data.push_back(*std::move(compiled));
      }
    }
  }

  [[nodiscard]] bool is_info(const Labels& labels) const {
    return std::all_of(names.begin(), names.end(), [&](const store::Matcher& matcher) {
      return matches(matcher, labels.get(kMetricName));
    });
  }
  [[nodiscard]] bool adds(std::string_view label) const {
    if (label == kMetricName) return false;
    return data.empty() || std::any_of(data.begin(), data.end(),
                                       [&](const auto& matcher) { return matcher.name == label; });
  }
  // A series without info metrics is left out if a label is asked for that is then missing.
  [[nodiscard]] bool allows_none() const {
    return std::all_of(data.begin(), data.end(),
                       [](const auto& matcher) { return matches(matcher, ""); });
  }
};

// Info metrics are read at the time of the first argument's selectors if they all have the same,
// else at the evaluation's (promql/info.go, infoSelectTimestampAndOffset).
class Reference {
 public:
  static Result<TimeShift> of(const Expr& expr, const Evaluation& evaluation) {
    Reference reference(evaluation);
    (void)reference.inspect(expr);
    if (reference.error_) return *reference.error_;
    if (!reference.first_ || !reference.uniform_) return TimeShift();
    return *reference.first_;
  }

 private:
  explicit Reference(const Evaluation& evaluation) : evaluation_(evaluation) {}

  // Whether there is a selector in it.
  bool inspect(const Expr& expr) {
    if (expr.type != ValueType::kVector && expr.type != ValueType::kMatrix) return false;
    if (const auto* selector = expr.as<VectorSelector>()) {
      note(resolved(selector->modifiers));
      return true;
    }
    const auto* subquery = expr.as<Subquery>();
    if (subquery != nullptr) around_.push_back(resolved(subquery->modifiers));
    bool found = false;
    const auto* call = expr.as<Call>();
    if (call != nullptr && call->function->name == "info") {
      found = inspect(*call->args[0]);
    } else {
      for_each_child(expr, [&](const Expr& child) { found = inspect(child) || found; });
      if (!found) uniform_ = false;  // a vector of the evaluation's own time
    }
    if (subquery != nullptr) around_.pop_back();
    return found;
  }

  void note(TimeShift shift) {
    for (auto outer = around_.rbegin(); outer != around_.rend(); ++outer) shift.surround(*outer);
    if (!first_) first_ = shift;
    uniform_ = uniform_ && first_->same(shift);
  }

  TimeShift resolved(const Modifiers& modifiers) {
    TimeShift shift(modifiers);
    if (Result<void> done = shift.resolve(evaluation_); !done) error_ = done.error();
    return shift;
  }

  const Evaluation& evaluation_;
  std::vector<TimeShift> around_;
  std::optional<TimeShift> first_;
  bool uniform_ = true;
  std::optional<Error> error_;
};

Labels identity(const Labels& labels) {
  return Labels{{"instance", labels.get("instance")}, {"job", labels.get("job")}};
}

// Which info series are looked at: those whose instance and job occur among the series to be
// enriched, with both labels or with the same one of them.
class Candidates {
 public:
  void add(const Labels& labels) {
    auto& [instances, jobs] = groups_[presence(labels)];
    instances.emplace(labels.get("instance"));
    jobs.emplace(labels.get("job"));
  }
  [[nodiscard]] bool contains(const Labels& labels) const {
    const auto found = groups_.find(presence(labels));
    return found != groups_.end() && presence(labels) != 0 &&
           found->second.first.contains(labels.get("instance")) &&
           found->second.second.contains(labels.get("job"));
  }

 private:
  static int presence(const Labels& labels) {
    return (labels.has("instance") ? 1 : 0) + (labels.has("job") ? 2 : 0);
  }
  using Values = std::set<std::string, std::less<>>;
  std::map<int, std::pair<Values, Values>> groups_;
};

Candidates candidates_of(const Block& base, const Wanted& wanted, std::size_t steps) {
  Candidates out;
  for (std::size_t i = 0; i < base.set->size(); ++i) {
    const auto cells = base.values.begin() + static_cast<std::ptrdiff_t>(i * steps);
    const auto end = cells + static_cast<std::ptrdiff_t>(steps);
    const bool any = std::any_of(cells, end, [](double cell) { return !is_absent(cell); });
    if (any && !wanted.is_info(*base.set->labels[i])) out.add(*base.set->labels[i]);
  }
  return out;
}

// Per identity and info metric the info series with the newest sample at a step.
using Newest = std::map<Labels, std::map<std::string_view, std::size_t>>;

Result<Newest> newest_at(const Block& info, const std::vector<Labels>& identities, std::size_t step,
                         std::size_t steps) {
  Newest newest;
  for (std::size_t i = 0; i < info.set->size(); ++i) {
    const double at = info.values[i * steps + step];
    if (is_absent(at) || identities[i].empty()) continue;
    const std::string_view name = info.set->labels[i]->get(kMetricName);
    const auto [place, fresh] = newest[identities[i]].emplace(name, i);
    if (fresh) continue;
    const double other = info.values[place->second * steps + step];
    if (other == at) {
      return Error(ErrorCode::kInvalid,
                   fmt::format("found duplicate series for info metric {}", name));
    }
    if (other < at) place->second = i;
  }
  return newest;
}

Result<std::vector<LabelView>> added_labels(const Wanted& wanted, const Labels& base,
                                            const Block& info,
                                            const std::map<std::string_view, std::size_t>& found) {
  std::vector<LabelView> added;
  for (const auto& [name, series] : found) {
    for (const LabelView label : *info.set->labels[series]) {
      if (!wanted.adds(label.name)) continue;
      const auto same = std::find_if(added.begin(), added.end(),
                                     [&](const LabelView& a) { return a.name == label.name; });
      if (same != added.end() && same->value != label.value) {
        return Error(ErrorCode::kInvalid, fmt::format("conflicting label: {}", label.name));
      }
      if (same == added.end() && !base.has(label.name)) added.push_back(label);
    }
  }
  return added;
}

}  // namespace

Result<Value> info(CallNode& call, Evaluation& evaluation) {
  const Wanted wanted(call.call());
  Result<Block> base = call.arg(0).block(evaluation);
  if (!base) return base.error();
  Result<TimeShift> shift = Reference::of(*call.call().args[0], evaluation);
  if (!shift) return shift.error();
  Result<Value> selected = dynamic_cast<SelectorNode&>(call.arg(1)).timestamps(evaluation, *shift);
  if (!selected) return selected.error();
  const Block info_block = std::get<Block>(*std::move(selected));
  const std::size_t steps = evaluation.grid.count;
  const Candidates candidates = candidates_of(*base, wanted, steps);
  std::vector<Labels> identities;  // empty: not looked at
  for (const LabelsPtr& labels : info_block.set->labels) {
    identities.push_back(candidates.contains(*labels) ? identity(*labels) : Labels());
  }
  SetBuilder builder;
  Block out;
  for (std::size_t s = 0; s < steps; ++s) {
    Result<Newest> newest = newest_at(info_block, identities, s, steps);
    if (!newest) return newest.error();
    if (Result<void> charged = evaluation.charge(base->set->size()); !charged) {
      return charged.error();
    }
    for (std::size_t i = 0; i < base->set->size(); ++i) {
      const double value = base->values[i * steps + s];
      if (is_absent(value)) continue;
      LabelsPtr labels = base->set->labels[i];
      if (!wanted.is_info(*labels)) {
        std::vector<LabelView> pairs(labels->begin(), labels->end());
        const auto found = newest->find(identity(*labels));
        bool any = false;
        if (found != newest->end()) {
          Result<std::vector<LabelView>> added =
              added_labels(wanted, *labels, info_block, found->second);
          if (!added) return added.error();
          any = true;
          pairs.insert(pairs.end(), added->begin(), added->end());
        }
        if (!any && !wanted.allows_none()) continue;
        labels = std::make_shared<const Labels>(std::move(pairs));
      }
      const std::size_t series = builder.add(std::move(labels), base->set->drops(i));
      if (out.values.size() < (series + 1) * steps) {
        if (Result<void> charged = evaluation.charge(steps); !charged) return charged.error();
        out.values.resize((series + 1) * steps, absent_cell());
      }
      double& cell = out.values[series * steps + s];
      if (!is_absent(cell)) {
        return Error(ErrorCode::kInvalid, "vector cannot contain metrics with the same labelset");
      }
      cell = value;
    }
  }
  out.set = builder.finish();
  return Value(std::move(out));
}

}  // namespace fn
}  // namespace keelwatch::promql
