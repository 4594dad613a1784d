// PromQL as Prometheus 3 evaluates it, on floats and classic histograms. An expression is compiled
// once and evaluated many times: its selectors search the store's index again only when the set of
// series has changed, and grouping and matching of labels are remembered with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/diagnostics.h"
#include "base/result.h"
#include "promql/value.h"
#include "store/queryable.h"

namespace keelwatch::promql {

struct Options {
  std::int64_t lookback_ms = 5 * 60 * 1000;
  std::int64_t subquery_step_ms = 60 * 1000;  // of subqueries without one
  // Prometheus' feature flag promql-delayed-name-removal: off in the server, on in its test suite.
  bool delayed_name_removal = false;

  // Limits; beyond them evaluation ends with kTooLarge.
  std::size_t max_samples = 50'000'000;  // read or computed by one evaluation, summed up
  std::size_t max_steps = 11'000;        // of a range query, and of each subquery x 100
};

// Of one evaluation. Without a clock there is no deadline.
struct Context {
  std::stop_token stop;          // kCancelled
  const Clock* clock = nullptr;  // outlives the evaluation
  SteadyTime deadline{};         // kTimeout
};

// A selected series whose newest sample is the unknown marker: its source fell silent.
struct UnknownSeries {
  LabelsPtr labels;
  std::int64_t since_ms = 0;
};

struct Plan;

// A compiled expression. Movable; one thread at a time. It remembers what its selectors found in
// the last Queryable that it was evaluated on, by that one's address and generation: it must not
// outlive a Queryable and then meet another at the same address.
class Query {
 public:
  // Errors: kInvalid and kUnsupported (native histograms, fill, anchored, smoothed, limit_ratio),
  // with place, source line and remedy as in parse().
  [[nodiscard]] static Result<Query> compile(std::string_view text, Options options = {});
  ~Query();
  Query(Query&&) noexcept;
  Query& operator=(Query&&) noexcept;

  [[nodiscard]] const std::string& text() const;  // as given to compile()
  [[nodiscard]] const Expr& expr() const;
  [[nodiscard]] ValueType type() const;

  // Errors: kInvalid (what the data do not allow: many-to-many matches, equal label sets),
  // kUnsupported, kTooLarge, kTimeout, kCancelled.
  [[nodiscard]] Result<Answer> instant(const store::Queryable& store, std::int64_t at_ms,
                                       const Context& context = {});
  // At start, start + step, ... <= end; the expression is a scalar or an instant vector. Series
  // are sorted by labels.
  [[nodiscard]] Result<Answer> range(const store::Queryable& store, std::int64_t start_ms,
                                     std::int64_t end_ms, std::int64_t step_ms,
                                     const Context& context = {});

  // For a result that has vanished: which of the selected series are unknown, not gone, at that
  // time. The marker is written once, when a source falls silent, so the newest sample counts
  // however old it is: beyond the lookback and beyond a range's window. Offsets and @ hold, those
  // of subqueries around a selector too. Errors: kInvalid, as instant().
  [[nodiscard]] Result<std::vector<UnknownSeries>> unknown_series(const store::Queryable& store,
                                                                  std::int64_t at_ms);

 private:
  struct State;
  explicit Query(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace keelwatch::promql
