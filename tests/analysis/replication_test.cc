#include "analysis/replication.h"

#include <catch2/catch.hpp>
#include <functional>

#include "analysis/assessment.h"
#include "tests/support/world_builder.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::analysis {
namespace {

using model::Instance;
using model::Reachability;

constexpr std::uint64_t kHead = 1000 * kMiB;

Replication assess_one(std::vector<Instance> instances, Memory* memory = nullptr,
                       WallTime now = kNow) {
  Memory fresh;
  return assess(world(std::move(instances), now), {}, memory ? *memory : fresh).replication.at(0);
}

const Standby& find(const Replication& replication, const std::string& pod) {
  for (const Standby& standby : replication.standbys) {
    if (standby.id.pod == pod) return standby;
  }
  throw std::out_of_range(pod);
}

// A primary pg-1 at kHead that streams to pg-2, and pg-2 as the test wants it.
Instance primary(std::vector<model::Sender> senders) {
  return answering("pg-1", primary_facts(kHead), std::move(senders));
}

template <typename T>
T known(const Observed<T>& observed) {
  REQUIRE(observed.is_known());
  return observed.known_value();
}

struct StateCase {
  const char* name;
  std::vector<Instance> instances;
  const char* state;  // nullptr: unknown
};

Instance standby_with(const std::function<void(model::ServerFacts&)>& change,
                      std::vector<model::WalReceiver> receivers = {receiver()}) {
  model::ServerFacts facts = standby_facts(kHead);
  change(facts);
  return answering("pg-2", facts, {}, std::move(receivers));
}

}  // namespace

TEST_CASE("each fault of a standby has its own state", "[analysis]") {
  const auto unchanged = [](model::ServerFacts&) {};
  const auto row = [](const char* state) {
    return std::vector<model::Sender>{sender_row("pg-2", kHead, state)};
  };
  const std::vector<StateCase> cases = {
      {"healthy", {primary(row("streaming")), standby_with(unchanged)}, "streaming"},
      {"sender still reads old WAL",
       {primary(row("catchup")), standby_with(unchanged)},
       "catching_up"},
      {"no receiver, no row, all that was received is replayed",
       {primary({}), standby_with(unchanged, {})},
       "cut_off"},
      {"receiver waits for a connection",
       {primary({}), standby_with(unchanged, {receiver("waiting")})},
       "cut_off"},
      {"half-open: the receiver believes in it, the primary has no row",
       {primary({}), standby_with(unchanged)},
       "cut_off"},
      {"CNPG names each row after its Pod: a row of somebody else is not this one",
       {primary({sender_row("walreceiver", kHead)}), standby_with(unchanged)},
       "cut_off"},
      {"cascaded from another standby",
       {primary({sender_row("pg-3", kHead)}), standby_with(unchanged),
        answering("pg-3", standby_facts(kHead), {sender_row("pg-2", kHead)}, {receiver()})},
       "streaming"},
      {"replay paused",
       {primary(row("streaming")),
        standby_with([](model::ServerFacts& s) { s.replay_paused = true; })},
       "paused"},
      {"cut off outweighs paused",
       {primary({}), standby_with([](model::ServerFacts& s) { s.replay_paused = true; }, {})},
       "cut_off"},
      {"delayed on purpose",
       {primary(row("streaming")),
        standby_with([](model::ServerFacts& s) { s.recovery_min_apply_delay = 1h; })},
       "delayed"},
      {"other timeline, nobody streams to it",
       {answering("pg-1",
                  [] {
                    model::ServerFacts s = primary_facts(kHead);
                    s.timeline = 2;
                    return s;
                  }()),
        standby_with(unchanged, {})},
       "diverged_timeline"},
      {"right after a failover the old timeline's name is no divergence while it streams",
       {answering(
            "pg-1",
            [] {
              model::ServerFacts s = primary_facts(kHead);
              s.timeline = 2;
              return s;
            }(),
            row("streaming")),
        standby_with(unchanged)},
       "streaming"},
      {"later timeline than the primary's, although its receiver connects for a moment",
       {primary(row("streaming")), standby_with([](model::ServerFacts& s) { s.timeline = 2; })},
       "diverged_timeline"},
      {"other system identifier",
       {primary(row("streaming")),
        standby_with([](model::ServerFacts& s) { s.system_identifier = "1"; })},
       "diverged_timeline"},
      {"a second writable instance behind the first",
       {primary({}), standby_with([](model::ServerFacts& s) {
          s.in_recovery = false;
          s.current = model::Lsn{kHead - kMiB};
          s.received.reset();
          s.replayed.reset();
        })},
       "diverged_timeline"},
      {"refused", {primary({}), silent("pg-2", Reachability::kRefused)}, "unreachable"},
      {"silent", {primary(row("streaming")), silent("pg-2", Reachability::kSilent)}, "unreachable"},
      {"no route", {primary({}), silent("pg-2", Reachability::kUnreachable)}, "unreachable"},
      {"starting up", {primary({}), silent("pg-2", Reachability::kStartingUp)}, "starting"},
      {"shutting down", {primary({}), silent("pg-2", Reachability::kShuttingDown)}, "starting"},
      {"first attempt not ended",
       {primary({}), silent("pg-2", Reachability::kConnecting)},
       nullptr},
      {"connected, but its answer was refused",
       {primary({}), silent("pg-2", Reachability::kConnected)},
       nullptr},
      {"no primary to compare with, receiver gone",
       {silent("pg-1", Reachability::kRefused), standby_with(unchanged, {})},
       "cut_off"},
  };
  for (const StateCase& c : cases) {
    INFO(c.name);
    const Replication replication = assess_one(c.instances);
    const Standby& standby = find(replication, "pg-2");
    INFO(standby.reason);
    if (c.state == nullptr) {
      CHECK_FALSE(standby.state.is_known());
    } else {
      CHECK(known(standby.state) == c.state);
      CHECK_FALSE(standby.reason.empty());
    }
  }
}

TEST_CASE("a cut-off standby's lag is the distance to the primary, not what it has left to replay",
          "[analysis]") {
  const Replication replication =
      assess_one({primary({}), answering("pg-2", standby_facts(kHead - 700 * kMiB))});
  const Standby& standby = find(replication, "pg-2");
  CHECK(known(standby.replay_lag_bytes) == 700.0 * kMiB);
  CHECK(known(standby.replay_lag) == 90s);
  CHECK(known(standby.streaming) == false);
  CHECK_FALSE(standby.sent_lag_bytes.is_known());
  CHECK(known(replication.standbys_streaming) == 0);
  CHECK(known(replication.standbys_expected) == 2);
  CHECK(known(replication.loss_if_primary_dies_bytes) == 700.0 * kMiB);
}

TEST_CASE("seconds are zero only with nothing left to replay", "[analysis]") {
  struct Case {
    const char* name;
    std::uint64_t behind;
    std::optional<Duration> measured;
    std::optional<WallTime> last_commit;
    std::optional<Duration> expected;
    bool caught_up = false;
  };
  const Case cases[] = {
      {"asked before it replayed what the primary knows it has", 100, std::nullopt, kNow - 18h, 0s,
       true},
      {"idle: nothing behind, old commit", 0, std::nullopt, kNow - 18h, 0s},
      {"behind, measured by the sender", kMiB, 3s, kNow - 18h, 3s},
      {"behind, not measured", kMiB, std::nullopt, kNow - 7s, 7s},
      {"behind, and no commit replayed yet", kMiB, std::nullopt, std::nullopt, std::nullopt},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    model::Sender row = sender_row("pg-2", kHead - c.behind);
    row.replay_lag = c.measured;
    if (c.caught_up) row.replay = model::Lsn{kHead};
    model::ServerFacts facts = standby_facts(kHead - c.behind);
    facts.last_replayed_commit = c.last_commit;
    const Replication replication =
        assess_one({primary({row}), answering("pg-2", facts, {}, {receiver()})});
    const Standby& standby = find(replication, "pg-2");
    CHECK(standby.replay_lag.is_known() == c.expected.has_value());
    if (c.expected) CHECK(known(standby.replay_lag) == *c.expected);
  }
}

TEST_CASE("a standby that has passed the primary's sampled position is not behind", "[analysis]") {
  const Replication replication =
      assess_one({primary({sender_row("pg-2", kHead)}),
                  answering("pg-2", standby_facts(kHead + 8), {}, {receiver()})});
  CHECK(known(find(replication, "pg-2").replay_lag_bytes) == 0);
}

TEST_CASE("without a primary no lag has a value", "[analysis]") {
  const Replication replication =
      assess_one({silent("pg-1", Reachability::kSilent), answering("pg-2", standby_facts(kHead))});
  const Standby& standby = find(replication, "pg-2");
  CHECK_FALSE(standby.replay_lag_bytes.is_known());
  CHECK_FALSE(standby.replay_lag.is_known());
  CHECK_FALSE(replication.loss_if_primary_dies_bytes.is_known());
}

TEST_CASE("a primary that cannot be asked does not become a standby", "[analysis]") {
  Memory memory;
  const auto healthy =
      std::vector<Instance>{primary({sender_row("pg-2", kHead)}),
                            answering("pg-2", standby_facts(kHead), {}, {receiver()})};
  CHECK(assess_one(healthy, &memory).standbys.size() == 1);
  const auto stopped = std::vector<Instance>{silent("pg-1", Reachability::kRefused),
                                             answering("pg-2", standby_facts(kHead))};
  const Replication replication = assess_one(stopped, &memory);
  REQUIRE(replication.standbys.size() == 1);
  CHECK(known(replication.standbys_streaming) == 0);
  // Back as a standby it is one, whatever it was.
  const auto returned = std::vector<Instance>{answering("pg-1", standby_facts(kHead)),
                                              answering("pg-2", primary_facts(kHead))};
  CHECK(known(find(assess_one(returned, &memory), "pg-1").state) == "cut_off");
}

TEST_CASE("replay beyond what was received is archive recovery, until it stands still",
          "[analysis]") {
  Memory memory;
  // The state of pg-2, which has replayed `replayed` and received `received` by streaming.
  const auto state_at = [&](std::uint64_t replayed, std::uint64_t received, bool streams,
                            WallTime now) {
    model::ServerFacts facts = standby_facts(replayed);
    facts.received = model::Lsn{received};
    Instance standby = answering("pg-2", facts);
    standby.server = Observed<model::ServerFacts>::known(facts, now);
    standby.wal_receiver = Observed<std::vector<model::WalReceiver>>::known(
        streams ? std::vector{receiver()} : std::vector<model::WalReceiver>(), now);
    Instance first = primary({});
    first.server = Observed<model::ServerFacts>::known(primary_facts(kHead), now);
    first.senders = Observed<std::vector<model::Sender>>::known(
        streams ? std::vector{sender_row("pg-2", replayed)} : std::vector<model::Sender>(), now);
    return known(find(assess_one({first, standby}, &memory, now), "pg-2").state);
  };
  CHECK(state_at(1 * kMiB, 3 * kMiB, true, kNow) == "streaming");
  // Cut: the rest of what was received is still replayed, which proves no archive.
  CHECK(state_at(2 * kMiB, 3 * kMiB, false, kNow + 2s) == "cut_off");
  CHECK(state_at(3 * kMiB, 3 * kMiB, false, kNow + 4s) == "cut_off");
  CHECK(state_at(5 * kMiB, 3 * kMiB, false, kNow + 6s) == "archive_recovery");
  CHECK(state_at(5 * kMiB, 3 * kMiB, false, kNow + 36s) == "archive_recovery");
  CHECK(state_at(5 * kMiB, 3 * kMiB, false, kNow + 37s) == "cut_off");
}

TEST_CASE("the number of writable primaries is known only when it can be", "[analysis]") {
  struct Case {
    const char* name;
    std::vector<Instance> instances;
    std::optional<std::int64_t> expected;
  };
  const Case cases[] = {
      {"one", {primary({}), answering("pg-2", standby_facts(kHead))}, 1},
      {"two", {primary({}), answering("pg-2", primary_facts(kHead))}, 2},
      {"two standbys",
       {answering("pg-1", standby_facts(1)), answering("pg-2", standby_facts(1))},
       0},
      {"the primary's connections are refused",
       {silent("pg-1", Reachability::kRefused), answering("pg-2", standby_facts(1))},
       0},
      {"no route to the primary",
       {silent("pg-1", Reachability::kUnreachable), answering("pg-2", standby_facts(1))},
       std::nullopt},
      {"the session with the primary ended",
       {silent("pg-1", Reachability::kConnecting), answering("pg-2", standby_facts(1))},
       std::nullopt},
      {"the primary is silent",
       {silent("pg-1", Reachability::kSilent), answering("pg-2", standby_facts(1))},
       std::nullopt},
      {"the password is wrong",
       {silent("pg-1", Reachability::kAuthFailed), answering("pg-2", standby_facts(1))},
       std::nullopt},
      {"every Pod is gone", {}, 0},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    Memory memory;
    const Assessment assessment = assess(world(c.instances), {}, memory);
    const auto& count = assessment.clusters.at(0).writable_primaries;
    CHECK(count.is_known() == c.expected.has_value());
    if (c.expected) CHECK(known(count) == *c.expected);
  }
}

TEST_CASE("a refusal counts only as long as the address is the instance's own", "[analysis]") {
  auto kubernetes = kubernetes_slice();
  kubernetes.pods = Observed<model::ObjectList<model::Pod>>::unknown(
      Error(ErrorCode::kTimeout, "no answer"), "kubernetes Pod");
  const std::vector<Instance> instances = {silent("pg-1", Reachability::kRefused),
                                           answering("pg-2", standby_facts(1))};
  const model::World blind = model::assemble(slices(instances, kubernetes), {}, kNow);
  Memory memory;
  CHECK_FALSE(assess(blind, {}, memory).clusters.at(0).writable_primaries.is_known());
  const std::vector<Instance> starting = {silent("pg-1", Reachability::kStartingUp),
                                          answering("pg-2", standby_facts(1))};
  const model::World other = model::assemble(slices(starting, kubernetes), {}, kNow);
  CHECK_FALSE(assess(other, {}, memory).clusters.at(0).writable_primaries.is_known());

  config::Config by_hand;
  config::PostgresCluster listed;
  listed.ns = "default";
  listed.name = "pg";
  listed.instances.emplace_back();
  by_hand.postgres.clusters.push_back(listed);
  CHECK(known(assess(blind, by_hand, memory).clusters.at(0).writable_primaries) == 0);
}

TEST_CASE("a replica cluster is remembered while the API is silent", "[analysis]") {
  auto object = std::make_shared<model::Cluster>(*cluster_object());
  object->replica_cluster = true;
  const std::vector<Instance> instances = {answering("pg-1", standby_facts(1))};
  Memory memory;
  const auto replica = [&](const model::KubernetesSlice& kubernetes) {
    const model::World seen = model::assemble(slices(instances, kubernetes), {}, kNow);
    return assess(seen, {}, memory).clusters.at(0).replica;
  };
  auto silence = kubernetes_slice();
  silence.clusters = Observed<model::ObjectList<model::Cluster>>::unknown(
      Error(ErrorCode::kTimeout, "no answer"), "kubernetes Cluster");
  CHECK_FALSE(replica(silence).is_known());
  CHECK(known(replica(kubernetes_slice({object}))));
  CHECK(known(replica(silence)));
  CHECK_FALSE(replica(kubernetes_slice({})).is_known());  // an API that answers has no such Cluster
  CHECK_FALSE(known(replica(kubernetes_slice())));
}

TEST_CASE("other receivers of WAL say nothing of a standby that is gone", "[analysis]") {
  // Listed by hand: a standby may call itself otherwise than the configuration does.
  const auto streaming = [](const std::function<void(model::Sender&)>& differs, bool by_hand) {
    model::Sender other = sender_row("other", kHead);
    differs(other);
    const std::vector<Instance> instances = {primary({other}),
                                             silent("pg-2", Reachability::kRefused)};
    const auto objects = by_hand ? model::ObjectList<model::Cluster>{}
                                 : model::ObjectList<model::Cluster>{cluster_object()};
    Memory memory;
    const model::World seen =
        model::assemble(slices(instances, kubernetes_slice(objects)), {}, kNow);
    return assess(seen, {}, memory).replication.at(0).standbys_streaming;
  };
  CHECK(known(streaming([](model::Sender& s) { s.slot_type = "logical"; }, true)) == 0);
  CHECK(known(streaming([](model::Sender& s) { s.replay.reset(); }, true)) == 0);  // pg_receivewal
  CHECK_FALSE(streaming([](model::Sender&) {}, true).is_known());
  CHECK(known(streaming([](model::Sender&) {}, false)) == 0);
}

TEST_CASE("what a diverged standby has on disk does not lessen the loss", "[analysis]") {
  model::ServerFacts ahead = standby_facts(kHead + kMiB);
  ahead.timeline = 2;
  const Replication replication =
      assess_one({primary({sender_row("pg-2", kHead)}), answering("pg-2", ahead)});
  CHECK_FALSE(replication.loss_if_primary_dies_bytes.is_known());
}

TEST_CASE("a standby of which it is unknown whether it streams leaves the count unknown",
          "[analysis]") {
  const Replication replication =
      assess_one({silent("pg-1", Reachability::kSilent), silent("pg-2", Reachability::kSilent)});
  CHECK_FALSE(replication.standbys_streaming.is_known());
}

TEST_CASE("without the right to look, a standby is neither streaming nor cut off", "[analysis]") {
  const Error forbidden(ErrorCode::kForbidden, "no permission, grant pg_monitor to keelwatch");
  Instance first = primary({});
  first.senders = Observed<std::vector<model::Sender>>::unknown(forbidden, "postgres default/pg-1");
  Instance second = answering("pg-2", standby_facts(kHead));
  second.wal_receiver =
      Observed<std::vector<model::WalReceiver>>::unknown(forbidden, "postgres default/pg-2");
  const Replication replication = assess_one({first, second});
  const Standby& standby = find(replication, "pg-2");
  CHECK_FALSE(standby.state.is_known());
  CHECK_FALSE(standby.streaming.is_known());
  CHECK_FALSE(replication.standbys_streaming.is_known());
}

TEST_CASE("a standby on another history has no lag, least of all zero", "[analysis]") {
  model::ServerFacts ahead = standby_facts(kHead + kMiB);
  ahead.timeline = 2;
  const Replication replication = assess_one({primary({}), answering("pg-2", ahead)});
  const Standby& standby = find(replication, "pg-2");
  CHECK(known(standby.state) == "diverged_timeline");
  CHECK_FALSE(standby.replay_lag_bytes.is_known());
  CHECK_FALSE(standby.replay_lag.is_known());
}

TEST_CASE("before any instance is seen it is unknown how many stream, not zero", "[analysis]") {
  CHECK_FALSE(assess_one({}).standbys_streaming.is_known());
}

}  // namespace keelwatch::analysis
