// What one assessment of placements costs: one database of 5 or 25 instances on 15 nodes, with two
// volumes of three copies each.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <string_view>

#include "analysis/assessment.h"
#include "tests/bench/common/figure.h"
#include "tests/support/placement_builder.h"

namespace {

using namespace keelwatch;

constexpr double kTargetMs = 50;

testing::PlacementBuilder world_of(int instances) {
  testing::PlacementBuilder b;
  std::mt19937 random(7);
  const auto node = [&] { return fmt::format("n{:02}", random() % 15); };
  const auto copies = [&] { return std::vector<std::string>{node(), node(), node()}; };
  for (int i = 0; i < 15; ++i) {
    b.node(fmt::format("n{:02}", i), fmt::format("zone-{}", i % 3),
           i < 3 ? std::vector<std::string>{"control-plane", "etcd"} : std::vector<std::string>());
  }
  for (int i = 1; i <= instances; ++i) {
    const std::string name = fmt::format("pg-{}", i);
    b.instance(name, node(), copies());
    b.claim(name + "-wal", name, "PG_WAL", copies());
  }
  b.pooler("pooler-rw", "rw", {node(), node(), node()});
  b.cluster.instances = instances;
  return b;
}

double median_ms(int instances, int rounds) {
  const testing::PlacementBuilder b = world_of(instances);
  const model::World world =
      model::assemble(testing::slices({}, b.kubernetes()), model::Freshness{}, testing::kNow);
  config::Config config;
  for (int i = 0; i < 15; ++i) {
    if (i % 3 == 0) config.placement.hosts.push_back({fmt::format("hv-{}", i / 3), {}, {}});
    config.placement.hosts.back().nodes.push_back(fmt::format("n{:02}", i));
  }
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round) {
    analysis::Memory memory;
    const analysis::Assessment whole = analysis::assess(world, config, memory);
    const auto begin = std::chrono::steady_clock::now();
    const auto placed = analysis::assess_placement(whole.clusters, whole.replication,
                                                   {whole.volumes, whole.storage_nodes},
                                                   whole.recovery, world, config);
    const auto end = std::chrono::steady_clock::now();
    if (placed.clusters.empty() || !placed.clusters[0].smallest[0][0].is_known()) std::abort();
    times.push_back(std::chrono::duration<double, std::milli>(end - begin).count());
  }
  std::ranges::sort(times);
  return times[times.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 && std::string_view(argv[1]) == "--smoke" ? 1 : 21;
  bench::Figures figures;
  for (const int instances : {5, 25}) {
    figures.push_back({.what = fmt::format("placement of {} volumes on 15 nodes", 2 * instances),
                       .unit = "ms",
                       .ours = median_ms(instances, rounds),
                       .peer = {},
                       .peer_name = {},
                       .target = kTargetMs,
                       .note = "nine searches: data, service and both with backups, over nodes, "
                               "zones and hosts"});
  }
  bench::print_json(figures);
}
