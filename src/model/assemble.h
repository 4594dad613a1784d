// Puts the slices of all sources together into one World and applies staleness, here and nowhere
// else: an answer older than its bound, or from the future, becomes unknown with its age as reason,
// and a source that has not succeeded within the bound is down, whatever it said last: its thread
// may hang.
#pragma once

#include <optional>

#include "base/clock.h"
#include "model/world.h"

namespace keelwatch::model {

// How old an answer may be and still count. A watched kind is as old as the last event, bookmark or
// answered check of its API server; a polled answer as old as the poll.
struct Freshness {
  Duration kubernetes = std::chrono::seconds(15);
  Duration kubernetes_polled = std::chrono::minutes(20);  // of a kind that is not watched
  Duration postgres = std::chrono::seconds(6);
  Duration postgres_slow = std::chrono::minutes(3);        // of Pace::kSlow
  Duration postgres_databases = std::chrono::minutes(30);  // of Pace::kDatabases
  Duration pgbouncer = std::chrono::seconds(15);
  Duration filesystems = std::chrono::minutes(3);
  Duration scrapes = std::chrono::seconds(45);
  Duration endpoints = std::chrono::seconds(60);
  Duration archives = std::chrono::minutes(10);        // of a listing
  Duration archive_settings = std::chrono::hours(18);  // and of the last listing of everything
};

// `awaited_since`: since when the sources have been expected to publish; nullopt: they are not (a
// replay, which holds what was recorded).
[[nodiscard]] World assemble(const Slices& slices, const Freshness& freshness, WallTime now,
                             std::optional<WallTime> awaited_since = std::nullopt);

}  // namespace keelwatch::model
