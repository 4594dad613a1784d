#include "sources/postgres/slow_pace.h"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace keelwatch::sources {
namespace {

const SteadyTime kStart{std::chrono::hours(1)};

void answer_all(SlowPace& pace, SteadyTime now) {
  for (std::size_t i = 0; i < slow_questions().size(); ++i) {
    (void)pace.ask(now);
    pace.answered(std::nullopt);
  }
}

}  // namespace

TEST_CASE("slow statements go one by one and then rest for their interval", "[sources]") {
  SlowPace pace(60s);
  pace.connected(kStart);
  for (const Question& question : slow_questions()) {
    CHECK(pace.due() <= kStart + 5s);
    CHECK(pace.ask(kStart + 5s).subject == question.subject);
    pace.answered(std::nullopt);
  }
  CHECK(pace.due() == kStart + 65s);
}

TEST_CASE("a new connection asks anew, but not more often than every 10 s", "[sources]") {
  SlowPace pace(60s);
  pace.connected(kStart);
  answer_all(pace, kStart);
  pace.connected(kStart + 30s);
  CHECK(pace.due() == kStart + 30s);
  answer_all(pace, kStart + 30s);
  pace.connected(kStart + 31s);
  CHECK(pace.due() == kStart + 40s);
  // A pass that was cut short counts, and begins again with the first statement.
  (void)pace.ask(kStart + 40s);
  pace.connected(kStart + 41s);
  CHECK(pace.due() == kStart + 50s);
  CHECK(pace.ask(kStart + 50s).subject == slow_questions().front().subject);
  pace.forget();
  pace.connected(kStart + 51s);
  CHECK(pace.due() == kStart + 51s);
}

TEST_CASE("a refused slow statement stays a problem until it is answered", "[sources]") {
  SlowPace pace(60s);
  pace.connected(kStart);
  CHECK(pace.problem() == nullptr);
  (void)pace.ask(kStart);
  pace.answered(Error(ErrorCode::kForbidden, "no"));
  REQUIRE(pace.problem());
  for (std::size_t i = 1; i < slow_questions().size(); ++i) {
    (void)pace.ask(kStart);
    pace.answered(std::nullopt);
  }
  REQUIRE(pace.problem());
  CHECK(*pace.problem() == "no");
  (void)pace.ask(kStart + 60s);
  pace.answered(std::nullopt);
  CHECK(pace.problem() == nullptr);
}

}  // namespace keelwatch::sources
