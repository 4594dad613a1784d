#include "base/task.h"

namespace keelwatch {

// The frame of a spawned task. It unlinks itself when it dies, whether it ran to its end (final
// suspension never suspends, so the frame destroys itself) or was cancelled.
struct TaskScope::Root {
  struct promise_type : TaskScope::Link {
    TaskScope* scope;
    promise_type(Task<void>&, TaskScope* owner) : scope(owner) {
      frame = std::coroutine_handle<promise_type>::from_promise(*this);
      next = &scope->head_;
      prev = scope->head_.prev;
      prev->next = this;
      next->prev = this;
      ++scope->running_;
    }
    ~promise_type() {
      prev->next = next;
      next->prev = prev;
      --scope->running_;
    }
    promise_type(const promise_type&) = delete;
    promise_type& operator=(const promise_type&) = delete;

    Root get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept {
      if (!scope->failure_) scope->failure_ = std::current_exception();
    }
  };
};

TaskScope::Root TaskScope::run(Task<void> task, TaskScope*) { co_await std::move(task); }

void TaskScope::spawn(Task<void> task) { run(std::move(task), this); }

void TaskScope::cancel() {
  while (head_.next != &head_) head_.next->frame.destroy();
}

void TaskScope::rethrow_failure() {
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace keelwatch
