// The samples of each step into the store that rules are evaluated on: those of the Moment, the
// scraped pages, `up` of every target, and what this program counts about itself. At a slot all of
// them, between slots those that have changed.
// Threads: the store's appender thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "app/silence.h"
#include "app/step.h"
#include "base/labels.h"
#include "base/log.h"
#include "store/appender.h"
#include "store/store.h"

namespace keelwatch::app {

class SampleFeed {
 public:
  SampleFeed(store::Store& store, Logger& log)
      : store_(store), log_(log), samples_(store), others_(store) {}

  // `at_ms` grows from step to step, or the clock has stepped back. `own` is a page of our own
  // metrics, in the text format; it counts at slots only. The labels of what has changed, markers
  // included, are appended to `changed`; they stay valid until the next call.
  void take(const Moment& moment, const Silence& silence, std::string_view own, std::int64_t at_ms,
            bool slot, std::vector<const Labels*>& changed);

 private:
  struct Known {
    store::SeriesId id = 0;
    std::uint64_t bits = 0;                         // of the newest value
    std::uint64_t step = 0;                         // that wrote it
    std::shared_ptr<const metrics::Series> series;  // keeps the key alive
  };

  void take_samples(const Moment& moment, bool slot);
  void take_others(const Moment& moment, std::string_view own);
  void append(store::Appender& to, const Labels& labels, double value);
  void refused(const Error& error);

  store::Store& store_;
  Logger& log_;
  store::Appender samples_;  // of the Moment
  store::Appender others_;
  std::unordered_map<const metrics::Series*, Known> known_;
  std::uint64_t step_ = 0;
  std::unordered_set<store::SeriesId> missing_;  // in the newest step
  bool full_ = false;                            // the store has no room: said once
  std::vector<store::SeriesId> moved_;           // whose value has changed
  std::vector<store::SeriesRef> shown_;          // keeps `changed` of the newest call alive
};

}  // namespace keelwatch::app
