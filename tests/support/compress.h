// What barman-cloud's compressions make of a text, for tests of what undoes them.
#pragma once

#include <string>
#include <string_view>

namespace keelwatch::testing {

// By suffix: "", ".gz", ".bz2", ".xz", ".zst", ".lz4", ".snappy" (framed). Throws
// std::runtime_error.
[[nodiscard]] std::string compress(std::string_view suffix, std::string_view text);

}  // namespace keelwatch::testing
