#include "base/event_loop.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <stdexcept>
#include <thread>

#include "base/result.h"

using namespace std::chrono_literals;

namespace keelwatch {
namespace {

Task<int> add_later(EventLoop& loop, int a, int b) {
  co_await loop.sleep_for(1ms);
  co_return a + b;
}

Task<int> sum_of_many(EventLoop& loop, int n) {
  int sum = 0;
  for (int i = 0; i < n; ++i) sum = co_await add_later(loop, sum, 1);
  co_return sum;
}

Task<int> at_once(int value) { co_return value; }

Task<int> many_at_once(int n) {
  int sum = 0;
  for (int i = 0; i < n; ++i) sum += co_await at_once(1);
  co_return sum;
}

Task<> fail() {
  throw std::runtime_error("broken");
  co_return;
}

Task<Interest> read_side(EventLoop& loop, int fd, Duration limit) {
  co_return co_await loop.wait_fd(fd, Interest::kRead, loop.after(limit));
}

Task<bool> wait_for(EventLoop& loop, Signal& signal, Duration limit) {
  co_return co_await signal.wait_until(loop.after(limit));
}

struct Count {
  int& count;
  explicit Count(int& c) : count(c) { ++count; }
  ~Count() { --count; }
};

Task<> hold(EventLoop& loop, int& alive) {
  const Count counted(alive);
  co_await loop.sleep_for(1h);
}

Task<> notify_later(EventLoop& loop, Signal& signal) {
  co_await loop.sleep_for(1ms);
  signal.notify_all();
}

Task<bool> notified_by_another(EventLoop& loop, TaskScope& scope, Signal& signal) {
  scope.spawn(notify_later(loop, signal));
  co_return co_await wait_for(loop, signal, 10s);
}

}  // namespace

TEST_CASE("a task returns its value through several awaits", "[base]") {
  EventLoop loop;
  CHECK(loop.block_on(sum_of_many(loop, 5)) == 5);
}

TEST_CASE("a long run of tasks that never suspend does not grow the stack", "[base]") {
  EventLoop loop;
  CHECK(loop.block_on(many_at_once(1'000'000)) == 1'000'000);
}

TEST_CASE("an exception of a task reaches whoever blocks on it", "[base]") {
  EventLoop loop;
  CHECK_THROWS_WITH(loop.block_on(fail()), "broken");
}

TEST_CASE("waiting for a descriptor ends at its data or at the deadline", "[base]") {
  EventLoop loop;
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  CHECK(loop.block_on(read_side(loop, ends[0], 5ms)) == Interest::kNone);
  REQUIRE(write(ends[1], "x", 1) == 1);
  CHECK(loop.block_on(read_side(loop, ends[0], 10s)) == Interest::kRead);
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("a signal wakes its waiters and otherwise they time out", "[base]") {
  EventLoop loop;
  Signal signal(loop);
  TaskScope scope;
  CHECK_FALSE(loop.block_on(wait_for(loop, signal, 2ms)));
  CHECK(loop.block_on(notified_by_another(loop, scope, signal)));
}

TEST_CASE("cancelling a scope destroys what its tasks hold", "[base]") {
  EventLoop loop;
  int alive = 0;
  {
    TaskScope scope;
    scope.spawn(hold(loop, alive));
    scope.spawn(hold(loop, alive));
    CHECK(alive == 2);
    CHECK(scope.running() == 2);
  }
  CHECK(alive == 0);
}

TEST_CASE("posted functions run on the loop's thread in order", "[base]") {
  EventLoop loop;
  std::stop_source stop;
  std::string order;
  std::jthread other([&] {
    loop.post([&] { order += 'a'; });
    loop.post([&] { order += 'b'; });
    loop.post([&] { stop.request_stop(); });
  });
  loop.run(stop.get_token());
  CHECK(order == "ab");
}

}  // namespace keelwatch
