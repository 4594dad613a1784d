// Answers against what a script expects.
#pragma once

#include "promql/script.h"
#include "promql/value.h"

namespace keelwatch::promql {

// Equal within a relative 1e-6; NaN equals NaN, a staleness marker only itself.
[[nodiscard]] bool almost_equal(double a, double b);

// Errors: kMalformed, what is different.
[[nodiscard]] Result<void> compare_answer(const ScriptCommand& command, const Answer& answer);
[[nodiscard]] Result<void> compare_annotations(const ScriptCommand& command,
                                               const Annotations& annotations);
[[nodiscard]] Result<void> compare_failure(const ScriptCommand& command,
                                           const Result<Answer>& answer);

// To the bit, NaN payloads aside; of errors their texts.
[[nodiscard]] bool same_answer(const Result<Answer>& a, const Result<Answer>& b);

}  // namespace keelwatch::promql
