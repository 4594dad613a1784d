#include "sources/filesystem/path_probe.h"

#include <pthread.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <limits>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "base/mutex.h"

namespace keelwatch::sources {
namespace {

ErrorCode code_of(int problem) {
  if (problem == ENOENT || problem == ENOTDIR) return ErrorCode::kNotFound;
  if (problem == EACCES || problem == EPERM) return ErrorCode::kForbidden;
  return ErrorCode::kUnavailable;
}

std::int64_t product(std::uint64_t blocks, std::uint64_t size) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (size != 0 && blocks > kMost / size) return static_cast<std::int64_t>(kMost);
  return static_cast<std::int64_t>(blocks * size);
}

}  // namespace

Result<model::FilesystemUsage> filesystem_usage(const std::string& path) {
  struct statvfs info{};
  while (statvfs(path.c_str(), &info) != 0) {
    const int problem = errno;
    if (problem == EINTR) continue;
    return Error(code_of(problem), path + ": " + std::strerror(problem));
  }
  model::FilesystemUsage usage;
  usage.size_bytes = product(info.f_blocks, info.f_frsize);
  usage.available_bytes = product(info.f_bavail, info.f_frsize);
  if (usage.size_bytes == 0) {
    return Error(ErrorCode::kMalformed, path + ": its file system has no size");
  }
  if (info.f_files > 0) {
    usage.inodes = product(info.f_files, 1);
    usage.inodes_free = product(info.f_favail, 1);
  }
  return usage;
}

// Owned by the probe and by the thread of a question, whichever ends last.
struct PathProbe::Shared {
  Shared(std::string the_path, Ask the_ask) : path(std::move(the_path)), ask(std::move(the_ask)) {}

  void run() {
    Result<model::FilesystemUsage> result = Error(ErrorCode::kUnavailable, "");
    try {
      result = ask(path);
    } catch (const std::exception& e) {
      result = Error(ErrorCode::kUnavailable, path + ": " + e.what());
    }
    MutexLock lock(mutex);
    answer = std::move(result);
    if (notify) notify();
  }

  const std::string path;
  const Ask ask;
  Mutex mutex;
  std::function<void()> notify GUARDED_BY(mutex);  // empty: the probe is gone
  std::optional<Result<model::FilesystemUsage>> answer GUARDED_BY(mutex);
  bool asked = false;  // the probe's: a thread is at it, or its answer waits
};

PathProbe::PathProbe(EventLoop& loop, std::string path, Ask ask)
    : loop_(loop),
      answered_(loop),
      shared_(std::make_shared<Shared>(std::move(path), std::move(ask))) {
  MutexLock lock(shared_->mutex);
  // What is posted may be run after the probe has died: it finds that out by `shared`.
  shared_->notify = [this, weak = std::weak_ptr<Shared>(shared_)] {
    loop_.post([this, weak] {
      const std::shared_ptr<Shared> alive = weak.lock();
      if (!alive) return;
      bool probe_lives = false;
      {
        MutexLock inner(alive->mutex);
        probe_lives = alive->notify != nullptr;
      }
      if (probe_lives) answered_.notify_all();
    });
  };
}

PathProbe::~PathProbe() {
  MutexLock lock(shared_->mutex);
  shared_->notify = nullptr;
}

Task<Result<model::FilesystemUsage>> PathProbe::usage(SteadyTime deadline) {
  const std::string path = shared_->path;
  if (!shared_->asked) {
    try {
      std::thread([shared = shared_] {
        pthread_setname_np(pthread_self(), "statvfs");
        shared->run();
      }).detach();  // it ends by itself, or never: see the top of the header
      shared_->asked = true;
    } catch (const std::system_error& e) {
      co_return Error(ErrorCode::kUnavailable, path + ": no thread to ask with: " + e.what());
    }
  }
  for (;;) {
    {
      MutexLock lock(shared_->mutex);
      if (shared_->answer) {
        Result<model::FilesystemUsage> result = *std::exchange(shared_->answer, std::nullopt);
        shared_->asked = false;
        co_return result;
      }
    }
    const bool notified = co_await answered_.wait_until(deadline);
    if (!notified) {
      co_return Error(ErrorCode::kTimeout, path + ": its file system does not answer");
    }
  }
}

}  // namespace keelwatch::sources
