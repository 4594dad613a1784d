// Makes worlds for tests: a cluster of instances that answer as a primary or a standby would, with
// what differs from a healthy one set by the test.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/assemble.h"
#include "model/world.h"

namespace keelwatch::testing {

inline constexpr WallTime kNow = WallTime(std::chrono::seconds(1'800'000'000));
inline constexpr std::uint64_t kMiB = 1U << 20U;

model::ServerFacts server_facts();
model::ServerFacts primary_facts(std::uint64_t position);
model::ServerFacts standby_facts(std::uint64_t replayed);
model::Sender sender_row(std::string standby, std::uint64_t position,
                         std::string state = "streaming");
model::WalReceiver receiver(std::string status = "streaming");

model::Instance answering(std::string pod, model::ServerFacts facts,
                          std::vector<model::Sender> senders = {},
                          std::vector<model::WalReceiver> receivers = {});
model::Instance silent(std::string pod, model::Reachability why, std::string detail = "x");

std::shared_ptr<const model::Cluster> cluster_object(std::int64_t instances = 3);
// Every other kind is known to have no object.
model::KubernetesSlice kubernetes_slice(
    model::ObjectList<model::Cluster> clusters = {cluster_object()}, WallTime at = kNow);

model::Slices slices(std::vector<model::Instance> instances,
                     model::KubernetesSlice kubernetes = kubernetes_slice());
model::World world(std::vector<model::Instance> instances, WallTime now = kNow);

}  // namespace keelwatch::testing
