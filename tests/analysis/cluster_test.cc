#include "analysis/cluster.h"

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

std::shared_ptr<const model::Pod> pod(std::string name,
                                      const std::function<void(model::Pod&)>& change = {}) {
  auto p = std::make_shared<model::Pod>();
  p->meta.ns = "default";
  p->meta.name = std::move(name);
  p->cnpg_cluster = "pg";
  p->cnpg_role = "instance";
  p->phase = "Running";
  p->ready = true;
  if (change) change(*p);
  return p;
}

template <typename T>
Observed<model::ObjectList<T>> listed(model::ObjectList<T> list) {
  return Observed<model::ObjectList<T>>::known(std::move(list), kNow);
}

std::shared_ptr<model::Cluster> object(std::int64_t instances) {
  auto cluster = std::make_shared<model::Cluster>(*cluster_object(instances));
  for (std::int64_t i = 1; i <= instances; ++i) {
    cluster->instance_names.push_back("pg-" + std::to_string(i));
  }
  return cluster;
}

Assessment assess_world(std::vector<Instance> instances, model::KubernetesSlice kubernetes) {
  Memory memory;
  return assess(model::assemble(slices(std::move(instances), std::move(kubernetes)), {}, kNow), {},
                memory);
}

std::string state_of(const Assessment& assessment, const std::string& name) {
  for (const Standby& standby : assessment.replication.at(0).standbys) {
    if (standby.id.pod != name) continue;
    INFO(standby.reason);
    CHECK_FALSE(standby.reason.empty());
    return standby.state.is_known() ? standby.state.known_value() : "unknown";
  }
  return "not listed";
}

std::shared_ptr<const model::EndpointSlice> endpoints(std::string service,
                                                      std::vector<std::string> pods) {
  auto slice = std::make_shared<model::EndpointSlice>();
  slice->meta.ns = "default";
  slice->meta.name = service + "-abc";
  slice->service = std::move(service);
  for (std::string& name : pods) {
    model::Endpoint endpoint;
    endpoint.addresses = {"10.0.0." + std::to_string(slice->endpoints.size() + 1)};
    endpoint.pod = std::move(name);
    slice->endpoints.push_back(std::move(endpoint));
  }
  return slice;
}

const ServiceHealth& service(const Assessment& assessment, std::string_view role) {
  for (const ServiceHealth& one : assessment.health.at(0).services) {
    if (one.role == role) return one;
  }
  throw std::out_of_range(std::string(role));
}

}  // namespace

TEST_CASE("a standby that does not answer is told apart by what Kubernetes says", "[analysis]") {
  struct Case {
    const char* name;
    std::function<void(model::Cluster&)> cluster;
    std::shared_ptr<const model::Pod> pod;
    std::vector<model::Sender> senders;
    std::optional<Instance> instance;
    const char* state;
  };
  const auto refused = silent("pg-2", Reachability::kRefused);
  const std::vector<Case> cases = {
      {"no reason is known", {}, pod("pg-2"), {}, refused, "unreachable"},
      {"fenced by name",
       [](auto& c) { c.switches.fenced_instances = std::vector<std::string>{"pg-2"}; },
       pod("pg-2"),
       {},
       refused,
       "fenced"},
      {"all are fenced",
       [](auto& c) { c.switches.fenced_instances = std::vector<std::string>{"*"}; },
       pod("pg-2"),
       {},
       refused,
       "fenced"},
      {"another one is fenced",
       [](auto& c) { c.switches.fenced_instances = std::vector<std::string>{"pg-3"}; },
       pod("pg-2"),
       {},
       refused,
       "unreachable"},
      {"the fence is not up yet: it still answers",
       [](auto& c) { c.switches.fenced_instances = std::vector<std::string>{"pg-2"}; },
       pod("pg-2"),
       {sender_row("pg-2", 1000)},
       answering("pg-2", standby_facts(1000), {}, {receiver()}),
       "streaming"},
      {"hibernated", [](auto& c) { c.switches.hibernation = true; }, nullptr, {}, {}, "hibernated"},
      {"being copied, by the primary's word",
       {},
       nullptr,
       {sender_row("pg-2-join", 1000, "backup")},
       {},
       "cloning"},
      {"being copied, by the operator's word",
       [](auto& c) { c.phase = "Creating a new replica"; },
       nullptr,
       {},
       {},
       "cloning"},
      {"no Pod at all", {}, nullptr, {}, {}, "missing"},
      {"a Pod without a node",
       {},
       pod("pg-2",
           [](auto& p) {
             p.phase = "Pending";
             p.ready.reset();
             p.scheduling.scheduled = false;
             p.scheduling.message = "0/3 nodes are available: 3 Insufficient memory.";
           }),
       {},
       silent("pg-2", Reachability::kUnreachable),
       "missing"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    auto cluster = object(2);
    if (c.cluster) c.cluster(*cluster);
    auto kubernetes = kubernetes_slice({cluster});
    model::ObjectList<model::Pod> pods;
    pods.reserve(2);
    pods.push_back(pod("pg-1"));
    if (c.pod) pods.push_back(c.pod);
    kubernetes.pods = listed<model::Pod>(std::move(pods));
    std::vector<Instance> instances = {answering("pg-1", primary_facts(1000), c.senders)};
    if (c.instance) instances.push_back(*c.instance);
    CHECK(state_of(assess_world(instances, kubernetes), "pg-2") == c.state);
  }
}

TEST_CASE("while Pods are unknown an instance without an answer is not called missing",
          "[analysis]") {
  auto kubernetes = kubernetes_slice({object(2)});
  kubernetes.pods = Observed<model::ObjectList<model::Pod>>::unknown(
      Error(ErrorCode::kForbidden, "pods is forbidden"), "kubernetes Pod");
  const Assessment a = assess_world({answering("pg-1", primary_facts(1000))}, kubernetes);
  CHECK(state_of(a, "pg-2") == "unknown");
  CHECK_FALSE(a.replication.at(0).standbys_streaming.is_known());
  CHECK_FALSE(a.health.at(0).instances_missing.is_known());
}

TEST_CASE("instances are counted by their Pods, jobs and poolers left out", "[analysis]") {
  auto kubernetes = kubernetes_slice({object(3)});
  kubernetes.pods = listed<model::Pod>(
      {pod("pg-1"), pod("pg-2", [](auto& p) { p.meta.deletion_timestamp = kNow; }),
       pod("pg-3-join",
           [](auto& p) {
             p.cnpg_role.clear();
             p.meta.labels = {{"cnpg.io/instanceName", "pg-3"}, {"cnpg.io/jobRole", "join"}};
           }),
       pod("pooler-1", [](auto& p) { p.cnpg_role = "pooler"; })});
  CHECK(assess_world({}, kubernetes).health.at(0).instances_missing.known_value() == 2);

  auto asleep = object(3);
  asleep->switches.hibernation = true;
  const Assessment hibernated = assess_world({}, kubernetes_slice({asleep}));
  CHECK(hibernated.health.at(0).instances_missing.known_value() == 0);
  CHECK(hibernated.replication.at(0).standbys_expected.known_value() == 0);
}

TEST_CASE("an unknown phase is none of the known kinds, and no phase is no kind", "[analysis]") {
  const auto kind = [](const char* phase) {
    auto cluster = object(1);
    cluster->phase = phase;
    return assess_world({}, kubernetes_slice({cluster})).health.at(0).phase_kind;
  };
  CHECK(kind("Cluster in healthy state").known_value() == "healthy");
  CHECK(kind("Failing over").known_value() == "transitional");
  CHECK(kind("Waiting for user action").known_value() == "stuck");
  CHECK(kind("Inventing a new phase").known_value() == "unknown");
  CHECK_FALSE(kind("").is_known());
}

TEST_CASE("status and SQL are compared only where both name a primary", "[analysis]") {
  auto cluster = object(2);
  cluster->current_primary = "pg-1";
  const auto agrees = [&](std::vector<Instance> instances) {
    return assess_world(std::move(instances), kubernetes_slice({cluster}))
        .health.at(0)
        .status_agrees;
  };
  CHECK(agrees({answering("pg-1", primary_facts(1)), answering("pg-2", standby_facts(1))})
            .known_value());
  CHECK_FALSE(agrees({answering("pg-1", standby_facts(1)), answering("pg-2", primary_facts(1))})
                  .known_value());
  CHECK_FALSE(agrees({answering("pg-1", standby_facts(1))}).is_known());
}

TEST_CASE("where Services lead is judged by what answers behind them", "[analysis]") {
  auto kubernetes = kubernetes_slice({object(2)});
  const auto with = [&](std::vector<std::string> rw, std::vector<std::string> ro) {
    kubernetes.endpoint_slices = listed<model::EndpointSlice>(
        {endpoints("pg-ro", std::move(ro)), endpoints("pg-rw", std::move(rw))});
    return assess_world({answering("pg-1", primary_facts(1)), answering("pg-2", standby_facts(1)),
                         silent("pg-3", Reachability::kSilent)},
                        kubernetes);
  };
  const Assessment right = with({"pg-1"}, {"pg-2"});
  CHECK(service(right, "rw").leads_right.known_value());
  CHECK(service(right, "ro").leads_right.known_value());
  CHECK(right.health.at(0).services.size() == 2);  // no Service -r, and so no word of it

  const Assessment swapped = with({"pg-2"}, {"pg-1"});
  CHECK_FALSE(service(swapped, "rw").leads_right.known_value());
  CHECK_FALSE(service(swapped, "ro").leads_right.known_value());
  CHECK(service(swapped, "rw").reason == "it leads to pg-2, which is not writable");

  kubernetes.endpoint_slices = listed<model::EndpointSlice>({endpoints("pg-r", {"pg-1"})});
  const Assessment any = assess_world({answering("pg-1", primary_facts(1))}, kubernetes);
  CHECK(service(any, "r").leads_right.why().absence == Absence::kNotSetUp);

  const Assessment none = with({}, {"pg-3"});
  CHECK(service(none, "rw").ready_addresses.known_value() == 0);
  CHECK_FALSE(service(none, "rw").leads_right.is_known());
  CHECK_FALSE(service(none, "ro").leads_right.is_known());
}

TEST_CASE("an operator is up by an available replica and a Lease that is renewed", "[analysis]") {
  const auto judge = [](std::optional<std::int64_t> available, std::optional<Duration> renewed,
                        const char* holder = "operator-1") -> std::optional<OperatorHealth> {
    auto kubernetes = kubernetes_slice({});
    if (available) {
      auto deployment = std::make_shared<model::Deployment>();
      deployment->component = "cloudnative-pg";
      deployment->replicas = 1;
      deployment->available_replicas = *available;
      kubernetes.deployments = listed<model::Deployment>({deployment});
    }
    if (renewed) {
      auto lease = std::make_shared<model::Lease>();
      lease->meta.name = std::string(kCnpgLease);
      lease->holder = holder;
      lease->duration_seconds = 15;
      lease->renewed = kNow - *renewed;
      kubernetes.leases = listed<model::Lease>({lease});
    }
    const Assessment a = assess_world({}, kubernetes);
    if (a.operators.empty()) return std::nullopt;
    return a.operators.front();
  };
  CHECK(judge(1, 2s)->up.known_value());
  CHECK(judge(1, 10min)->up.known_value());  // its clock may be behind: when it changes counts
  CHECK_FALSE(judge(1, 2s, "")->up.known_value());  // released
  CHECK_FALSE(judge(0, 2s)->up.known_value());
  CHECK(judge(1, std::nullopt)->up.known_value());
  CHECK(judge(std::nullopt, 10min)->up.known_value());
  CHECK_FALSE(judge(std::nullopt, std::nullopt));  // nobody knows of one
}

TEST_CASE("a Lease runs out by our clock, whatever its holder's says", "[analysis]") {
  Memory memory;
  const auto up_at = [&](Duration after, Duration renewed) {
    auto lease = std::make_shared<model::Lease>();
    lease->meta.name = std::string(kCnpgLease);
    lease->holder = "operator-1";
    lease->duration_seconds = 15;
    lease->renewed = kNow - 40s + renewed;  // a clock that is behind
    auto kubernetes = kubernetes_slice({}, kNow + after);
    kubernetes.leases = Observed<model::ObjectList<model::Lease>>::known({lease}, kNow + after);
    const model::World world = model::assemble(slices({}, std::move(kubernetes)), {}, kNow + after);
    return assess(world, {}, memory).operators.at(0).up.known_value();
  };
  CHECK(up_at(0s, 0s));
  CHECK(up_at(10s, 10s));
  CHECK(up_at(40s, 10s));  // 15 s, and as much for the news to reach us
  CHECK_FALSE(up_at(41s, 10s));
  CHECK(up_at(50s, 50s));
}

TEST_CASE("a cluster without any Pod that has an address has no writable primary", "[analysis]") {
  const auto writable = [](std::vector<Instance> instances, model::ObjectList<model::Pod> pods,
                           std::string primary = "pg-1") {
    auto cluster = object(1);
    cluster->current_primary = std::move(primary);
    auto kubernetes = kubernetes_slice({cluster});
    kubernetes.pods = listed<model::Pod>(std::move(pods));
    return assess_world(std::move(instances), kubernetes).clusters.at(0).writable_primaries;
  };
  const Instance waiting = silent("pg-1", Reachability::kConnecting, "it has no address yet");
  const auto with_address = [](auto& p) { p.pod_ip = "10.0.0.1"; };
  CHECK(writable({}, {}).known_value() == 0);
  CHECK(writable({waiting}, {pod("pg-1")}).known_value() == 0);  // Pending
  CHECK_FALSE(writable({waiting}, {pod("pg-1", with_address)}).is_known());
  CHECK_FALSE(writable({}, {pod("pg-1", with_address)}).is_known());
  CHECK_FALSE(writable({}, {}, "").is_known());  // it has never had one
}

TEST_CASE("the designated primary of a replica cluster is no standby of it", "[analysis]") {
  auto cluster = object(2);
  cluster->replica_cluster = true;
  const Assessment a = assess_world({answering("pg-1", standby_facts(1000), {}, {receiver()}),
                                     answering("pg-2", standby_facts(1000))},
                                    kubernetes_slice({cluster}));
  CHECK(state_of(a, "pg-1") == "not listed");
  CHECK(state_of(a, "pg-2") == "cut_off");
  CHECK(a.replication.at(0).standbys_streaming.known_value() == 0);
}

}  // namespace keelwatch::analysis
