// One line of the result: what was measured, ours beside the peer's. Less is better everywhere but
// in rates.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace keelwatch::bench {

struct Figure {
  std::string what;
  std::string unit;
  double ours = 0;
  std::optional<double> peer;
  std::string peer_name;
  std::optional<double> target;  // met if ours is not greater (of a rate: not smaller)
  std::string note;
  std::optional<double> target_ratio = std::nullopt;  // met if the peer's is so many times ours
};

using Figures = std::vector<Figure>;

// On stdout, for tests/bench/run. All texts are our own: nothing in them needs escaping but quotes.
void print_json(const Figures& figures);

}  // namespace keelwatch::bench
