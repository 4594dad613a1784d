#include "http/query_workers.h"

#include <utility>

namespace keelwatch::http {

QueryWorkers::QueryWorkers(std::size_t threads, std::size_t max_queued) : max_queued_(max_queued) {
  {
    MutexLock lock(mutex_);
    running_.resize(threads, std::stop_source(std::nostopstate));
  }
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this, i] { run(i); });
}

QueryWorkers::~QueryWorkers() {
  std::deque<Entry> dropped;
  std::vector<std::stop_source> running;
  {
    MutexLock lock(mutex_);
    ending_ = true;
    dropped.swap(queue_);
    running = running_;
  }
  for (Entry& entry : dropped) entry.stop.request_stop();
  for (std::stop_source& stop : running) stop.request_stop();
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool QueryWorkers::submit(std::stop_source stop, Job job) {
  {
    MutexLock lock(mutex_);
    if (ending_ || queue_.size() >= max_queued_) return false;
    queue_.push_back({std::move(stop), std::move(job)});
  }
  wake_.notify_one();
  return true;
}

void QueryWorkers::run(std::size_t index) {
  for (;;) {
    Entry entry{std::stop_source(std::nostopstate), nullptr};
    {
      MutexLock lock(mutex_);
      running_[index] = std::stop_source(std::nostopstate);
      while (!ending_ && queue_.empty()) wake_.wait(mutex_);
      if (ending_) return;
      entry = std::move(queue_.front());
      queue_.pop_front();
      running_[index] = entry.stop;
    }
    entry.job(entry.stop.get_token());
  }
}

}  // namespace keelwatch::http
