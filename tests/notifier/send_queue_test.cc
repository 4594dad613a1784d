#include "notifier/send_queue.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/notifier/notices.h"

using namespace std::chrono_literals;

namespace keelwatch::notifier {
namespace {

constexpr SteadyTime kStart{1h};

std::string names(const std::vector<SendQueue::Item>& batch) {
  std::string text;
  for (const SendQueue::Item& item : batch) {
    text += (text.empty() ? "" : " ") + std::string(item.alert->labels.get("alertname"));
    if (!item.alert->firing()) text += "-";
  }
  return text;
}

void fill(SendQueue& queue, std::initializer_list<const char*> alerts) {
  for (const char* name : alerts) CHECK(queue.put(outgoing(notice(name))) == 0);
}

}  // namespace

TEST_CASE("alerts go out in the order in which they came, in batches", "[notifier]") {
  SendQueue queue(10);
  CHECK(queue.due() == std::nullopt);
  fill(queue, {"A", "B", "C"});
  auto batch = queue.take(kStart, 2);
  CHECK(names(batch) == "A B");
  queue.accepted(batch, kStart);
  batch = queue.take(kStart, 2);
  CHECK(names(batch) == "C");
  queue.accepted(batch, kStart);
  CHECK(queue.size() == 0);
  CHECK(queue.due() == std::nullopt);
}

TEST_CASE("a newer state takes the place of the older one", "[notifier]") {
  SendQueue queue(10);
  fill(queue, {"A", "B"});
  CHECK(queue.put(outgoing(resolved(notice("A"), kNow))) == 0);
  CHECK(queue.size() == 2);
  CHECK(names(queue.take(kStart, 10)) == "A- B");
}

TEST_CASE("a state that changes while it is under way is sent again", "[notifier]") {
  SendQueue queue(10);
  fill(queue, {"A"});
  const auto batch = queue.take(kStart, 10);
  CHECK(queue.put(outgoing(resolved(notice("A"), kNow))) == 0);
  queue.accepted(batch, kStart);
  CHECK(names(queue.take(kStart, 10)) == "A-");
}

TEST_CASE("what is not taken waits for a pause that doubles, and nothing is lost", "[notifier]") {
  SendQueue queue(10);
  fill(queue, {"A"});
  SteadyTime now = kStart;
  Duration expected = 250ms;
  for (int i = 0; i < 8; ++i) {
    const auto batch = queue.take(now, 10);
    REQUIRE(names(batch) == "A");
    queue.failed(batch, now);
    CHECK(queue.take(now + expected - 1ms, 10).empty());
    CHECK(queue.due() == now + expected);
    now += expected;
    expected = std::min<Duration>(2 * expected, 10s);
  }
  queue.accepted(queue.take(now, 10), now);
  fill(queue, {"B"});
  CHECK(names(queue.take(now, 10)) == "B");  // no pause is left of before
}

TEST_CASE("causes go ahead, and the others wait until they can be inhibited", "[notifier]") {
  SendQueue queue(10);
  fill(queue, {"Symptom"});
  CHECK(queue.put(cause("Cause")) == 0);
  const auto first = queue.take(kStart, 10);
  CHECK(names(first) == "Cause");
  // The lead counts from the acknowledgement.
  queue.accepted(first, kStart + 50ms);
  CHECK(queue.take(kStart + 149ms, 10).empty());
  CHECK(queue.due() == kStart + 50ms + SendQueue::kCauseLead);
  CHECK(SendQueue::kCauseLead >= 100ms);
  CHECK(names(queue.take(kStart + 50ms + SendQueue::kCauseLead, 10)) == "Symptom");
}

TEST_CASE("a cause that nobody takes does not hold up the others for ever", "[notifier]") {
  SendQueue queue(10);
  CHECK(queue.put(cause("Cause")) == 0);
  fill(queue, {"Symptom"});
  SteadyTime now = kStart;
  while (now < kStart + SendQueue::kPatience) {
    const auto batch = queue.take(now, 10);
    REQUIRE(names(batch) == "Cause");
    queue.failed(batch, now);
    now = *queue.due();
  }
  std::string turns;
  for (int i = 0; i < 4; ++i) {
    const auto batch = queue.take(now, 10);
    turns += names(batch) + " ";
    queue.failed(batch, now);
    now = *queue.due();
  }
  CHECK(turns == "Symptom Cause Symptom Cause ");
}

TEST_CASE("beyond its capacity the oldest alert that is no cause leaves", "[notifier]") {
  SendQueue queue(3);
  CHECK(queue.put(cause("Cause")) == 0);
  fill(queue, {"A", "B"});
  CHECK(queue.put(outgoing(notice("C"))) == 1);
  CHECK(queue.size() == 3);
  CHECK_FALSE(queue.has(outgoing(notice("A"))->labels));
  CHECK(queue.has(cause("Cause")->labels));
}

TEST_CASE("an alert that is refused for good leaves the others alone", "[notifier]") {
  SendQueue queue(10);
  fill(queue, {"Bad", "Good"});
  const auto batch = queue.take(kStart, 10);
  queue.refused(batch[0]);
  CHECK(names(queue.take(kStart, 10)) == "Good");
}

TEST_CASE("an alert may become a cause while it waits", "[notifier]") {
  SendQueue queue(10);
  fill(queue, {"A", "B"});
  CHECK(queue.put(cause("B")) == 0);
  CHECK(queue.size() == 2);
  CHECK(names(queue.take(kStart, 10)) == "B");
}

}  // namespace keelwatch::notifier
