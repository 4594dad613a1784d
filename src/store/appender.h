// One producer's samples, step by step: the scraped metrics, or one rule group. It notices which
// of its series were there in the last step and are not in this one, and has the producer say what
// that means: the series ended (staleness marker), or its source fell silent (unknown marker).
//
//   appender.begin_step(slot_ms);
//   for (...) appender.append(ids[i], values[i]);
//   appender.end_step([&](const SeriesRef& gone) { return Missing::kUnknown; });
//   store.end_step(slot_ms);          // once for all producers
//
// Threads: the store's appender thread only. `store` outlives this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "store/store.h"

namespace keelwatch::store {

// What a series that was not appended in this step has come to.
enum class Missing {
  kStale,    // it ended
  kUnknown,  // nothing is known of it now
  kKeep,     // nothing happened: the newest sample stands
};

struct StepResult {
  std::size_t added = 0;
  std::size_t refused = 0;  // out of order or duplicate
  std::size_t stale = 0, unknown = 0;
};

class Appender {
 public:
  explicit Appender(Store& store) : store_(store) {}

  // Every sample of the step has this time, which is to grow from step to step.
  void begin_step(std::int64_t timestamp_ms);
  // kGone: ask the store for the series again. A refused sample counts as present all the same.
  AppendOutcome append(SeriesId id, double value);
  // The series is there, and has nothing new to say.
  void keep(SeriesId id) { present_.push_back(id); }
  // Asks for each missing series, in ascending order of ids, and writes the markers. Asks again in
  // each step until the series is appended again or its staleness marker is in the store: one that
  // is unknown may turn out to have ended, and a marker may be refused as a sample may (the clock
  // stepped back). An unknown series gets one marker, however often the answer is kUnknown.
  StepResult end_step(const std::function<Missing(const SeriesRef&)>& missing);

 private:
  // Missing in the last step, without a staleness marker.
  struct Absent {
    SeriesId id = 0;
    bool unknown = false;  // its unknown marker is in the store
  };
  [[nodiscard]] std::vector<Absent> absent_now();
  // False if the series is done with.
  bool mark(Absent& absent, Missing what);

  Store& store_;
  std::int64_t time_ms_ = 0;
  std::vector<SeriesId> present_;   // in order of appending
  std::vector<SeriesId> previous_;  // those of the last step
  std::vector<Absent> absent_;      // in ascending order of ids
  StepResult result_;
};

}  // namespace keelwatch::store
