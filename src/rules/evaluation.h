// What the evaluation of rules gets from outside: time, data, and where its series go. Nothing in
// rules/ asks a clock for the time of day or knows a source.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/labels.h"
#include "promql/engine.h"
#include "rules/alert.h"
#include "store/queryable.h"
#include "store/store.h"

namespace keelwatch::rules {

// Where rules write: recorded series, ALERTS, ALERTS_FOR_STATE, and markers where they end.
class Output {
 public:
  virtual ~Output() = default;
  // Errors: kTooLarge, the store has no room for a new series.
  [[nodiscard]] virtual Result<void> append(const Labels& labels, std::int64_t at_ms,
                                            double value) = 0;
  // Makes new series visible to the rules after this one.
  virtual void publish(std::int64_t now_ms) = 0;
};

// Into the sample store. The appender's thread only.
class StoreOutput final : public Output {
 public:
  explicit StoreOutput(store::Store& store) : store_(store) {}
  Result<void> append(const Labels& labels, std::int64_t at_ms, double value) override;
  void publish(std::int64_t now_ms) override { store_.end_step(now_ms); }

 private:
  store::Store& store_;
};

// Whose rules decide where Prometheus and this program differ.
enum class Semantics {
  // Alerts resolve on evidence only; over `limit` is an error and firing alerts stay.
  kKeelwatch,
  // A vanished result resolves; over `limit` drops all alerts of the rule. For unit tests of rules.
  kPrometheus,
};

struct Settings {
  Labels external_labels;
  std::string external_url;
  Duration default_interval = std::chrono::seconds(15);
  Duration default_query_offset{};
  Semantics semantics = Semantics::kKeelwatch;
  promql::Options promql;
  Duration rule_timeout = std::chrono::seconds(10);
  // The source that would tell of a series with these labels (some of them suffice) and is silent
  // now; nullopt: none is. Names the source of a held alert, and holds one where the store has
  // never seen the series: after a start.
  std::function<std::optional<std::string>(const Labels& series)> silent_source = nullptr;
  // The same of single series that are known to be missing now: beside others that the store has
  // seen, one of them may be what an aggregated alert is about.
  std::function<std::optional<std::string>(const Labels& series)> silent_member = nullptr;
};

// One point in time at which rules are evaluated.
struct Evaluation {
  const store::Queryable& store;
  Instant now;
  const Settings& settings;
  // Null: off the group's slot. Rules may start and fire alerts then, never resolve them, and
  // record nothing.
  Output* output = nullptr;
  // Since when all sources have answered and the clock has not jumped; absent: not yet. What has no
  // result resolves only if the expression's look-back fits in between.
  std::optional<SteadyTime> evidence_since{};
  const Clock* clock = nullptr;  // for durations and deadlines; none without one
  std::stop_token stop{};

  [[nodiscard]] bool on_slot() const { return output != nullptr; }
};

// One evaluation of one rule, kept for inspection.
struct EvaluationRecord {
  WallTime at{};
  Duration duration{};
  std::size_t results = 0;
  bool on_slot = true;
  std::string error = {};  // empty: good
  std::vector<std::string> warnings = {};
};

// A rule's expression at `at_ms`, within rule_timeout; a scalar is made the vector that rules take
// it for. The number of results and the warnings go into `record`. Errors: those of Query::instant.
[[nodiscard]] Result<promql::Answer> ask(promql::Query& query, const Evaluation& evaluation,
                                         std::int64_t at_ms, EvaluationRecord& record);

// The newest evaluations, the oldest first.
class EvaluationLog {
 public:
  static constexpr std::size_t kKept = 20;
  void add(EvaluationRecord record);
  [[nodiscard]] const std::vector<EvaluationRecord>& records() const { return records_; }
  // The same for other threads; copied once per change.
  [[nodiscard]] std::shared_ptr<const std::vector<EvaluationRecord>> shared() const;
  [[nodiscard]] const EvaluationRecord* newest() const {
    return records_.empty() ? nullptr : &records_.back();
  }

 private:
  std::vector<EvaluationRecord> records_;
  mutable std::shared_ptr<const std::vector<EvaluationRecord>> shared_;  // null: not of now
};

// Prometheus' word for a rule's health: unknown before the first evaluation.
enum class Health { kUnknown, kOk, kError };
[[nodiscard]] std::string_view to_string(Health health);  // "unknown", "ok", "err"

}  // namespace keelwatch::rules
