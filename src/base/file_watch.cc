#include "base/file_watch.h"

#include <functional>
#include <string_view>

#include "base/file.h"

namespace keelwatch {

FileWatch::Content FileWatch::look_at(const std::string& path) const {
  const auto bytes = read_file(path, max_bytes_);
  if (!bytes) return {0, 0, static_cast<int>(bytes.error().code()) + 1};
  return {std::hash<std::string_view>()(*bytes), bytes->size(), 0};
}

void FileWatch::set_files(const std::vector<std::string>& paths) {
  std::map<std::string, Content> files;
  for (const std::string& path : paths) {
    const auto known = files_.find(path);
    files.insert_or_assign(path, known == files_.end() ? look_at(path) : known->second);
  }
  files_ = std::move(files);
}

std::vector<std::string> FileWatch::poll() {
  std::vector<std::string> changed;
  for (auto& [path, known] : files_) {
    const Content now = look_at(path);
    if (now == known) continue;
    known = now;
    changed.push_back(path);
  }
  return changed;
}

Task<> watch_files(EventLoop& loop, FileWatch& watch, Duration interval,
                   std::function<void(const std::vector<std::string>&)> changed) {
  for (;;) {
    co_await loop.sleep_for(interval);
    const std::vector<std::string> paths = watch.poll();
    if (!paths.empty()) changed(paths);
  }
}

}  // namespace keelwatch
