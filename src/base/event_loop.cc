#include "base/event_loop.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace keelwatch {
namespace {

Interest operator|(Interest a, Interest b) {
  return static_cast<Interest>(static_cast<std::uint8_t>(a) | static_cast<std::uint8_t>(b));
}

bool wants(Interest interest, Interest one) {
  return (static_cast<std::uint8_t>(interest) & static_cast<std::uint8_t>(one)) != 0;
}

short poll_events(Interest interest) {
  short events = 0;
  if (wants(interest, Interest::kRead)) events |= POLLIN;
  if (wants(interest, Interest::kWrite)) events |= POLLOUT;
  return events;
}

Interest ready_of(short revents, Interest asked) {
  if (revents & (POLLERR | POLLHUP | POLLNVAL)) return asked;
  Interest ready = Interest::kNone;
  if (revents & POLLIN) ready = ready | Interest::kRead;
  if (revents & POLLOUT) ready = ready | Interest::kWrite;
  return ready;
}

}  // namespace

EventLoop::EventLoop() : wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (wake_fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

EventLoop::~EventLoop() { close(wake_fd_); }

void EventLoop::run(std::stop_token stop) {
  const std::stop_callback wake_on_stop(stop, [this] { post({}); });
  while (!stop.stop_requested()) turn();
}

void EventLoop::post(std::function<void()> f) {
  {
    MutexLock lock(posted_mutex_);
    posted_.push_back(std::move(f));
  }
  const std::uint64_t one = 1;
  // The counter can only be full if a wake-up is pending already.
  [[maybe_unused]] const auto written = write(wake_fd_, &one, sizeof one);
}

void EventLoop::turn() {
  poll_descriptors();
  run_posted();
  run_timers();
  run_ready();
}

int EventLoop::poll_timeout_ms() const {
  if (!ready_.empty()) return 0;
  if (timers_.empty()) return -1;
  const Duration left = timers_.begin()->first - now();
  if (left <= Duration::zero()) return 0;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::min<std::int64_t>(ms, 3'600'000));
}

void EventLoop::poll_descriptors() {
  std::vector<pollfd> fds;
  std::vector<std::uint64_t> ids;
  fds.reserve(watches_.size() + 1);
  ids.reserve(watches_.size());
  fds.push_back({wake_fd_, POLLIN, 0});
  for (const auto& [id, watch] : watches_) {
    if (watch->interest_ == Interest::kNone) continue;
    fds.push_back({watch->fd_, poll_events(watch->interest_), 0});
    ids.push_back(id);
  }
  if (poll(fds.data(), fds.size(), poll_timeout_ms()) <= 0) return;
  if (fds[0].revents) {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto taken = read(wake_fd_, &count, sizeof count);
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!fds[i + 1].revents) continue;
    const auto found = watches_.find(ids[i]);  // an earlier callback may have ended this watch
    if (found == watches_.end()) continue;
    // The callback may destroy the watch and so itself: call a copy.
    const auto callback = found->second->callback_;
    callback(ready_of(fds[i + 1].revents, found->second->interest_));
  }
}

void EventLoop::run_posted() {
  std::vector<std::function<void()>> posted;
  {
    MutexLock lock(posted_mutex_);
    posted.swap(posted_);
  }
  for (const auto& f : posted) {
    if (f) f();
  }
}

void EventLoop::run_timers() {
  const SteadyTime time = now();
  while (!timers_.empty() && timers_.begin()->first <= time) {
    Timer* timer = timers_.begin()->second;
    timers_.erase(timers_.begin());
    timer->at_.reset();
    const auto callback = timer->callback_;  // may destroy the timer
    callback();
  }
}

void EventLoop::run_ready() {
  // Only those queued now: a coroutine that always has more to do must not starve the descriptors.
  for (std::size_t n = ready_.size(); n > 0 && !ready_.empty(); --n) {
    Waiter* waiter = ready_.front();
    ready_.pop_front();
    waiter->queued_ = false;
    waiter->handle_.resume();
  }
}

void EventLoop::Timer::arm(SteadyTime at) {
  cancel();
  at_ = at;
  loop_.timers_.emplace(at, this);
}

void EventLoop::Timer::cancel() {
  if (!at_) return;
  loop_.timers_.erase({*at_, this});
  at_.reset();
}

EventLoop::FdWatch::FdWatch(EventLoop& loop, int fd, Interest interest,
                            std::function<void(Interest)> callback)
    : loop_(loop),
      id_(loop.next_watch_id_++),
      fd_(fd),
      interest_(interest),
      callback_(std::move(callback)) {
  loop_.watches_.emplace(id_, this);
}

EventLoop::FdWatch::~FdWatch() { loop_.watches_.erase(id_); }

EventLoop::Waiter::~Waiter() {
  if (queued_) std::erase(loop_.ready_, this);
}

void EventLoop::Waiter::resume_soon() {
  if (queued_ || !handle_) return;
  queued_ = true;
  loop_.ready_.push_back(this);
}

Signal::~Signal() {
  for (Wait* wait : waits_) wait->signal_ = nullptr;
}

void Signal::notify_all() {
  for (Wait* wait : waits_) {
    wait->notified_ = true;
    wait->timer_.cancel();
    wait->waiter_.resume_soon();
  }
  // A wait is notified once; those made from here on wait for the next call.
  for (Wait* wait : waits_) wait->signal_ = nullptr;
  waits_.clear();
}

}  // namespace keelwatch
