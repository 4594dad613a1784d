// A few threads that run what must not run on the I/O thread: queries and bcrypt. The queue is
// bounded; a full one is said at once instead of letting everybody wait.
//
// submit() may be called from any thread. The destructor stops every job's token, drops what has
// not begun and joins: it waits for running jobs to notice.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace keelwatch::http {

class QueryWorkers {
 public:
  // Must not throw. Also run if its token was stopped before a worker was free.
  using Job = std::function<void(const std::stop_token&)>;

  QueryWorkers(std::size_t threads, std::size_t max_queued);
  ~QueryWorkers();
  QueryWorkers(const QueryWorkers&) = delete;
  QueryWorkers& operator=(const QueryWorkers&) = delete;

  // False: the queue is full, or the workers are ending.
  [[nodiscard]] bool submit(std::stop_source stop, Job job) EXCLUDES(mutex_);

 private:
  struct Entry {
    std::stop_source stop;
    Job job;
  };

  void run(std::size_t index) EXCLUDES(mutex_);

  const std::size_t max_queued_;
  Mutex mutex_;
  ConditionVariable wake_;
  std::deque<Entry> queue_ GUARDED_BY(mutex_);
  std::vector<std::stop_source> running_ GUARDED_BY(mutex_);  // by thread
  bool ending_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace keelwatch::http
