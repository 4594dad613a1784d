// One thread's reactor: descriptors, timers and coroutines over poll(2). Every source thread owns
// one; HttpClient, Resolver and PgConnection register with it, so a closed connection, a watch
// event and an expired deadline all wake the same poll and nothing in the thread ever blocks.
//
// Threads: everything belongs to the loop's thread except post(), which any thread may call.
// Ownership: FdWatch, Timer and awaiters deregister in their destructors, so objects may die in any
// order, also from within a callback.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/task.h"

namespace keelwatch {

enum class Interest : std::uint8_t { kNone = 0, kRead = 1, kWrite = 2, kReadWrite = 3 };

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Steady time now: deadlines are built from it.
  [[nodiscard]] SteadyTime now() const { return std::chrono::steady_clock::now(); }
  [[nodiscard]] SteadyTime after(Duration d) const { return now() + d; }

  // Runs callbacks and coroutines until stop is requested. Requesting stop wakes the loop.
  void run(std::stop_token stop);

  // Runs the loop until the task has finished and returns its result: for one-shot commands and
  // tests. An exception of the task is rethrown.
  template <typename T>
  T block_on(Task<T> task);

  // Any thread: runs `f` on the loop's thread soon, in the order of the posts.
  void post(std::function<void()> f) EXCLUDES(posted_mutex_);

  // A timer that calls back once per arm(). Re-arming moves it.
  class Timer {
   public:
    Timer(EventLoop& loop, std::function<void()> callback)
        : loop_(loop), callback_(std::move(callback)) {}
    ~Timer() { cancel(); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    void arm(SteadyTime at);
    void cancel();
    [[nodiscard]] bool armed() const { return at_.has_value(); }

   private:
    friend class EventLoop;
    EventLoop& loop_;
    std::function<void()> callback_;
    std::optional<SteadyTime> at_;
  };

  // Watches a descriptor that somebody else owns (libcurl, c-ares, libpq) for as long as it lives;
  // calls back with what is ready: kRead and/or kWrite, errors and hang-ups as both that were
  // asked.
  class FdWatch {
   public:
    FdWatch(EventLoop& loop, int fd, Interest interest, std::function<void(Interest)> callback);
    ~FdWatch();
    FdWatch(const FdWatch&) = delete;
    FdWatch& operator=(const FdWatch&) = delete;
    void set_interest(Interest interest) { interest_ = interest; }
    [[nodiscard]] int fd() const { return fd_; }

   private:
    friend class EventLoop;
    EventLoop& loop_;
    std::uint64_t id_;
    int fd_;
    Interest interest_;
    std::function<void(Interest)> callback_;
  };

  // A suspended coroutine that resume_soon() puts on the loop's ready queue; never resumed in
  // place, so no library's callback has a coroutine above it on the stack.
  class Waiter {
   public:
    explicit Waiter(EventLoop& loop) : loop_(loop) {}
    ~Waiter();
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    void suspend(std::coroutine_handle<> handle) { handle_ = handle; }
    void resume_soon();

   private:
    friend class EventLoop;
    EventLoop& loop_;
    std::coroutine_handle<> handle_;
    bool queued_ = false;
  };

  // co_await loop.sleep_until(t): resumes at t, or in the next turn if t has passed.
  class Sleep {
   public:
    Sleep(EventLoop& loop, SteadyTime at)
        : at_(at), waiter_(loop), timer_(loop, [this] { waiter_.resume_soon(); }) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) {
      waiter_.suspend(h);
      timer_.arm(at_);
    }
    void await_resume() const noexcept {}

   private:
    SteadyTime at_;
    Waiter waiter_;
    Timer timer_;
  };
  [[nodiscard]] Sleep sleep_until(SteadyTime at) { return Sleep(*this, at); }
  [[nodiscard]] Sleep sleep_for(Duration d) { return Sleep(*this, after(d)); }

  // co_await loop.wait_fd(fd, interest, deadline): what is ready, or kNone when the deadline
  // passed.
  class FdWait {
   public:
    FdWait(EventLoop& loop, int fd, Interest interest, SteadyTime deadline)
        : deadline_(deadline),
          waiter_(loop),
          timer_(loop, [this] { waiter_.resume_soon(); }),
          watch_(loop, fd, interest, [this](Interest ready) {
            ready_ = ready;
            watch_.set_interest(Interest::kNone);
            waiter_.resume_soon();
          }) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) {
      waiter_.suspend(h);
      timer_.arm(deadline_);
    }
    Interest await_resume() const noexcept { return ready_; }

   private:
    SteadyTime deadline_;
    Interest ready_ = Interest::kNone;
    Waiter waiter_;
    Timer timer_;
    FdWatch watch_;
  };
  [[nodiscard]] FdWait wait_fd(int fd, Interest interest, SteadyTime deadline) {
    return FdWait(*this, fd, interest, deadline);
  }

 private:
  void turn();
  void poll_descriptors();
  void run_timers();
  void run_posted() EXCLUDES(posted_mutex_);
  void run_ready();
  [[nodiscard]] int poll_timeout_ms() const;

  int wake_fd_;
  std::uint64_t next_watch_id_ = 1;
  std::map<std::uint64_t, FdWatch*> watches_;
  std::set<std::pair<SteadyTime, Timer*>> timers_;
  std::deque<Waiter*> ready_;
  Mutex posted_mutex_;
  std::vector<std::function<void()>> posted_ GUARDED_BY(posted_mutex_);
};

// A condition between coroutines of one loop: wait_until() suspends until the next notify_all().
class Signal {
 public:
  explicit Signal(EventLoop& loop) : loop_(loop) {}
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  void notify_all();

  class Wait {
   public:
    Wait(Signal& signal, SteadyTime deadline)
        : signal_(&signal),
          deadline_(deadline),
          waiter_(signal.loop_),
          timer_(signal.loop_, [this] { waiter_.resume_soon(); }) {
      signal_->waits_.insert(this);
    }
    ~Wait() {
      if (signal_) signal_->waits_.erase(this);
    }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    bool await_ready() const noexcept { return notified_; }
    void await_suspend(std::coroutine_handle<> h) {
      waiter_.suspend(h);
      timer_.arm(deadline_);
    }
    // True if notified, false if the deadline passed first.
    bool await_resume() const noexcept { return notified_; }

   private:
    friend class Signal;
    Signal* signal_;
    SteadyTime deadline_;
    bool notified_ = false;
    EventLoop::Waiter waiter_;
    EventLoop::Timer timer_;
  };
  [[nodiscard]] Wait wait_until(SteadyTime deadline) { return Wait(*this, deadline); }

 private:
  EventLoop& loop_;
  std::set<Wait*> waits_;
};

namespace internal {
template <typename T>
Task<void> store_result(Task<T> task, std::optional<T>& out, std::stop_source& done) {
  try {
    out.emplace(co_await std::move(task));
  } catch (...) {
    done.request_stop();
    throw;
  }
  done.request_stop();
}
inline Task<void> store_done(Task<void> task, std::stop_source& done) {
  try {
    co_await std::move(task);
  } catch (...) {
    done.request_stop();
    throw;
  }
  done.request_stop();
}
}  // namespace internal

template <typename T>
T EventLoop::block_on(Task<T> task) {
  std::stop_source done;
  TaskScope scope;
  if constexpr (std::is_void_v<T>) {
    scope.spawn(internal::store_done(std::move(task), done));
    run(done.get_token());
    scope.rethrow_failure();
  } else {
    std::optional<T> result;
    scope.spawn(internal::store_result(std::move(task), result, done));
    run(done.get_token());
    scope.rethrow_failure();
    return std::move(*result);
  }
}

}  // namespace keelwatch
