#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/diagnostics.h"
#include "base/utf8.h"
#include "promql/implementations.h"
#include "promql/matcher.h"
#include "promql/plan.h"

namespace keelwatch::promql::fn {
namespace {

Result<std::vector<std::string>> strings(CallNode& call, Evaluation& evaluation) {
  std::vector<std::string> out;
  for (std::size_t i = 1; i < call.arg_count(); ++i) {
    Result<std::string> text = call.arg(i).text(evaluation);
    if (!text) return text.error();
    out.push_back(*std::move(text));
  }
  return out;
}

Error bad_label(const CallNode& call, std::string_view role, std::string_view name) {
  return Error(ErrorCode::kInvalid, fmt::format("invalid {} label name in {}(): {}", role,
                                                call.call().function->name, in_quotes(name)));
}

struct Relabelled {
  SetMap map;
  std::size_t cost = 0;  // counts each time: an answer must not depend on what is remembered
};

// What the call has made of this set of series before; null if nothing.
const Relabelled* remembered(const CallNode& call, const SetPtr& set) {
  return call.memory_key == set ? static_cast<const Relabelled*>(call.memory.get()) : nullptr;
}

// A function that changes labels does so for a set once; a name that it writes is kept.
Result<Value> relabel(
    CallNode& call, Evaluation& evaluation, Block block, std::string_view target,
    const std::function<Result<std::optional<std::string>>(const Labels&)>& value) {
  if (const Relabelled* before = remembered(call, block.set)) {
    if (Result<void> charged = evaluation.charge(before->cost); !charged) return charged.error();
  } else {
    SetBuilder builder;
    auto made = std::make_shared<Relabelled>();
    SetMap& map = made->map;
    for (std::size_t i = 0; i < block.set->size(); ++i) {
      LabelsPtr labels = block.set->labels[i];
      const Result<std::optional<std::string>> changed = value(*labels);
      if (!changed) return changed.error();
      const bool drop = block.set->drops(i) && !(*changed && target == kMetricName);
      if (*changed) labels = std::make_shared<const Labels>(labels->with(target, **changed));
      const std::size_t cost = 1 + labels->heap_bytes() / sizeof(Sample);
      if (Result<void> charged = evaluation.charge(cost); !charged) return charged.error();
      made->cost += cost;
      const std::uint32_t to = builder.add(std::move(labels), drop);
      map.identity = map.identity && to == i;
      map.to.push_back(to);
    }
    map.out = builder.finish();
    call.memory = made;
    call.memory_key = block.set;
  }
  const SetMap& map = remembered(call, block.set)->map;
  Result<Block> out = regroup(map, std::move(block), evaluation.grid.count);
  if (!out) return out.error();
  return Value(*std::move(out));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Numbers inside texts compare by value: "cpu2" < "cpu10".
int natural_compare(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (is_digit(a.front()) && is_digit(b.front())) {
      const auto cut = [](std::string_view& text) {
        std::size_t length = 0;
        while (length < text.size() && is_digit(text[length])) ++length;
        std::string_view digits = text.substr(0, length);
        text.remove_prefix(length);
        while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
        return digits;
      };
      const std::string_view x = cut(a);
      const std::string_view y = cut(b);
      if (x.size() != y.size()) return x.size() < y.size() ? -1 : 1;
      if (const int order = x.compare(y); order != 0) return order;
      continue;
    }
    if (a.front() != b.front()) {
      return static_cast<unsigned char>(a.front()) < static_cast<unsigned char>(b.front()) ? -1 : 1;
    }
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  if (a.empty() && b.empty()) return 0;
  return a.empty() ? -1 : 1;
}

Result<Value> sorted_by_label(CallNode& call, Evaluation& evaluation, bool down) {
  Result<Block> block = call.arg(0).block(evaluation);
  if (!block) return block.error();
  Result<std::vector<std::string>> names = strings(call, evaluation);
  if (!names) return names.error();
  call.warn_of_sorting(evaluation);
  if (evaluation.grid.count != 1) return Value(*std::move(block));
  std::vector<std::size_t> order(block->set->size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t k) {
    const Labels& a = *block->set->labels[down ? k : i];
    const Labels& b = *block->set->labels[down ? i : k];
    for (const std::string& name : *names) {
      const int natural = natural_compare(a.get(name), b.get(name));
      if (natural != 0) return natural < 0;
      const int plain = a.get(name).compare(b.get(name));
      if (plain != 0) return plain < 0;
    }
    return a < b;  // the whole label set decides between equals
  });
  return Value(permute(*block, order));
}

}  // namespace

Result<Value> label_replace(CallNode& call, Evaluation& evaluation) {
  Result<Block> block = call.arg(0).block(evaluation);
  if (!block) return block.error();
  Result<std::vector<std::string>> args = strings(call, evaluation);
  if (!args) return args.error();
  const std::string& target = (*args)[0];
  const std::string& replacement = (*args)[1];
  const std::string& source = (*args)[2];
  if (!is_label_name(target)) return bad_label(call, "destination", target);
  Regex regex;
  if (remembered(call, block->set) == nullptr) {
    Result<Regex> compiled = Regex::compile((*args)[3]);
    if (!compiled) return Result<Value>(compiled.error()).context("label_replace()");
    regex = *std::move(compiled);
  }
  return relabel(call, evaluation, *std::move(block), target, [&](const Labels& labels) {
    return regex.expand(labels.get(source), replacement);
  });
}

Result<Value> label_join(CallNode& call, Evaluation& evaluation) {
  Result<Block> block = call.arg(0).block(evaluation);
  if (!block) return block.error();
  Result<std::vector<std::string>> args = strings(call, evaluation);
  if (!args) return args.error();
  const std::string& target = (*args)[0];
  if (!is_label_name(target)) return bad_label(call, "destination", target);
  for (std::size_t i = 2; i < args->size(); ++i) {
    if (!is_label_name((*args)[i])) return bad_label(call, "source", (*args)[i]);
  }
  return relabel(call, evaluation, *std::move(block), target,
                 [&](const Labels& labels) -> Result<std::optional<std::string>> {
                   std::string joined;
                   for (std::size_t i = 2; i < args->size(); ++i) {
                     if (i > 2) joined += (*args)[1];
                     joined += labels.get((*args)[i]);
                     if (joined.size() > kMaxLabelValue) return label_value_too_long();
                   }
                   return std::optional<std::string>(std::move(joined));
                 });
}

Result<Value> sort_by_label(CallNode& call, Evaluation& evaluation) {
  return sorted_by_label(call, evaluation, false);
}

Result<Value> sort_by_label_desc(CallNode& call, Evaluation& evaluation) {
  return sorted_by_label(call, evaluation, true);
}

}  // namespace keelwatch::promql::fn
