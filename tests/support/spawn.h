// Starts a program for a test. The caller ends it and waits for it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace keelwatch::testing {

// Looked for in PATH if its name has no slash; without stdin, stdout and stderr appended to `log`.
// Throws if it cannot be started.
[[nodiscard]] pid_t spawn(const std::vector<std::string>& arguments, const std::string& log);

}  // namespace keelwatch::testing
