#include "metrics/writer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <stdexcept>
#include <unordered_set>

#include "metrics/text.h"

namespace keelwatch::metrics {

Writer::Writer(SeriesTable& table, std::span<const Family* const> declared)
    : table_(table), mark_(table.new_mark()), buckets_(declared.size()) {
  std::unordered_set<std::string_view> names;
  for (std::size_t i = 0; i < declared.size(); ++i) {
    const Family& family = *declared[i];
    if (family.type() == Type::kHistogram) {
      throw std::logic_error(std::string(family.name()) + ": the writer knows no histograms");
    }
    // OpenMetrics calls the counter x_total "x": a gauge x beside it would be the same family.
    const std::string_view name =
        family_name(family.name(), family.type(), Format::kOpenMetrics100);
    if (!names.insert(name).second) {
      throw std::logic_error(std::string(family.name()) + ": declared twice");
    }
    order_.emplace(&family, i);
  }
}

void Writer::put(const Family& family, std::span<const std::string_view> values, double value,
                 WallTime at) {
  const auto bucket = order_.find(&family);
  if (bucket == order_.end()) {
    throw std::logic_error(std::string(family.name()) + ": not declared");
  }
  if (std::isnan(value)) return;
  std::shared_ptr<const Series> series = table_.intern_once(family, values, mark_);
  if (series == nullptr) {
    const std::string prefix = table_.intern(family, values)->prefix;
    throw std::logic_error(prefix + "is written twice");
  }
  prefix_bytes_ += series->prefix.size();
  buckets_[bucket->second].push_back({std::move(series), value, at});
}

void Writer::put_absent(const Family& family, LabelValues labels, Why why) {
  if (!order_.contains(&family)) {
    throw std::logic_error(std::string(family.name()) + ": not declared");
  }
  if (labels.size() > family.labels().size()) {
    throw std::logic_error(std::string(family.name()) + ": wrong number of label values");
  }
  std::vector<LabelView> pairs;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    pairs.push_back({family.labels()[i], labels.begin()[i]});
  }
  absent_.push_back({&family, Labels(std::move(pairs)), std::move(why)});
}

Why Writer::not_in_the_answer() {
  return {Absence::kUnknown, Error(ErrorCode::kNotFound, "the answer does not hold it"), {}};
}

void Writer::write_states(const Family& family, LabelValues labels,
                          std::span<const std::string_view> states,
                          const Observed<std::string>& current) {
  const std::string* now = current.if_known();
  if (now == nullptr) return put_absent(family, labels, current.why());
  if (labels.size() + 1 != family.labels().size()) {
    throw std::logic_error(std::string(family.name()) + ": wrong number of label values");
  }
  std::array<std::string_view, Family::kMaxLabels> values;
  std::copy(labels.begin(), labels.end(), values.begin());
  const auto write_state = [&](std::string_view state, double value) {
    values[labels.size()] = state;
    put(family, {values.data(), labels.size() + 1}, value, current.observed_at());
  };
  for (const std::string_view state : states) write_state(state, state == *now ? 1 : 0);
  if (std::find(states.begin(), states.end(), *now) == states.end()) write_state(*now, 1);
}

Samples Writer::finish() && {
  Samples samples;
  samples.prefix_bytes = prefix_bytes_;
  samples.absent = std::move(absent_);
  std::size_t count = 0;
  for (const auto& bucket : buckets_) count += bucket.size();
  samples.points.reserve(count);
  for (auto& bucket : buckets_) {
    std::move(bucket.begin(), bucket.end(), std::back_inserter(samples.points));
  }
  return samples;
}

}  // namespace keelwatch::metrics
