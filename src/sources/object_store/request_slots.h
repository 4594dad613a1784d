// Bounds how many requests of a source are under way at once. Threads: the loop's.
#pragma once

#include <cstddef>
#include <utility>

#include "base/event_loop.h"
#include "base/task.h"

namespace keelwatch::sources {

class RequestSlots {
 public:
  RequestSlots(EventLoop& loop, std::size_t count) : loop_(loop), freed_(loop), free_(count) {}
  RequestSlots(const RequestSlots&) = delete;
  RequestSlots& operator=(const RequestSlots&) = delete;

  // A slot for as long as this lives.
  class Held {
   public:
    explicit Held(RequestSlots& slots) : slots_(&slots) {}
    Held(Held&& other) noexcept : slots_(std::exchange(other.slots_, nullptr)) {}
    Held& operator=(Held&&) = delete;
    ~Held() {
      if (slots_ == nullptr) return;
      ++slots_->free_;
      slots_->freed_.notify_all();
    }

   private:
    RequestSlots* slots_;
  };

  // Every request has a deadline, so a slot comes free in the end.
  [[nodiscard]] Task<Held> take() {
    while (free_ == 0) co_await freed_.wait_until(loop_.after(std::chrono::hours(1)));
    --free_;
    co_return Held(*this);
  }

 private:
  EventLoop& loop_;
  Signal freed_;
  std::size_t free_;
};

}  // namespace keelwatch::sources
