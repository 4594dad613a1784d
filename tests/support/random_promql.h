// Random PromQL from a grammar that covers the language, over the series of random_series.h. The
// same seed gives the same expression. Values that two correct programs compute with different last
// bits (exp, trigonometry, regression: "inexact") never reach an operation that makes a difference
// in kind of one in the last bit (comparison, floor, subtraction).
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>

namespace keelwatch::testing {

// What Prometheus 2.42 knows and both evaluate alike, or all of Prometheus 3.
enum class PromqlDialect { kPrometheus2, kPrometheus3 };

class RandomPromql {
 public:
  RandomPromql(std::uint64_t seed, PromqlDialect dialect)
      : random_(seed), v3_(dialect == PromqlDialect::kPrometheus3) {}

  // For an instant query: any type. For a range query: a scalar or an instant vector. One in fifty
  // or so is meant to be refused.
  [[nodiscard]] std::string instant_expression();
  [[nodiscard]] std::string range_expression();

  // Uniform in [0, bound).
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  std::string pick(std::initializer_list<std::string_view> choices);

 private:
  enum class Precision { kExact, kAny };

  std::string vector(int depth, Precision precision);
  // Of values that are never equal: which of equals is picked is nobody's promise.
  std::string distinct_vector(int depth);
  std::string timestamp_argument(int depth);
  std::string exact_vector(int depth);
  std::string inexact_vector(int depth);
  std::string scalar(int depth, Precision precision);
  std::string selector();
  std::string matchers(const std::string& metric);
  std::string modifiers();
  std::string range_vector(int depth, Precision precision, bool counter);
  std::string range_function(int depth, bool exact);
  std::string aggregation(int depth, Precision precision);
  std::string grouping();
  std::string arithmetic(int depth, Precision precision);
  std::string comparison(int depth);
  std::string set_operation(int depth, Precision precision);
  std::string matching();
  std::string labels_changed(int depth, Precision precision);
  std::string time_part(int depth);
  std::string histogram(int depth);
  std::string refused();
  std::string duration();
  std::string number();

  std::mt19937_64 random_;
  bool v3_;
  int subqueries_ = 0;  // around what is being made
};

}  // namespace keelwatch::testing
