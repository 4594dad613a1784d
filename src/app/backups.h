// `keelwatch backups`: what the object stores hold — each backup and whether it restores, WAL and
// its gaps, and the window that is proven.
#pragma once

#include <string>
#include <string_view>

#include "app/step.h"

namespace keelwatch::app {

// Which archives: all, or those of one cluster ("namespace/name" or its name alone).
struct BackupsView {
  std::string cluster;
  // Whether only what a deep pass has proven counts as restorable.
  bool deep = false;
};

// As text, or as JSON:
//   {"archives":[{"archive":…,"endpoint":…,"namespace":…,"cluster":…,"unknown":…,
//     "windows":[{"proof":…,"start":…,"end":…,"start_lsn":…,"end_lsn":…,"timeline":…}],
//     "backups":[{"id":…,"restorable":"yes"|"no"|"unknown","state":…,"why":…,"end":…,
//       "bytes":…,"timeline":…,"until":…,"until_lsn":…,"until_timeline":…,"until_partial":…,"proof":…,"latest_fails":…}],
//     "wal":[{"timeline":…,"first":…,"last":…,"segments":…,"bytes":…}],
//     "gaps":[{"first":…,"segments":…,"since":…}],"faults":[{"segment":…,"kind":…,"detail":…}]}]}
[[nodiscard]] std::string backups_text(const Moment& moment, const BackupsView& view);
[[nodiscard]] std::string backups_json(const Moment& moment, const BackupsView& view);

// Whether every archive of the view can be restored from now.
[[nodiscard]] bool all_restorable(const Moment& moment, const BackupsView& view);

}  // namespace keelwatch::app
