// What Python's repr() makes of a list of tuples of texts and whole numbers:
//   [('fast', 16390, '/var/lib/fast'), ("it's", 16391, '/mnt/q')]
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace keelwatch::sources {

using PythonTuple = std::vector<std::variant<std::string, std::int64_t>>;

// Texts come out as UTF-8. Errors: kMalformed, with the column.
[[nodiscard]] Result<std::vector<PythonTuple>> parse_python_tuples(std::string_view text);

}  // namespace keelwatch::sources
