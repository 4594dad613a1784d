// When the statements of the slow pace are due, one after the other, and what is wrong with those
// that were refused. A new connection asks all of them anew, but not of a server that keeps ending
// its sessions: a pass begins at most every 10 s. Time comes from outside.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "sources/postgres/questions.h"

namespace keelwatch::sources {

class SlowPace {
 public:
  explicit SlowPace(Duration interval) : interval_(interval) {}

  void connected(SteadyTime now);
  [[nodiscard]] SteadyTime due() const { return due_; }  // of the next statement
  // The statement to send now; answered() tells how it went and moves on.
  [[nodiscard]] const Question& ask(SteadyTime now);
  void answered(const std::optional<Error>& error);
  // What the last refusal said, of any statement that has not been answered since; nullptr: none.
  [[nodiscard]] const std::string* problem() const;
  void forget() { *this = SlowPace(interval_); }  // another server, or another account

 private:
  Duration interval_;
  std::size_t next_ = 0;  // of slow_questions()
  SteadyTime due_{};
  std::optional<SteadyTime> pass_began_;
  std::map<std::string_view, std::string> problems_;  // by subject
};

}  // namespace keelwatch::sources
