#include "analysis/failover.h"

#include <catch2/catch.hpp>

#include "analysis/assessment.h"
#include "tests/support/world_builder.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::analysis {
namespace {

using model::Instance;
using model::Reachability;

// What an observer sees of pg-1 (timeline 1) and pg-2 (a standby that becomes primary of timeline
// 2), each as the test has it, step by step.
class Film {
 public:
  Film() {
    object_ = std::make_shared<model::Cluster>(*cluster_object(2));
    object_->target_primary = "pg-1";
  }

  // The operator says so from now on.
  void phase(std::string phase, std::string target) {
    object_ = std::make_shared<model::Cluster>(*object_);
    object_->phase = std::move(phase);
    object_->target_primary = std::move(target);
    if (object_->phase == "Cluster in healthy state") {
      object_->current_primary = object_->target_primary;
    }
  }

  Failovers at(Duration t, std::vector<Instance> instances) {
    const WallTime now = kNow + t;
    auto all = slices(std::move(instances), kubernetes_slice({object_}, now));
    return assess(model::assemble(all, {}, now), {}, memory_).failovers.at(0);
  }

  static Instance writable(const char* pod, std::int64_t timeline, Duration seen) {
    model::ServerFacts facts = primary_facts(1000);
    facts.timeline = timeline;
    return answering_at(pod, facts, seen);
  }
  static Instance standby(const char* pod, Duration seen) {
    return answering_at(pod, standby_facts(1000), seen);
  }

 private:
  static Instance answering_at(const char* pod, model::ServerFacts facts, Duration seen) {
    Instance instance = answering(pod, facts);
    instance.server = Observed<model::ServerFacts>::known(std::move(facts), kNow + seen);
    return instance;
  }

  std::shared_ptr<model::Cluster> object_;
  Memory memory_;
};

const Changes& of(const Failovers& failovers, ChangeKind kind) {
  return failovers.changes[static_cast<std::size_t>(kind)];
}

}  // namespace

TEST_CASE("a failover lasts from the old primary's lost connection to the new one's first writes",
          "[analysis]") {
  Film film;
  film.at(0s, {Film::writable("pg-1", 1, 0s), Film::standby("pg-2", 0s)});
  // It dies at 1.2 s: its connection says so at once.
  film.at(1300ms, {silent("pg-1", Reachability::kRefused), Film::standby("pg-2", 0s)});
  film.phase("Failing over", "pending");
  film.at(6s, {silent("pg-1", Reachability::kRefused), Film::standby("pg-2", 6s)});
  // Promoted at some time between the answers at 6 s and 8 s.
  const Failovers after =
      film.at(8s, {silent("pg-1", Reachability::kRefused), Film::writable("pg-2", 2, 8s)});
  const Changes& failover = of(after, ChangeKind::kFailover);
  CHECK(failover.count == 1);
  REQUIRE(failover.last_duration);
  CHECK(*failover.last_duration == 5700ms);
  CHECK(failover.last == kNow + 7s);
  CHECK(of(after, ChangeKind::kSwitchover).count == 0);
  CHECK(after.last_primary == "pg-2");
}

TEST_CASE("a frozen primary ceased to be writable between two questions", "[analysis]") {
  Film film;
  film.at(0s, {Film::writable("pg-1", 1, 0s), Film::standby("pg-2", 0s)});
  film.at(4s, {silent("pg-1", Reachability::kSilent), Film::standby("pg-2", 4s)});
  const Failovers after =
      film.at(6s, {silent("pg-1", Reachability::kSilent), Film::writable("pg-2", 2, 6s)});
  REQUIRE(of(after, ChangeKind::kFailover).last_duration);
  CHECK(*of(after, ChangeKind::kFailover).last_duration == 4s);  // 1 s to 5 s
}

TEST_CASE("a change that was asked for while the old primary lived is a switchover", "[analysis]") {
  Film film;
  film.at(0s, {Film::writable("pg-1", 1, 0s), Film::standby("pg-2", 0s)});
  film.phase("Switchover in progress", "pg-2");
  film.at(2s, {Film::writable("pg-1", 1, 2s), Film::standby("pg-2", 2s)});
  film.at(3s, {silent("pg-1", Reachability::kShuttingDown), Film::standby("pg-2", 2s)});
  const Failovers after =
      film.at(4s, {silent("pg-1", Reachability::kShuttingDown), Film::writable("pg-2", 2, 4s)});
  CHECK(of(after, ChangeKind::kSwitchover).count == 1);
  CHECK(of(after, ChangeKind::kFailover).count == 0);
  CHECK(of(after, ChangeKind::kSwitchover).last_duration == 0s);

  // The wish is used up: the next change without one is a failover.
  film.phase("Cluster in healthy state", "pg-2");
  film.at(6s, {Film::standby("pg-1", 6s), Film::writable("pg-2", 2, 6s)});
  film.at(7s, {Film::standby("pg-1", 6s), silent("pg-2", Reachability::kRefused)});
  const Failovers later =
      film.at(8s, {Film::writable("pg-1", 3, 8s), silent("pg-2", Reachability::kRefused)});
  CHECK(of(later, ChangeKind::kFailover).count == 1);
  CHECK(of(later, ChangeKind::kSwitchover).count == 1);
}

TEST_CASE("a change that was not watched is counted and has no duration", "[analysis]") {
  Film film;
  film.at(0s, {Film::writable("pg-1", 1, 0s), silent("pg-2", Reachability::kUnreachable)});
  const Failovers after =
      film.at(60s, {silent("pg-1", Reachability::kRefused), Film::writable("pg-2", 2, 60s)});
  CHECK(of(after, ChangeKind::kFailover).count == 1);
  CHECK_FALSE(of(after, ChangeKind::kFailover).last_duration);
}

TEST_CASE("an old primary that comes back writable is no change of the primary", "[analysis]") {
  Film film;
  film.at(0s, {silent("pg-1", Reachability::kRefused), Film::writable("pg-2", 2, 0s)});
  film.at(2s, {Film::writable("pg-1", 1, 2s), Film::writable("pg-2", 2, 2s)});
  const Failovers after =
      film.at(4s, {Film::writable("pg-1", 1, 4s), silent("pg-2", Reachability::kSilent)});
  CHECK(of(after, ChangeKind::kFailover).count == 0);
  CHECK(after.last_primary == "pg-2");
}

TEST_CASE("a primary that restarts in place is no failover", "[analysis]") {
  Film film;
  film.at(0s, {Film::writable("pg-1", 1, 0s), Film::standby("pg-2", 0s)});
  film.at(1s, {silent("pg-1", Reachability::kStartingUp), Film::standby("pg-2", 0s)});
  const Failovers after = film.at(3s, {Film::writable("pg-1", 1, 3s), Film::standby("pg-2", 2s)});
  CHECK(of(after, ChangeKind::kFailover).count == 0);
  CHECK(after.last_writable == kNow + 3s);
}

}  // namespace keelwatch::analysis
