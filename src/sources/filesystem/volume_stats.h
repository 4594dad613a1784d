// The lines kubelet_volume_stats_* of a kubelet's /metrics page, which is a few megabytes of other
// things: it is read piece by piece, and only those lines are kept.
// Facts: Kubernetes pkg/kubelet/metrics/collectors/volume_stats.go (each metric has the labels
// namespace and persistentvolumeclaim; a claim whose volume has not been measured yet is not on the
// page).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/filesystem.h"

namespace keelwatch::sources {

class VolumeStatsReader {
 public:
  // The next bytes of the page, cut anywhere. Errors (final): kTooLarge.
  [[nodiscard]] Result<void> feed(std::string_view bytes);

  // The page has ended. Claims sorted by (namespace, name); those without size and available bytes
  // are left out. Of a claim that is on the page twice, the fuller one counts. Errors: kMalformed
  // (the page ends within a line, a line that we need cannot be read, or it is no metrics page at
  // all).
  [[nodiscard]] Result<std::vector<model::ClaimUsage>> finish() &&;

 private:
  [[nodiscard]] Result<void> keep(std::string_view line);

  std::string partial_;  // the line that has not ended yet
  std::string kept_;
  std::size_t bytes_ = 0;
  bool saw_comment_ = false;
};

}  // namespace keelwatch::sources
