#include "analysis/assessment.h"

namespace keelwatch::analysis {

Assessment assess(const model::World& world, const config::Config& config, Memory& memory) {
  Assessment assessment;
  assessment.clusters = find_clusters(world, config, memory.topology);
  assessment.replication = assess_replication(assessment.clusters, memory.replication, world.at);
  assessment.poolers = assess_poolers(world, config);
  return assessment;
}

}  // namespace keelwatch::analysis
