// Asks the kernel how full the file system under a path is, on a thread of its own: statvfs on a
// dead NFS mount blocks for as long as the server is away, and no signal ends it. A question that
// hangs costs its own path, and is not asked a second time beside itself.
// Threads: the loop's; `ask` runs on the probe's. Destroying the probe waits for nothing: a thread
// that hangs in the kernel is left to it, together with what it holds.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/task.h"
#include "model/filesystem.h"

namespace keelwatch::sources {

// Blocks. Errors: kNotFound, kForbidden, kUnavailable; kMalformed (a file system without a size, as
// /proc is).
[[nodiscard]] Result<model::FilesystemUsage> filesystem_usage(const std::string& path);

class PathProbe {
 public:
  using Ask = std::function<Result<model::FilesystemUsage>(const std::string& path)>;

  PathProbe(EventLoop& loop, std::string path, Ask ask = filesystem_usage);
  ~PathProbe();
  PathProbe(const PathProbe&) = delete;
  PathProbe& operator=(const PathProbe&) = delete;

  // Errors: those of `ask`, and kTimeout. One question at a time.
  [[nodiscard]] Task<Result<model::FilesystemUsage>> usage(SteadyTime deadline);

 private:
  struct Shared;
  EventLoop& loop_;
  Signal answered_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace keelwatch::sources
