// Where discovery gets credentials from: files and the environment of this process.
#pragma once

#include <string>

#include "base/result.h"
#include "discovery/archives.h"

namespace keelwatch::app {

[[nodiscard]] Result<std::string> read_credential(const std::string& path);
[[nodiscard]] discovery::AwsEnvironment aws_environment();

}  // namespace keelwatch::app
