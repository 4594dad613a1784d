#include "rules/group.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/sample.h"
#include "rules/selection.h"

namespace keelwatch::rules {
namespace {

// FNV-1a. Stable over restarts, so that a group keeps its place in the interval.
std::uint64_t hash(std::string_view text) {
  std::uint64_t out = 14695981039346656037U;
  for (const char c : text) {
    out ^= static_cast<unsigned char>(c);
    out *= 1099511628211U;
  }
  return out;
}

const Rule& rule_of(const Group::AnyRule& rule) {
  return std::visit([](const auto& any) -> const Rule& { return any.rule(); }, rule);
}

}  // namespace

std::string rule_key(const std::string& group, const Rule& rule, std::size_t number) {
  std::vector<LabelView> labels;
  for (const TemplatedText& label : rule.labels) labels.push_back({label.name, label.text.text()});
  return fmt::format("{}/{}{}#{}", group, rule.name, Labels(std::move(labels)).text(), number);
}

Group::Group(const RuleGroup& group, const Settings& settings)
    : name_(group.name),
      file_(group.file),
      interval_(group.interval ? *group.interval : settings.default_interval),
      query_offset_(group.query_offset ? *group.query_offset : settings.default_query_offset),
      limit_(group.limit),
      written_(group.rules.size()) {
  std::map<std::string, std::size_t> same;
  for (const Rule& rule : group.rules) {
    if (rule.kind == Rule::Kind::kRecording) {
      rules_.emplace_back(std::in_place_type<RecordingRule>, rule, limit_, settings);
      continue;
    }
    const std::size_t number = same[rule_key(name_, rule, 0)]++;
    rules_.emplace_back(std::in_place_type<AlertingRule>, rule, limit_,
                        file_ + '\t' + rule_key(name_, rule, number), settings);
  }
}

void Group::schedule(Instant now) {
  const auto interval = static_cast<std::uint64_t>(interval_.count());
  const std::uint64_t place = hash(file_ + ";" + name_) % interval;
  const auto wall = static_cast<std::uint64_t>(now.wall.time_since_epoch().count());
  const std::uint64_t wait = (place + interval - wall % interval) % interval;
  next_slot_ = now.steady + Duration(static_cast<std::int64_t>(wait));
}

bool Group::due(Instant now) {
  if (!next_slot_) schedule(now);
  return now.steady >= *next_slot_;
}

void Group::evaluate(const Evaluation& evaluation, std::vector<Transition>& transitions) {
  const SteadyTime begin = evaluation.clock != nullptr ? evaluation.clock->steady() : SteadyTime{};
  ++stats_.iterations;
  if (next_slot_) {
    // Where steps come no more often than slots, one that comes a little late for the second of two
    // has missed none: both are evaluated, the second with the next step.
    const Duration late = evaluation.now.steady - *next_slot_ - interval_ / 4;
    const auto missed = std::max<std::int64_t>(0, late.count() / interval_.count());
    stats_.iterations += static_cast<std::uint64_t>(missed);
    stats_.iterations_missed += static_cast<std::uint64_t>(missed);
    *next_slot_ += interval_ * (missed + 1);
  }
  stats_.samples = 0;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    std::vector<OutputSample> samples;
    ++stats_.evaluations;
    if (evaluate_rule(i, evaluation, transitions, samples)) {
      write(i, evaluation, std::move(samples));
    } else {
      ++stats_.evaluation_failures;
    }
  }
  for (const Labels& labels : ending_) {
    const Result<void> ended = evaluation.output->append(
        labels, to_unix_millis(evaluation.now.wall - query_offset_), stale_marker());
    static_cast<void>(ended);
  }
  ending_.clear();
  stats_.last_evaluation = evaluation.now.wall;
  if (evaluation.clock != nullptr) stats_.last_duration = evaluation.clock->steady() - begin;
}

void Group::evaluate_off_slot(AlertingRule& rule, const Evaluation& evaluation,
                              std::vector<Transition>& transitions) {
  std::vector<OutputSample> none;
  ++stats_.evaluations;
  if (!rule.evaluate(evaluation, query_offset_, transitions, none)) ++stats_.evaluation_failures;
}

Result<void> Group::evaluate_rule(std::size_t i, const Evaluation& evaluation,
                                  std::vector<Transition>& transitions,
                                  std::vector<OutputSample>& samples) {
  if (auto* alerting = std::get_if<AlertingRule>(&rules_[i])) {
    return alerting->evaluate(evaluation, query_offset_, transitions, samples);
  }
  return std::get<RecordingRule>(rules_[i]).evaluate(evaluation, query_offset_, samples);
}

void Group::write(std::size_t i, const Evaluation& evaluation, std::vector<OutputSample> samples) {
  const std::int64_t at_ms = to_unix_millis(evaluation.now.wall - query_offset_);
  Written vanished = std::move(written_[i]);
  written_[i] = {};
  bool fresh = false;
  for (OutputSample& sample : samples) {
    if (!evaluation.output->append(sample.labels, at_ms, sample.value)) continue;
    ++stats_.samples;
    fresh = vanished.erase(sample.labels) == 0 || fresh;
    ending_.erase(sample.labels);
    written_[i].emplace(std::move(sample.labels), false);
  }
  if (!vanished.empty()) end_vanished(i, evaluation, vanished);
  if (fresh) evaluation.output->publish(to_unix_millis(evaluation.now.wall));
}

void Group::end_vanished(std::size_t i, const Evaluation& evaluation, const Written& vanished) {
  const std::int64_t at_ms = to_unix_millis(evaluation.now.wall - query_offset_);
  std::vector<promql::UnknownSeries> silent;
  if (auto* recording = std::get_if<RecordingRule>(&rules_[i])) {
    silent = recording->silent_series(evaluation, query_offset_);
  }
  for (const auto& [labels, marked] : vanished) {
    const bool unknown = std::any_of(silent.begin(), silent.end(), [&](const auto& series) {
      return agree_on_shared(labels, *series.labels);
    });
    if (unknown) {
      // One marker, whose time says since when; the series stays ours, to be ended some day.
      if (marked || evaluation.output->append(labels, at_ms, unknown_marker())) {
        written_[i].emplace(labels, true);
      }
      continue;
    }
    const Result<void> ended = evaluation.output->append(labels, at_ms, stale_marker());
    static_cast<void>(ended);  // what has no room in the store has nothing to end
  }
}

void Group::end_series(Output& output, std::int64_t at_ms) {
  for (Written& series : written_) {
    for (const auto& [labels, silent] : series) ending_.insert(labels);
    series.clear();
  }
  for (const Labels& labels : ending_) {
    const Result<void> ended = output.append(labels, at_ms, stale_marker());
    static_cast<void>(ended);
  }
  ending_.clear();
}

void Group::take_over(Group& before) {
  if (before.interval_ == interval_) next_slot_ = before.next_slot_;
  stats_ = before.stats_;
  ending_ = std::move(before.ending_);
  std::vector<bool> taken(before.rules_.size(), false);
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    for (std::size_t k = 0; k < before.rules_.size(); ++k) {
      const Rule& mine = rule_of(rules_[i]);
      const Rule& other = rule_of(before.rules_[k]);
      if (taken[k] || mine.kind != other.kind || rule_key({}, mine, 0) != rule_key({}, other, 0)) {
        continue;
      }
      written_[i] = std::exchange(before.written_[k], {});
      taken[k] = true;
      break;
    }
  }
  for (const Written& series : before.written_) {
    for (const auto& [labels, silent] : series) ending_.insert(labels);
  }
}

}  // namespace keelwatch::rules
