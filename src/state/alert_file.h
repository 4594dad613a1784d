// The SQLite file in which alerts outlive the process, and the history of their changes. Blocking:
// only AlertState's thread calls it; read_history() has a connection of its own and may be called
// from any thread that may wait.
//
// Times are stored as readings of both clocks of the writing process; the newest reading is stored
// with every write. A length is their difference, so that the time between the last write and the
// next start does not count towards it, and a row that does not change is not written again.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "rules/alert.h"
#include "state/sqlite.h"

namespace keelwatch::state {

struct KeptAlerts {
  std::vector<rules::SavedRule> rules;  // sorted by key
  // When they were written last; absent: the file is new, and nothing is known.
  std::optional<WallTime> written_at;
};

struct HistoryQuery {
  std::string alertname = {};  // empty: all
  std::optional<WallTime> from = {};
  std::optional<WallTime> to = {};
  std::size_t limit = 1000;  // the newest
};

class AlertFile {
 public:
  static constexpr int kVersion = 1;

  // Opens or creates it, and its folder. A file that is no database, a damaged one, and one that a
  // later keelwatch has written is moved aside (PATH.damaged-TIME, PATH.version-N-TIME), with a
  // line in the log. Errors: kUnavailable; kInvalid if another process has it open.
  [[nodiscard]] static Result<std::unique_ptr<AlertFile>> open(const std::string& path,
                                                               WallTime now, Logger& log);
  ~AlertFile();
  AlertFile(const AlertFile&) = delete;
  AlertFile& operator=(const AlertFile&) = delete;

  // All that is kept; rows that make no sense are left out, with a line in the log.
  [[nodiscard]] Result<KeptAlerts> load();

  // In one transaction: exactly these alerts as of `now` (without: those of before, which have aged
  // until now), and these transitions more. On failure nothing is changed. Errors: kMalformed
  // (damaged), kUnavailable.
  [[nodiscard]] Result<void> write(rules::Instant now, const std::vector<rules::SavedRule>* alerts,
                                   const std::vector<rules::Transition>& transitions);

 private:
  using Key = std::pair<std::string, std::string>;  // rule, labels

  AlertFile(SqliteDatabase database, int lock, Logger& log)
      : database_(std::move(database)), lock_(lock), log_(log) {}
  [[nodiscard]] Result<void> prepare_schema();
  [[nodiscard]] Result<void> write_alerts(rules::Instant now,
                                          const std::vector<rules::SavedRule>& alerts,
                                          std::map<Key, std::string>& rows);
  [[nodiscard]] Result<void> write_transitions(const std::vector<rules::Transition>& transitions);
  [[nodiscard]] Result<void> write_all(rules::Instant now,
                                       const std::vector<rules::SavedRule>* alerts,
                                       const std::vector<rules::Transition>& transitions,
                                       std::map<Key, std::string>& rows);

  SqliteDatabase database_;
  int lock_;  // a descriptor
  Logger& log_;
  std::map<Key, std::string> rows_;  // as they are in the file
  // Rows and clock are this process': before, its clock says nothing of the age of the rows.
  bool ours_ = false;
};

// The newest transitions first. Errors: kUnavailable, kMalformed, kNotFound (no such file).
[[nodiscard]] Result<std::vector<rules::Transition>> read_history(const std::string& path,
                                                                  const HistoryQuery& query);

}  // namespace keelwatch::state
