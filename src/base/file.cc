#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace keelwatch {
namespace {

Error system_error(const std::string& path, int error) {
  ErrorCode code = ErrorCode::kUnavailable;
  if (error == ENOENT || error == ENOTDIR) code = ErrorCode::kNotFound;
  if (error == EACCES || error == EPERM) code = ErrorCode::kForbidden;
  return Error(code, fmt::format("{}: {}", path, std::generic_category().message(error)));
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
  // O_NONBLOCK: opening a pipe that nobody writes to would wait for a writer.
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)};
  if (file.fd < 0) return system_error(path, errno);
  struct stat status = {};
  if (fstat(file.fd, &status) != 0) return system_error(path, errno);
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::kInvalid, fmt::format("{}: not a regular file", path));
  }
  // The size is a hint: the file may grow, and those of /proc claim none.
  std::string bytes;
  char buffer[16384];
  for (;;) {
    const ssize_t count = read(file.fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(path, errno);
    if (count == 0) return bytes;
    if (bytes.size() + static_cast<std::size_t>(count) > max_bytes) {
      return Error(ErrorCode::kTooLarge, fmt::format("{}: larger than {} bytes", path, max_bytes));
    }
    bytes.append(buffer, static_cast<std::size_t>(count));
  }
}

}  // namespace keelwatch
