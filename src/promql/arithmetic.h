// The binary operators as inlinable functors: a loop is compiled for each of them.
#pragma once

#include <cmath>

#include "promql/ast.h"

namespace keelwatch::promql {

// Calls run(f) with f(lhs, rhs) -> double for an arithmetic operator.
template <typename Run>
auto with_arithmetic(BinaryOp op, Run run) {
  switch (op) {
    case BinaryOp::kAdd:
      return run([](double a, double b) { return a + b; });
    case BinaryOp::kSub:
      return run([](double a, double b) { return a - b; });
    case BinaryOp::kMul:
      return run([](double a, double b) { return a * b; });
    case BinaryOp::kDiv:
      return run([](double a, double b) { return a / b; });
    case BinaryOp::kMod:
      return run([](double a, double b) { return std::fmod(a, b); });
    case BinaryOp::kPow:
      return run([](double a, double b) { return std::pow(a, b); });
    default:
      return run([](double a, double b) { return std::atan2(a, b); });
  }
}

// Calls run(f) with f(lhs, rhs) -> bool for a comparison.
template <typename Run>
auto with_comparison(BinaryOp op, Run run) {
  switch (op) {
    case BinaryOp::kEqual:
      return run([](double a, double b) { return a == b; });
    case BinaryOp::kNotEqual:
      return run([](double a, double b) { return a != b; });
    case BinaryOp::kLess:
      return run([](double a, double b) { return a < b; });
    case BinaryOp::kLessEqual:
      return run([](double a, double b) { return a <= b; });
    case BinaryOp::kGreater:
      return run([](double a, double b) { return a > b; });
    default:
      return run([](double a, double b) { return a >= b; });
  }
}

}  // namespace keelwatch::promql
