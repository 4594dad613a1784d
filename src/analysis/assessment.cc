#include "analysis/assessment.h"

namespace keelwatch::analysis {

Assessment assess(const model::World& world, const config::Config& config, Memory& memory) {
  Assessment assessment;
  assessment.clusters = find_clusters(world, config, memory.topology);
  assessment.replication = assess_replication(assessment.clusters, memory.replication, world.at);
  assessment.poolers = assess_poolers(world, config);
  assessment.filesystems = find_filesystems(world, memory.filesystems);
  assessment.volumes = find_volumes(world, memory.volumes);
  assessment.storage_nodes = find_storage_nodes(*world.kubernetes);
  assessment.storage =
      assess_storage(assessment.volumes, assessment.storage_nodes, world, memory.storage);
  assessment.health = assess_clusters(assessment.clusters, world);
  assessment.failover_slots = assess_failover_slots(assessment.clusters);
  assessment.failovers =
      follow_failovers(assessment.clusters, config.postgres.interval, memory.failover, world.at);
  assessment.backups = assess_backups(assessment.clusters, world, config);
  assessment.recovery = assess_recovery(assessment.clusters, world, config, memory.recovery);
  assessment.reachability = assess_reachability(world, config, memory.reachability);
  assessment.operators = assess_operators(world, memory.operators);
  assessment.placement = assess_placement(assessment.clusters, assessment.replication,
                                          {assessment.volumes, assessment.storage_nodes},
                                          assessment.recovery, world, config);
  return assessment;
}

}  // namespace keelwatch::analysis
