// What was built. Revision: `git describe` at build time, "unknown" outside a checkout.
#pragma once

#include <string_view>

namespace keelwatch::app {

extern const std::string_view kVersion;
extern const std::string_view kRevision;

}  // namespace keelwatch::app
