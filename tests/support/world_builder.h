// Makes worlds for tests: a cluster of instances that answer as a primary or a standby would, with
// what differs from a healthy one set by the test.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "model/assemble.h"
#include "model/world.h"

namespace keelwatch::testing {

inline constexpr WallTime kNow = WallTime(std::chrono::seconds(1'800'000'000));
inline constexpr std::uint64_t kMiB = 1U << 20U;

inline model::ServerFacts server_facts() {
  model::ServerFacts facts;
  facts.version = 150'007;
  facts.system_identifier = "7300000000000000001";
  facts.timeline = 1;
  facts.server_time = kNow;
  return facts;
}

inline model::ServerFacts primary_facts(std::uint64_t position) {
  model::ServerFacts facts = server_facts();
  facts.current = model::Lsn{position};
  return facts;
}

inline model::ServerFacts standby_facts(std::uint64_t replayed) {
  model::ServerFacts facts = server_facts();
  facts.in_recovery = true;
  facts.received = model::Lsn{replayed};
  facts.replayed = model::Lsn{replayed};
  facts.replay_paused = false;
  facts.last_replayed_commit = kNow - std::chrono::seconds(90);
  return facts;
}

inline model::Sender sender_row(std::string standby, std::uint64_t position,
                                std::string state = "streaming") {
  model::Sender row;
  row.application_name = std::move(standby);
  row.state = std::move(state);
  row.sync_state = "async";
  row.sent = row.write = row.flush = row.replay = model::Lsn{position};
  return row;
}

inline model::WalReceiver receiver(std::string status = "streaming") {
  model::WalReceiver r;
  r.status = std::move(status);
  r.received_timeline = 1;
  r.last_message = kNow;
  return r;
}

inline model::Instance answering(std::string pod, model::ServerFacts facts,
                                 std::vector<model::Sender> senders = {},
                                 std::vector<model::WalReceiver> receivers = {}) {
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

inline model::Instance silent(std::string pod, model::Reachability why, std::string detail = "x") {
  const Why unknown{Absence::kUnknown, Error(ErrorCode::kUnavailable, detail),
                    "postgres default/" + pod};
  model::Instance instance = model::Instance::absent({"default", "pg", std::move(pod)}, unknown);
  instance.address = "10.0.0.1:5432";
  instance.reachability = why;
  instance.reachability_detail = std::move(detail);
  return instance;
}

inline std::shared_ptr<const model::Cluster> cluster_object(std::int64_t instances = 3) {
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

// Every other kind is known to have no object.
inline model::KubernetesSlice kubernetes_slice(
    model::ObjectList<model::Cluster> clusters = {cluster_object()}, WallTime at = kNow) {
  const Why replaced{Absence::kUnknown, Error(ErrorCode::kUnavailable, "not asked"), "test"};
  model::KubernetesSlice slice = model::KubernetesSlice::absent(replaced);
  model::KubernetesSlice::for_each_kind([&](auto place) {
    using Answer = std::remove_cvref_t<decltype(slice.*place)>;
    slice.*place = Answer::known({}, at);
  });
  slice.clusters = Observed<model::ObjectList<model::Cluster>>::known(std::move(clusters), at);
  return slice;
}

inline model::Slices slices(std::vector<model::Instance> instances,
                            model::KubernetesSlice kubernetes = kubernetes_slice()) {
  auto postgres = std::make_shared<model::PostgresSlice>();
  for (model::Instance& i : instances) {
    postgres->instances.push_back(std::make_shared<const model::Instance>(std::move(i)));
  }
  return {std::make_shared<const model::KubernetesSlice>(std::move(kubernetes)),
          std::move(postgres)};
}

inline model::World world(std::vector<model::Instance> instances, WallTime now = kNow) {
  return model::assemble(slices(std::move(instances)), model::Freshness{}, now);
}

}  // namespace keelwatch::testing
