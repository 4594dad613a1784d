// A tape: what the sources said and when, as JSON lines, to be replayed through step() with a fake
// clock. `keelwatch record` makes one; each fault and each bug leaves one in tests/tapes/ with the
// timeline that it must give. Facts hold no secrets, so tapes hold none.
//
//   {"keelwatch_tape":1}
//   {"at":"2026-11-25T02:56:43.000000000Z","kubernetes":{…}}
//   {"at":"…","postgres":{…}}
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/step.h"
#include "base/clock.h"
#include "base/result.h"
#include "config/config.h"
#include "model/assemble.h"

namespace keelwatch::app {

// Each gives one line, newline included.
[[nodiscard]] std::string tape_header();
[[nodiscard]] std::string tape_line(WallTime at, const model::KubernetesSlice& slice);
[[nodiscard]] std::string tape_line(WallTime at, const model::PostgresSlice& slice);

struct TapeEntry {
  WallTime at;
  std::shared_ptr<const model::KubernetesSlice> kubernetes;  // one of the two is set
  std::shared_ptr<const model::PostgresSlice> postgres;
};

// Entries in the order of their times. Errors: kMalformed with the line number.
[[nodiscard]] Result<std::vector<TapeEntry>> read_tape(std::string_view text);

// Steps at every entry and at every slot of step_interval between the first and the last entry plus
// `tail`, and gives each Moment to `on_moment`.
void replay(const std::vector<TapeEntry>& tape, const config::Config& config, Duration tail,
            const std::function<void(const Moment&)>& on_moment);

// What changed from Moment to Moment, one line each: "+12.5s keelwatch_…{…} 1". States and counts
// are compared by value; bytes and seconds only as none, zero or more; counters, positions and
// timestamps not at all. A series that ends says "gone".
[[nodiscard]] std::string timeline(const std::vector<TapeEntry>& tape, const config::Config& config,
                                   Duration tail = std::chrono::seconds(30));

}  // namespace keelwatch::app
