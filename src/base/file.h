// Small files whole: configuration, rules, passwords, certificates.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

namespace keelwatch {

// The file's bytes. Blocks as long as its file system does (a hung network mount: for ever), so it
// has no place on a thread that others wait for. Pipes and devices are refused, not waited for.
// Errors: kNotFound, kForbidden, kTooLarge, kInvalid (not a regular file), kUnavailable.
[[nodiscard]] Result<std::string> read_file(const std::string& path, std::size_t max_bytes);

}  // namespace keelwatch
