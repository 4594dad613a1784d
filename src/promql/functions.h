// The ONE table of functions: names, types, documentation and implementations
// (https://prometheus.io/docs/prometheus/latest/querying/functions/). A function is one row in
// functions.cc; everything else here is how the parser and the engine read it.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "promql/ast.h"
#include "promql/value.h"

namespace keelwatch::promql {

class CallNode;
struct Evaluation;

// One value to one value; params are the call's scalar arguments at that step.
using MathFunction = double (*)(double value, const double* params);

// A part of a timestamp in UTC; the argument is Unix seconds.
using TimeFunction = double (*)(double unix_seconds);

// The samples of (begin, end] to one value; absent_cell() for none.
struct Window {
  std::span<const Sample> samples;
  std::int64_t begin_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t at_ms = 0;          // the step's time: without offset and @
  const double* params = nullptr;  // the call's scalar arguments at that step
};
using RangeFunction = double (*)(const Window& window);

// Everything else.
using CustomFunction = Result<Value> (*)(CallNode& call, Evaluation& evaluation);

// What a range function says about its input beside the value: an info, a warning, an error.
enum class Advice { kNone, kCounter, kQuantile, kFactors, kRule };

struct RangeImplementation {
  RangeFunction function = nullptr;
  bool keeps_name = false;
  Advice advice = Advice::kNone;
};

struct Function {
  static constexpr std::size_t kAny = static_cast<std::size_t>(-1);
  using Implementation =
      std::variant<MathFunction, TimeFunction, RangeImplementation, CustomFunction>;

  std::string_view name;
  std::string_view arguments;  // one letter each: S scalar, s string, V instant, M range vector
  std::size_t min_args = 0;
  std::size_t max_args = 0;  // further ones are of the last type
  ValueType result = ValueType::kVector;
  bool experimental = false;
  std::string_view doc;  // "signature: what it gives"
  Implementation implementation;

  [[nodiscard]] ValueType arg(std::size_t i) const;
  [[nodiscard]] std::string_view signature() const { return doc.substr(0, doc.find(':')); }
};

[[nodiscard]] std::span<const Function> functions();  // sorted by name
[[nodiscard]] const Function* find_function(std::string_view name);
// A remedy for an unknown function, or "".
[[nodiscard]] std::string did_you_mean_function(std::string_view name);

}  // namespace keelwatch::promql
