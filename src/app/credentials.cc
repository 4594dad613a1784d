#include "app/credentials.h"

#include <cstdlib>

#include "base/file.h"
#include "config/limits.h"

namespace keelwatch::app {

Result<std::string> read_credential(const std::string& path) {
  return read_file(path, limits::kCaFileBytes);
}

discovery::AwsEnvironment aws_environment() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any
    return std::string(value != nullptr ? value : "");
  };
  const std::string region = variable("AWS_REGION");
  return {.access_key = variable("AWS_ACCESS_KEY_ID"),
          .secret_key = Secret(variable("AWS_SECRET_ACCESS_KEY")),
          .session_token = variable("AWS_SESSION_TOKEN"),
          .region = region.empty() ? variable("AWS_DEFAULT_REGION") : region};
}

}  // namespace keelwatch::app
