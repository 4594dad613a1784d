#include "analysis/sync.h"

#include <catch2/catch.hpp>

#include "analysis/assessment.h"
#include "tests/support/world_builder.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::analysis {
namespace {

using model::Instance;

model::Slot slot(const char* name, bool failover) {
  model::Slot s;
  s.name = name;
  s.type = "logical";
  s.wal_status = "reserved";
  s.failover = failover;
  s.synced = false;
  return s;
}

Observed<std::vector<model::Slot>> slots(std::vector<model::Slot> list) {
  return Observed<std::vector<model::Slot>>::known(std::move(list), kNow);
}

}  // namespace

TEST_CASE("synchronous_standby_names tells how many standbys a commit waits for", "[analysis]") {
  const std::vector<std::pair<const char*, std::optional<std::int64_t>>> cases = {
      {"", 0},
      {"  ", 0},
      {"*", 1},
      {"a, b", 1},
      {"\"pg-2\",\"pg-3\"", 1},
      {"2 (a, b, c)", 2},
      {"2(a,b)", 2},
      {"ANY 1 (\"pg-2\",\"pg-3\")", 1},
      {"any 3 (*)", 3},
      {"FIRST 2 (a, b)", 2},
      {"first_standby", 1},
      {"anything, else", 1},
      {"ANY (a)", std::nullopt},
      {"FIRST 2", std::nullopt},
  };
  for (const auto& [names, required] : cases) {
    INFO(names);
    CHECK(required_standbys(names) == required);
  }
}

TEST_CASE("the quorum is what streams as sync or quorum, and a fall-back shows", "[analysis]") {
  auto object = std::make_shared<model::Cluster>(*cluster_object());
  object->synchronous.method = "any";
  object->synchronous.number = 2;
  object->synchronous.data_durability = "preferred";
  model::Sender quorum = sender_row("pg-2", 1000);
  quorum.sync_state = "quorum";
  model::Sender catching_up = sender_row("pg-3", 10, "catchup");
  catching_up.sync_state = "quorum";
  Instance primary = answering("pg-1", primary_facts(1000), {quorum, catching_up});
  model::Settings settings;
  settings.values = {{"synchronous_standby_names", "ANY 1 (\"pg-2\")", "", "", false}};
  primary.settings = Observed<model::Settings>::known(settings, kNow);
  model::Activity activity;
  activity.waiting_for_sync_standby = 3;
  activity.longest_wait_for_sync_standby = 12s;
  primary.activity = Observed<model::Activity>::known(activity, kNow);
  Memory memory;
  const auto judge = [&](Instance instance) {
    return assess(
               model::assemble(slices({std::move(instance)}, kubernetes_slice({object})), {}, kNow),
               {}, memory)
        .replication.at(0)
        .sync;
  };
  const SyncReplication sync = judge(primary);
  CHECK(sync.declared.known_value() == 2);
  CHECK(sync.required.known_value() == 1);
  CHECK(sync.present.known_value() == 1);
  CHECK(sync.waiting_sessions.known_value() == 3);
  CHECK(sync.longest_wait.known_value() == std::optional<Duration>(12s));

  // Without settings nobody knows how many are required, least of all none.
  primary.settings = Observed<model::Settings>::unknown(
      Error(ErrorCode::kForbidden, "permission denied"), "postgres");
  CHECK_FALSE(judge(primary).required.is_known());
}

TEST_CASE("the loss has seconds where something measures them", "[analysis]") {
  const auto loss = [](std::vector<Instance> instances) {
    Memory memory;
    return assess(world(std::move(instances)), {}, memory).replication.at(0);
  };
  model::Sender row = sender_row("pg-2", 900);
  row.flush_lag = 40ms;
  const Replication measured = loss({answering("pg-1", primary_facts(1000), {row}),
                                     answering("pg-2", standby_facts(800), {}, {receiver()})});
  CHECK(measured.loss_if_primary_dies_bytes.known_value() == 100);
  CHECK(measured.loss_if_primary_dies.known_value() == 40ms);

  // It cannot be asked, and the sender knows its positions.
  const Instance unasked = silent("pg-2", model::Reachability::kSilent);
  row.flush_lag.reset();
  CHECK_FALSE(loss({answering("pg-1", primary_facts(1000), {row}), unasked})
                  .loss_if_primary_dies.is_known());

  const Replication cut =
      loss({answering("pg-1", primary_facts(1000)), answering("pg-2", standby_facts(300))});
  CHECK(cut.loss_if_primary_dies.known_value() == 90s);

  const Replication whole = loss({answering("pg-1", primary_facts(900), {row}), unasked});
  CHECK(whole.loss_if_primary_dies.known_value() == 0s);
}

TEST_CASE("a failover slot is ready on a standby with a synced, valid, lasting copy",
          "[analysis]") {
  Instance primary = answering("pg-1", primary_facts(1000));
  primary.slots = slots({slot("local", false), slot("sub", true)});
  const auto ready = [&](Observed<std::vector<model::Slot>> own) {
    Instance standby = answering("pg-2", standby_facts(1000));
    standby.slots = std::move(own);
    Memory memory;
    const auto copies = assess(world({primary, standby}), {}, memory).failover_slots.at(0).copies;
    REQUIRE(copies.size() == 1);
    CHECK(copies.front().slot == "sub");
    return copies.front().ready;
  };
  model::Slot copy = slot("sub", true);
  copy.synced = true;
  CHECK(ready(slots({copy})).known_value());
  CHECK_FALSE(ready(slots({})).known_value());
  CHECK_FALSE(ready(slots({slot("sub", true)})).known_value());  // its own, not synced
  model::Slot temporary = copy;
  temporary.temporary = true;
  CHECK_FALSE(ready(slots({temporary})).known_value());
  model::Slot invalid = copy;
  invalid.invalidation_reason = "wal_removed";
  CHECK_FALSE(ready(slots({invalid})).known_value());
  CHECK_FALSE(ready(Observed<std::vector<model::Slot>>::unknown(
                        Error(ErrorCode::kTimeout, "no answer"), "postgres"))
                  .is_known());
}

}  // namespace keelwatch::analysis
