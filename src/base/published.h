// Published<T>: one cell from which any thread reads the newest immutable value that one thread put
// there. Readers never wait for the making of a value, only for the copy of a pointer.
// (A mutex, not std::atomic<shared_ptr>: libstdc++ 12's races under TSan.)
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "base/mutex.h"

namespace keelwatch {

template <typename T>
class Published {
 public:
  Published() = default;
  explicit Published(std::shared_ptr<const T> first) : value_(std::move(first)) {}

  // nullptr before the first publish.
  [[nodiscard]] std::shared_ptr<const T> read() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return value_;
  }

  // The old value is released after the lock: its destructor may be long.
  void publish(std::shared_ptr<const T> value) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    value_.swap(value);
  }

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const T> value_ GUARDED_BY(mutex_);
};

}  // namespace keelwatch
