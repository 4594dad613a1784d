// What the deep passes of all archives share: one stream at a time, and what may be read in a day.
// Threads: the loop's.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/event_loop.h"
#include "sources/object_store/object_reader.h"
#include "sources/object_store/request_slots.h"

namespace keelwatch::sources {

// How many bytes may still be read today. A day begins with the first of them. What an object takes
// beyond the day's share, because objects are read to their end, the days after have less.
class DailyBytes {
 public:
  // `bytes` may be infinity. The clock outlives it.
  DailyBytes(const Clock& clock, double bytes) : clock_(clock), share_(bytes), left_(bytes) {}

  [[nodiscard]] bool any_left();
  void spend(std::size_t bytes);
  // Until there is something left again; none: there never is.
  [[nodiscard]] std::optional<Duration> until_more() const;
  [[nodiscard]] double share() const { return share_; }

 private:
  const Clock& clock_;
  double share_;
  double left_;
  std::optional<SteadyTime> day_;  // its begin
};

class DeepStreams {
 public:
  DeepStreams(EventLoop& loop, const Clock& clock, double daily_bytes)
      : loop_(loop), slot_(loop, 1), today_(clock, daily_bytes) {}

  // Opens objects of `reader` one at a time, and only while today's bytes last. A waiting open()
  // looks again every `look_again`; `waits` is told why it does, and "" when it goes on. The
  // deadline counts from there. All must outlive the reader that is returned, and that its streams.
  [[nodiscard]] std::unique_ptr<ObjectReader> metered(ObjectReader& reader, Duration look_again,
                                                      std::function<void(std::string)> waits);

 private:
  class Reader;
  class Stream;

  EventLoop& loop_;
  RequestSlots slot_;
  DailyBytes today_;
};

}  // namespace keelwatch::sources
