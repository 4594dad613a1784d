// std::mutex with clang's thread-safety annotations: a member marked GUARDED_BY is an error to
// touch without its lock (clang -Wthread-safety; GCC ignores the annotations).
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define KEELWATCH_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define KEELWATCH_THREAD_ANNOTATION(x)
#endif

#define GUARDED_BY(m) KEELWATCH_THREAD_ANNOTATION(guarded_by(m))
#define REQUIRES(...) KEELWATCH_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) KEELWATCH_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))

namespace keelwatch {

class KEELWATCH_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  void lock() KEELWATCH_THREAD_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void unlock() KEELWATCH_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class KEELWATCH_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) KEELWATCH_THREAD_ANNOTATION(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() KEELWATCH_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits with the Mutex held by the caller; works with std::stop_token through wait_until's polling
// of the predicate on notify.
using ConditionVariable = std::condition_variable_any;

}  // namespace keelwatch
