#include "tests/support/world_builder.h"

#include <chrono>
#include <type_traits>
#include <utility>

#include "base/observed.h"
#include "base/result.h"

namespace keelwatch::testing {

model::ServerFacts server_facts() {
  model::ServerFacts facts;
  facts.version = 150'007;
  facts.system_identifier = "7300000000000000001";
  facts.timeline = 1;
  facts.server_time = kNow;
  return facts;
}

model::ServerFacts primary_facts(std::uint64_t position) {
  model::ServerFacts facts = server_facts();
  facts.current = model::Lsn{position};
  return facts;
}

model::ServerFacts standby_facts(std::uint64_t replayed) {
  model::ServerFacts facts = server_facts();
  facts.in_recovery = true;
  facts.received = model::Lsn{replayed};
  facts.replayed = model::Lsn{replayed};
  facts.replay_paused = false;
  facts.last_replayed_commit = kNow - std::chrono::seconds(90);
  return facts;
}

model::Sender sender_row(std::string standby, std::uint64_t position, std::string state) {
  model::Sender row;
  row.application_name = std::move(standby);
  row.state = std::move(state);
  row.sync_state = "async";
  row.sent = row.write = row.flush = row.replay = model::Lsn{position};
  return row;
}

model::WalReceiver receiver(std::string status) {
  model::WalReceiver r;
  r.status = std::move(status);
  r.received_timeline = 1;
  r.last_message = kNow;
  return r;
}

model::Instance answering(std::string pod, model::ServerFacts facts,
                          std::vector<model::Sender> senders,
                          std::vector<model::WalReceiver> receivers) {
  const Why not_asked{Absence::kUnknown, Error(ErrorCode::kUnavailable, "not asked"), "test"};
  model::Instance instance = model::Instance::absent({"default", "pg", std::move(pod)}, not_asked);
  instance.address = "10.0.0.1:5432";
  instance.reachability = model::Reachability::kConnected;
  instance.server = Observed<model::ServerFacts>::known(std::move(facts), kNow);
  instance.senders = Observed<std::vector<model::Sender>>::known(std::move(senders), kNow);
  instance.wal_receiver =
      Observed<std::vector<model::WalReceiver>>::known(std::move(receivers), kNow);
  return instance;
}

model::Instance silent(std::string pod, model::Reachability why, std::string detail) {
  const Why unknown{Absence::kUnknown, Error(ErrorCode::kUnavailable, detail),
                    "postgres default/" + pod};
  model::Instance instance = model::Instance::absent({"default", "pg", std::move(pod)}, unknown);
  instance.address = "10.0.0.1:5432";
  instance.reachability = why;
  instance.reachability_detail = std::move(detail);
  return instance;
}

std::shared_ptr<const model::Cluster> cluster_object(std::int64_t instances) {
  auto cluster = std::make_shared<model::Cluster>();
  cluster->meta.ns = "default";
  cluster->meta.name = "pg";
  cluster->instances = instances;
  cluster->ready_instances = instances;
  cluster->phase = "Cluster in healthy state";
  cluster->current_primary = "pg-1";
  cluster->image = "postgresql:15.7";
  cluster->system_id = "7300000000000000001";
  return cluster;
}

model::KubernetesSlice kubernetes_slice(model::ObjectList<model::Cluster> clusters, WallTime at) {
  const Why replaced{Absence::kUnknown, Error(ErrorCode::kUnavailable, "not asked"), "test"};
  model::KubernetesSlice slice = model::KubernetesSlice::absent(replaced);
  model::KubernetesSlice::for_each_kind([&](auto place) {
    using Answer = std::remove_cvref_t<decltype(slice.*place)>;
    slice.*place = Answer::known({}, at);
  });
  slice.clusters = Observed<model::ObjectList<model::Cluster>>::known(std::move(clusters), at);
  return slice;
}

model::Slices slices(std::vector<model::Instance> instances, model::KubernetesSlice kubernetes) {
  auto postgres = std::make_shared<model::PostgresSlice>();
  for (model::Instance& i : instances) {
    postgres->instances.push_back(std::make_shared<const model::Instance>(std::move(i)));
  }
  return {std::make_shared<const model::KubernetesSlice>(std::move(kubernetes)),
          std::move(postgres)};
}

model::World world(std::vector<model::Instance> instances, WallTime now) {
  return model::assemble(slices(std::move(instances)), model::Freshness{}, now);
}

}  // namespace keelwatch::testing
