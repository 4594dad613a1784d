// Keeps the alerts over restarts: a thread of its own writes them to an AlertFile, so that nobody
// waits for a disk. What cannot be written waits, the alerts' newest state alone and a bounded
// number of transitions; keelwatch_state_writable tells.
// Threads: any.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "metrics/self.h"
#include "rules/alert.h"
#include "state/alert_file.h"

namespace keelwatch::state {

class AlertState {
 public:
  static constexpr Duration kStalled = std::chrono::seconds(10);    // a write that takes longer
  static constexpr Duration kRetry = std::chrono::seconds(5);       // after one that failed
  static constexpr Duration kClockOnly = std::chrono::seconds(10);  // where nothing else is new
  static constexpr Duration kLastWrite = std::chrono::seconds(3);
  static constexpr Duration kPendingFor = std::chrono::hours(1);  // of downtime

  // Opens the file on its thread. `clock`, `log` and `self` outlive this.
  AlertState(std::string path, const Clock& clock, Logger& log, metrics::SelfMetrics& self);
  // Writes what waits, for kLastWrite at most.
  ~AlertState();
  AlertState(const AlertState&) = delete;
  AlertState& operator=(const AlertState&) = delete;

  // What the file held at the start; blocks until it has been read. After more than kPendingFor of
  // downtime no pending alert is among it. Errors: kTimeout (the disk hangs), and those of
  // AlertFile: the caller then starts without.
  [[nodiscard]] Result<KeptAlerts> load(Duration patience);

  // The state of all alerts as of `now`; nullptr: as it was put last.
  void put(rules::Instant now, std::shared_ptr<const std::vector<rules::SavedRule>> alerts,
           std::vector<rules::Transition> transitions);

  // Whether what is put is being written: not after a failure, nor while a write takes too long.
  [[nodiscard]] bool writable() const;
  // Blocks until all that was put is written; false after `patience`.
  [[nodiscard]] bool flush(Duration patience);

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  struct Shared;
  static void run(const std::shared_ptr<Shared>& shared);

  std::string path_;
  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace keelwatch::state
