#include "base/edit_distance.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace keelwatch {
namespace {

// Longer words are never names that somebody mistyped, and the cost is quadratic.
constexpr std::size_t kMaxWord = 100;
constexpr std::size_t kMaxEdits = 3;

// How the word sounds: people mix up replicationLag, replication-lag and replication_lag.
std::string folded(std::string_view word) {
  std::string out;
  for (const char c : word) {
    if (c == '_' || c == '-' || c == '.') continue;
    out += (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t limit) {
  if (a.size() > b.size()) std::swap(a, b);
  if (b.size() - a.size() > limit) return limit + 1;
  // Three rows of the table: the swap of neighbours looks back two.
  std::vector<std::size_t> before(a.size() + 1), above(a.size() + 1), row(a.size() + 1);
  for (std::size_t j = 0; j <= a.size(); ++j) row[j] = j;
  std::size_t above_best = 0;
  for (std::size_t i = 1; i <= b.size(); ++i) {
    std::swap(before, above);
    std::swap(above, row);
    row[0] = i;
    std::size_t best = i;
    for (std::size_t j = 1; j <= a.size(); ++j) {
      const bool same = a[j - 1] == b[i - 1];
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && a[j - 1] == b[i - 2] && a[j - 2] == b[i - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
      best = std::min(best, row[j]);
    }
    if (best > limit && above_best > limit) return limit + 1;  // a swap may still reach over a row
    above_best = best;
  }
  return std::min(row[a.size()], limit + 1);
}

std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> candidates) {
  if (word.size() > kMaxWord) return std::nullopt;
  const std::string sound = folded(word);
  std::size_t best = kMaxEdits + 1;
  std::optional<std::string_view> found;
  for (const std::string_view candidate : candidates) {
    const std::string other = folded(candidate);
    const std::size_t limit = std::min(std::max(sound.size(), other.size()) / 3, best - 1);
    const std::size_t distance = edit_distance(sound, other, limit);
    if (distance > limit || other.empty() || sound.empty()) continue;
    found = candidate;
    best = distance;
    if (best == 0) break;
  }
  return found;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  const auto found = nearest(word, candidates);
  return found ? fmt::format("did you mean \"{}\"?", *found) : std::string();
}

}  // namespace keelwatch
