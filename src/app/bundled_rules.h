// The rule files that are built into the program.
#pragma once

#include <vector>

#include "base/diagnostics.h"

namespace keelwatch::app {

// Named "rules/recovery.yaml", sorted by name.
[[nodiscard]] std::vector<SourceFile> bundled_rule_files();

}  // namespace keelwatch::app
