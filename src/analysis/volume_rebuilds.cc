#include "analysis/volume_rebuilds.h"

#include <chrono>
#include <utility>

namespace keelwatch::analysis {
namespace {

constexpr Duration kStartsAreOf = std::chrono::hours(1);
constexpr Duration kLoopIsOver = std::chrono::minutes(10);  // with all copies whole

// What is being rebuilt now → how far, by replica; nullopt: nothing says how far, as before and
// after the copying proper.
std::map<std::string, std::optional<std::int64_t>> rebuilds_of(
    const model::LonghornEngine* engine) {
  std::map<std::string, std::optional<std::int64_t>> running;
  if (engine == nullptr) return running;
  for (const auto& [replica, mode] : engine->modes) {
    if (mode == "WO") running[replica] = std::nullopt;
  }
  for (const model::Rebuild& rebuild : engine->rebuilds) {
    if (!rebuild.running) continue;
    // Of one that is known by its address there is no telling, unless it is the only one.
    const auto found = rebuild.replica.empty() && running.size() == 1
                           ? running.begin()
                           : running.find(rebuild.replica);
    if (found != running.end()) found->second = rebuild.progress.value_or(0);
  }
  return running;
}

void follow_progress(const RebuildFacts& facts, RebuildMemory& memory, RebuildsSeen& result) {
  std::map<std::string, RebuildMemory::One> still;
  for (const auto& [replica, told] : rebuilds_of(facts.engine)) {
    const auto before = memory.running.find(replica);
    const bool known = before != memory.running.end();
    const std::int64_t progress = told.value_or(known ? before->second.progress : 0);
    // One that went back began again.
    if ((!known && memory.seen) || (known && progress < before->second.progress)) {
      memory.starts.push_back(facts.now);
    }
    const bool moved = !known || progress != before->second.progress;
    still[replica] = {progress, moved ? facts.now : before->second.moved};
    const double ratio = static_cast<double>(progress) / 100;
    if (!result.progress || ratio < *result.progress) {
      result.progress = ratio;
      result.moved = still[replica].moved;
    }
  }
  memory.running = std::move(still);
  memory.seen = true;
}

std::int64_t count_starts(const RebuildFacts& facts, RebuildMemory& memory) {
  if (facts.degraded) {
    memory.whole_since.reset();
  } else if (!memory.whole_since) {
    memory.whole_since = facts.now;
  } else if (facts.now - *memory.whole_since > kLoopIsOver) {
    memory.starts.clear();
  }
  std::erase_if(memory.starts, [&](WallTime start) { return facts.now - start > kStartsAreOf; });
  return static_cast<std::int64_t>(memory.starts.size());
}

}  // namespace

RebuildsSeen follow_rebuilds(const RebuildFacts& facts, RebuildMemory& memory) {
  RebuildsSeen result;
  // While nobody can say what runs, what ran before goes on.
  if (!facts.silent) follow_progress(facts, memory, result);
  result.starts = count_starts(facts, memory);
  return result;
}

}  // namespace keelwatch::analysis
