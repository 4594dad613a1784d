// "Did you mean": the known word that a misspelt one most likely stands for.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace keelwatch {

// Insertions, deletions, substitutions and swaps of neighbours that turn a into b, letter case
// counted (optimal string alignment). Stops early and returns limit + 1 once it must be more.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t limit);

// The closest candidate, the first of equals; nothing if none is near enough to be a slip of the
// fingers (a third of the word, at most 3 edits; letter case, '_', '-' and '.' are free).
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view word,
                                                      std::span<const std::string_view> candidates);

// `did you mean "time"?`, or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       std::span<const std::string_view> candidates);

}  // namespace keelwatch
