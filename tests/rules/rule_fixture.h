// A store, a fake clock and rules: what tests of rules drive step by step.
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/sample.h"
#include "promql/parser.h"
#include "rules/group.h"
#include "rules/rule_file.h"
#include "rules/rule_set.h"
#include "store/store.h"

namespace keelwatch::rules {

// The groups of a rule file's text, which must be right.
inline std::vector<RuleGroup> groups_of(const std::string& text,
                                        const std::string& name = "rules.yaml") {
  Diagnostics problems(SourceFile(name, text));
  std::optional<RuleFile> file = parse_rule_file(problems);
  INFO(problems.text());
  REQUIRE(file.has_value());
  return file->groups;
}

class World {
 public:
  World() { at(0); }

  // Seconds since the start, on both clocks; the wall clock may have been set off.
  void at(double seconds) {
    now.steady = SteadyTime{} + std::chrono::hours(1) + from_seconds(seconds);
    now.wall = WallTime{} + std::chrono::hours(24 * 365 * 50) + from_seconds(seconds) + wall_offset;
  }

  // "x{a=\"1\"}=5 y=stale z=unknown": samples of now.
  void append(const std::string& samples) {
    std::istringstream words(samples);
    for (std::string word; words >> word;) {
      const std::size_t sign = word.rfind('=');
      std::string_view text(word.data(), sign);
      const Result<Labels> labels = promql::parse_series(text);
      REQUIRE(labels.has_value());
      const std::string value = word.substr(sign + 1);
      const Result<store::SeriesId> id = store.series(*labels);
      REQUIRE(id.has_value());
      store.append(*id, to_unix_millis(now.wall),
                   value == "stale"     ? stale_marker()
                   : value == "unknown" ? unknown_marker()
                                        : std::stod(value));
    }
    store.end_step(to_unix_millis(now.wall));
  }

  // The newest sample of a series as text: a number, "stale", "unknown", or "none".
  std::string newest(const std::string& series) const {
    std::string_view text = series;
    const Result<Labels> labels = promql::parse_series(text);
    REQUIRE(labels.has_value());
    std::vector<store::Matcher> matchers;
    for (const LabelView label : *labels) {
      matchers.push_back(
          {store::Matcher::Op::kEqual, std::string(label.name), std::string(label.value), nullptr});
    }
    for (const store::SeriesRef& ref : store.select(matchers)) {
      if (*ref.labels != *labels) continue;
      std::vector<Sample> samples;
      std::vector<std::uint8_t> found;
      store.read_last(std::vector<store::SeriesRef>{ref}, std::numeric_limits<std::int64_t>::min(),
                      to_unix_millis(now.wall), samples, found);
      if (found[0] == 0) return "none";
      if (is_stale(samples[0].value)) return "stale";
      if (is_unknown(samples[0].value)) return "unknown";
      std::ostringstream out;
      out << samples[0].value;
      return out.str();
    }
    return "none";
  }

  [[nodiscard]] Evaluation evaluation(Output* where) {
    Evaluation evaluation{.store = store, .now = now, .settings = settings, .output = where};
    evaluation.evidence_since = evidence_since;
    return evaluation;
  }

  [[nodiscard]] Step step() {
    Step step{.store = store, .now = now};
    step.sources_answered = evidence_since;
    return step;
  }

  static Duration from_seconds(double seconds) {
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  }

  store::Store store;
  StoreOutput output{store};
  Instant now;
  Duration wall_offset{};
  Settings settings;
  std::optional<SteadyTime> evidence_since = SteadyTime{};
  std::vector<Transition> transitions;
};

// "A{a="1"} firing, A{a="2"} pending held": active alerts, and resolved ones as "inactive".
inline std::string states(const AlertingRule& rule) {
  std::map<std::string, std::string> sorted;
  for (const Alert& alert : rule.alerts()) {
    const Labels rest = alert.labels.without("alertname");
    std::string text(to_string(alert.state));
    if (alert.keep_firing_since) text += " kept";
    if (!alert.held.empty()) text += " held";
    sorted.emplace(rest.empty() ? std::string() : rest.text() + " ", text);
  }
  std::string out;
  for (const auto& [labels, state] : sorted) out += (out.empty() ? "" : ", ") + labels + state;
  return out;
}

inline AlertingRule& alerting(Group& group, std::size_t i = 0) {
  return std::get<AlertingRule>(group.rules()[i]);
}

}  // namespace keelwatch::rules
