// Whether an archive is the database's own, and whether it is kept as long as it should be. Pure.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "analysis/archive_lag.h"
#include "analysis/recovery.h"

namespace keelwatch::analysis {

// `shared_with`: another Cluster that archives to the same place, or empty.
[[nodiscard]] std::array<LineageFact, kLineageProblemCount> judge_lineage(
    const model::Archive& archive, const RestorePoints& points, const Observed<Live>& live,
    const Observed<std::string>& shared_with, RecoveryMemory::OfCluster& memory);

// "30d", "4w", "6m" (of 31 days, as barman counts them); nothing: no such policy.
[[nodiscard]] std::optional<Duration> parse_retention(std::string_view policy);

[[nodiscard]] Retention judge_retention(const model::Archive& archive, std::string_view policy,
                                        WallTime now);

}  // namespace keelwatch::analysis
