// Which backup and timeline a restore would use, or why there is none: for one archive and an
// optional target, as the commands ask. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "analysis/restore_points.h"

namespace keelwatch::analysis {

// recovery_target_time or recovery_target_lsn; neither: latest.
struct RestoreTarget {
  std::optional<WallTime> time;
  std::optional<model::Lsn> lsn;
};

struct RestoreChoice {
  bool possible = false;
  // How well: the strongest level of proof on which it is possible.
  Proof proof = Proof::kListed;
  std::string backup;         // its id
  std::int64_t timeline = 0;  // recovery_target_timeline
  // Until when and where a restore of it gets.
  std::optional<WallTime> until;
  std::optional<model::Lsn> until_lsn;
  // Whether the target has to be given although it is the end: `latest` would fail.
  bool needs_target = false;
  // One sentence: why it is not possible, or what to know before it is done. May be empty.
  std::string text;
};

// Unknown while the archive's backups or WAL are.
[[nodiscard]] Observed<RestoreChoice> choose_restore_point(const RestorePoints& points,
                                                           const RestoreTarget& target);

}  // namespace keelwatch::analysis
