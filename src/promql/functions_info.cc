// info(): adds the labels of info metrics (promql/info.go). Series belong together if they agree on
// instance and job.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "promql/implementations.h"
#include "promql/matcher.h"
#include "promql/plan.h"

namespace keelwatch::promql::fn {
namespace {

constexpr std::string_view kDefaultInfo = "target_info";

struct Wanted {
  std::vector<store::Matcher> names;  // of info metrics
  std::vector<store::Matcher> data;   // of their labels; none: all labels are added

  explicit Wanted(const Call& call) {
    if (call.args.size() > 1) {
      for (const LabelMatcher& matcher : call.args[1]->as<VectorSelector>()->matchers) {
        Result<store::Matcher> compiled = compile_matcher(matcher);
        if (!compiled) continue;  // the type check has refused it
        (matcher.name == kMetricName ? names : data).push_back(*std::move(compiled));
      }
    }
    if (names.empty()) {
      names.push_back(
          {store::Matcher::Op::kEqual, std::string(kMetricName), std::string(kDefaultInfo), {}});
    }
  }

  [[nodiscard]] bool is_info(const Labels& labels) const {
    return std::any_of(names.begin(), names.end(), [&](const store::Matcher& matcher) {
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

Labels identity(const Labels& labels) {
  return Labels{{"instance", labels.get("instance")}, {"job", labels.get("job")}};
}

// Per identity and info metric the info series with the newest sample at a step.
using Newest = std::map<Labels, std::map<std::string_view, std::size_t>>;

Result<Newest> newest_at(const Block& info, const std::vector<Labels>& identities, std::size_t step,
                         std::size_t steps) {
  Newest newest;
  for (std::size_t i = 0; i < info.set->size(); ++i) {
    const double at = info.values[i * steps + step];
    if (is_absent(at)) continue;
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
  Result<Value> selected = dynamic_cast<SelectorNode&>(call.arg(1)).timestamps(evaluation);
  if (!selected) return selected.error();
  const Block info_block = std::get<Block>(*std::move(selected));
  std::vector<Labels> identities;
  for (const LabelsPtr& labels : info_block.set->labels) identities.push_back(identity(*labels));

  const std::size_t steps = evaluation.grid.count;
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
        if (found != newest->end() && !found->first.empty()) {
          Result<std::vector<LabelView>> added =
              added_labels(wanted, *labels, info_block, found->second);
          if (!added) return added.error();
          any = !added->empty();
          pairs.insert(pairs.end(), added->begin(), added->end());
        }
        if (!any && !wanted.allows_none()) continue;
        labels = std::make_shared<const Labels>(std::move(pairs));
      }
      const std::size_t series = builder.add(std::move(labels), base->set->drops(i));
      out.values.resize(std::max(out.values.size(), (series + 1) * steps), absent_cell());
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

}  // namespace keelwatch::promql::fn
