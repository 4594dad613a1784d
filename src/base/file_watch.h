// Notices that files changed by their content. Kubernetes swaps a symlink (..data) above mounted
// ConfigMaps and Secrets and tells nobody; editors replace files, and a tool may write the same
// size within one tick of the clock. inotify sees too little of that (it follows inodes, and
// nothing on network file systems), so the files are read again every few seconds: they are few and
// small.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/task.h"

namespace keelwatch {

// Reading blocks as long as the file system does: it belongs on a thread that no source and no step
// waits for (a hung network mount then delays reloads only). One thread.
class FileWatch {
 public:
  // Files beyond `max_bytes` count as unreadable.
  explicit FileWatch(std::size_t max_bytes = std::size_t{16} << 20) : max_bytes_(max_bytes) {}

  // Watches exactly these from now on. A file that was watched before keeps what is known of it; of
  // a new one the content of now is what later ones are compared with.
  void set_files(const std::vector<std::string>& paths);

  // The files whose content differs from that at the last call, sorted. A file that appeared,
  // disappeared, or can no longer (or again) be read has changed too.
  [[nodiscard]] std::vector<std::string> poll();

 private:
  struct Content {
    std::uint64_t hash = 0;
    std::size_t size = 0;
    int error = 0;  // an ErrorCode + 1 if it could not be read

    bool operator==(const Content&) const = default;
  };
  [[nodiscard]] Content look_at(const std::string& path) const;

  std::size_t max_bytes_;
  std::map<std::string, Content> files_;
};

// Polls every `interval` and calls back with what changed, never with nothing; the callback may
// call set_files(). Runs until the task is destroyed. `watch` outlives it.
[[nodiscard]] Task<> watch_files(EventLoop& loop, FileWatch& watch, Duration interval,
                                 std::function<void(const std::vector<std::string>&)> changed);

}  // namespace keelwatch
