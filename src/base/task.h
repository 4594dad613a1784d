// Coroutines for the source threads. Task<T> is lazy: nothing runs until it is awaited, and its
// frame dies with the Task, so that destroying the outermost task cancels everything below it —
// every awaiter of EventLoop, HttpClient, Resolver and PgConnection deregisters in its destructor.
//
// Rules for coroutine functions: parameters by value, or references to objects that outlive the
// task; no capturing lambdas as coroutines (the captures die with the lambda).
//
// One thread: a task is created, awaited and destroyed on the thread of its EventLoop.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

namespace keelwatch {

template <typename T = void>
class Task;

namespace internal {

struct TaskPromiseBase {
  std::coroutine_handle<> continuation = std::noop_coroutine();
  std::exception_ptr exception;

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) noexcept {
      return done.promise().continuation;
    }
    void await_resume() noexcept {}
  };

  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { exception = std::current_exception(); }
};

template <typename T>
struct TaskPromise : TaskPromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <typename U>
  void return_value(U&& v) {
    value.emplace(std::forward<U>(v));
  }
  T take() {
    if (exception) std::rethrow_exception(exception);
    return std::move(*value);
  }
};

template <>
struct TaskPromise<void> : TaskPromiseBase {
  Task<void> get_return_object();
  void return_void() noexcept {}
  void take() {
    if (exception) std::rethrow_exception(exception);
  }
};

}  // namespace internal

template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  struct Awaiter {
    Handle handle;
    bool await_ready() noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) noexcept {
      handle.promise().continuation = waiting;
      return handle;
    }
    T await_resume() { return handle.promise().take(); }
  };
  Awaiter operator co_await() && noexcept { return Awaiter{handle_}; }

 private:
  Handle handle_;
};

template <typename T>
Task<T> internal::TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise<T>>::from_promise(*this));
}
inline Task<void> internal::TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise<void>>::from_promise(*this));
}

// Owns tasks that run side by side on one thread; destroying the scope cancels those still running.
// An exception that leaves a spawned task is kept and rethrown by rethrow_failure(), which
// EventLoop::run's callers use as the thread's last catch.
class TaskScope {
 public:
  TaskScope() = default;
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  ~TaskScope() { cancel(); }

  // Runs the task up to its first suspension now, the rest from the event loop.
  void spawn(Task<void> task);
  // Destroys all tasks that have not finished. Not from inside one of them.
  void cancel();
  [[nodiscard]] std::size_t running() const { return running_; }
  void rethrow_failure();

 private:
  struct Root;
  friend struct Root;

  // Intrusive list of the live root frames.
  struct Link {
    Link* prev = nullptr;
    Link* next = nullptr;
    std::coroutine_handle<> frame;
  };
  static Root run(Task<void> task, TaskScope* scope);

  Link head_{&head_, &head_, nullptr};
  std::size_t running_ = 0;
  std::exception_ptr failure_;
};

}  // namespace keelwatch
