#include <catch2/catch.hpp>
#include <regex>
#include <set>

#include "app/step.h"
#include "collectors/collector.h"
#include "metrics/self.h"
#include "tests/support/pages.h"
#include "tests/support/world_builder.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::collectors {
namespace {

std::shared_ptr<const app::Moment> step_once(std::vector<model::Instance> instances) {
  app::State state;
  return app::step(state, world(std::move(instances)), config::Config{});
}

}  // namespace

TEST_CASE("family names, labels and helps keep the rules of the metric contract", "[collectors]") {
  static const std::regex kName("keelwatch_[a-z]+(_[a-z]+)*");
  const std::set<std::string_view> reserved = {"instance", "job", "endpoint", "container",
                                               "service"};
  std::set<std::string_view> names;
  for (const metrics::Family* family : all_families()) {
    INFO(family->name());
    CHECK(std::regex_match(std::string(family->name()), kName));
    CHECK(names.insert(family->name()).second);
    CHECK(family->name().ends_with("_total") == (family->type() == metrics::Type::kCounter));
    CHECK(family->help().ends_with("."));
    CHECK(family->help().size() > 30);
    for (const std::string_view label : family->labels()) CHECK_FALSE(reserved.contains(label));
  }
  for (const metrics::Family* family : metrics::SelfMetrics::families()) {
    INFO(family->name());
    CHECK(names.insert(family->name()).second);
  }
}

TEST_CASE("a standby that is cut off shows so in every family", "[collectors]") {
  const auto moment =
      step_once({answering("pg-1", primary_facts(1000)), answering("pg-2", standby_facts(300))});
  // The states that are not its own are 0, and there are no more of them.
  std::string others;
  for (const std::string_view state : analysis::kStandbyStates) {
    others +=
        "keelwatch_replication_standby_state{namespace=\"default\",cluster=\"pg\",pod=\"pg-2\","
        "state=\"" +
        std::string(state) + "\"} " + (state == "cut_off" ? "1\n" : "0\n");
  }
  CHECK(sample_lines(*moment, "keelwatch_replication_standby_state") == others);
  std::string rest = sample_lines(*moment, "keelwatch_replication_");
  rest.erase(rest.find(others), others.size());
  CHECK(rest ==
        R"(keelwatch_replication_standbys_expected{namespace="default",cluster="pg"} 2
keelwatch_replication_standbys_streaming{namespace="default",cluster="pg"} 0
keelwatch_replication_loss_if_primary_dies_bytes{namespace="default",cluster="pg"} 700
keelwatch_replication_loss_if_primary_dies_seconds{namespace="default",cluster="pg"} 90
keelwatch_replication_sync_standbys_present{namespace="default",cluster="pg"} 0
keelwatch_replication_sync_standbys_declared{namespace="default",cluster="pg"} 0
keelwatch_replication_streaming{namespace="default",cluster="pg",pod="pg-2"} 0
keelwatch_replication_wal_receiver_up{namespace="default",cluster="pg",pod="pg-2"} 0
keelwatch_replication_lag_bytes{namespace="default",cluster="pg",pod="pg-2",stage="replay"} 700
keelwatch_replication_lag_seconds{namespace="default",cluster="pg",pod="pg-2",stage="replay"} 90
)");
}

TEST_CASE("an instance that does not answer has no facts, only that it is not up", "[collectors]") {
  const auto moment = step_once({answering("pg-1", primary_facts(1000)),
                                 silent("pg-2", model::Reachability::kSilent, "no answer in 2s")});
  const std::string lines = sample_lines(*moment, "keelwatch_instance_");
  CHECK_THAT(lines, Catch::Contains(
                        R"(keelwatch_instance_up{namespace="default",cluster="pg",pod="pg-2"} 0)"));
  CHECK_THAT(lines, Catch::Contains(R"(pod="pg-2",state="silent"} 1)"));
  CHECK_THAT(lines,
             !Catch::Contains(
                 R"(keelwatch_instance_in_recovery{namespace="default",cluster="pg",pod="pg-2"})"));
  CHECK_THAT(lines,
             !Catch::Contains(
                 R"(keelwatch_instance_timeline_id{namespace="default",cluster="pg",pod="pg-2"})"));
  CHECK_THAT(sample_lines(*moment, "keelwatch_replication_lag"), !Catch::Contains("pg-2"));
}

TEST_CASE("an instance without credential says nothing of itself", "[collectors]") {
  model::Instance unset = silent("pg-1", model::Reachability::kNotSetUp);
  unset.server = Observed<model::ServerFacts>::not_set_up("no credential", "postgres default/pg-1");
  unset.senders = Observed<std::vector<model::Sender>>::absent(unset.server.why());
  unset.wal_receiver = Observed<std::vector<model::WalReceiver>>::absent(unset.server.why());
  const auto moment = step_once({unset});
  CHECK(sample_lines(*moment, "keelwatch_instance_").empty());
  CHECK(sample_lines(*moment, "keelwatch_cluster_writable_primaries").empty());
  CHECK(sample_lines(*moment, "keelwatch_replication_standby_state").empty());
}

TEST_CASE("an unknown phase is shown under its own name and no known phase is", "[collectors]") {
  auto cluster = std::make_shared<model::Cluster>(*cluster_object());
  cluster->phase = "Inventing a new phase";
  app::State state;
  const auto world = model::assemble(slices({}, kubernetes_slice({cluster})), {}, kNow);
  const auto moment = app::step(state, world, config::Config{});
  const std::string lines = sample_lines(*moment, "keelwatch_cluster_phase");
  CHECK_THAT(lines, Catch::Contains(R"(phase="Inventing a new phase"} 1)"));
  CHECK_THAT(lines, Catch::Contains(R"(phase="Cluster in healthy state"} 0)"));
}

TEST_CASE("a silent API takes the Cluster's facts away and leaves the instances'", "[collectors]") {
  app::State state;
  auto all = slices({answering("pg-1", primary_facts(1000), {sender_row("pg-2", 1000)}),
                     answering("pg-2", standby_facts(1000), {}, {receiver()})});
  auto kubernetes = kubernetes_slice({cluster_object()}, kNow - 60s);
  all.kubernetes = std::make_shared<const model::KubernetesSlice>(std::move(kubernetes));
  const auto moment = app::step(state, model::assemble(all, {}, kNow), config::Config{});
  CHECK(sample_lines(*moment, "keelwatch_cluster_info").empty());
  CHECK(sample_lines(*moment, "keelwatch_cluster_instances_desired").empty());
  CHECK(sample_lines(*moment, "keelwatch_replication_standbys_expected").empty());
  CHECK(sample_lines(*moment, "keelwatch_replication_standbys_streaming") ==
        "keelwatch_replication_standbys_streaming{namespace=\"default\",cluster=\"pg\"} 1\n");
}

}  // namespace keelwatch::collectors
