#include "sources/postgres/slow_pace.h"

#include <algorithm>

namespace keelwatch::sources {
namespace {

constexpr Duration kAtMost = std::chrono::seconds(10);

}  // namespace

void SlowPace::connected(SteadyTime now) {
  next_ = 0;
  due_ = pass_began_ ? std::max(now, *pass_began_ + std::min(kAtMost, interval_)) : now;
}

const Question& SlowPace::ask(SteadyTime now) {
  if (next_ == 0) pass_began_ = now;
  return slow_questions()[next_];
}

void SlowPace::answered(const std::optional<Error>& error) {
  const std::string_view subject = slow_questions()[next_].subject;
  problems_.erase(subject);
  if (error) problems_.emplace(subject, error->message());
  next_ = (next_ + 1) % slow_questions().size();
  if (next_ == 0) due_ = *pass_began_ + interval_;
}

const std::string* SlowPace::problem() const {
  return problems_.empty() ? nullptr : &problems_.begin()->second;
}

}  // namespace keelwatch::sources
