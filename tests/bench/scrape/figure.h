// One line of the result: what was measured, ours beside the peer's. Less is better everywhere.
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
  std::optional<double> target;  // met if ours is not greater
  std::string note;
};

using Figures = std::vector<Figure>;

}  // namespace keelwatch::bench
