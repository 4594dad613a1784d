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
#include <optional>
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
// Of what a source has published; empty for a slice that tapes do not hold (scrapes).
[[nodiscard]] std::string tape_line(WallTime at, const model::Slices& news);

struct TapeEntry {
  WallTime at;
  model::Slices news;  // one of them is set
};

// Entries in the order of their times. Errors: kMalformed with the line number.
[[nodiscard]] Result<std::vector<TapeEntry>> read_tape(std::string_view text);

// Steps at every entry and at every slot of step_interval between the first and the last entry plus
// `tail`, and gives each Moment to `on_moment`.
void replay(const std::vector<TapeEntry>& tape, const config::Config& config, Duration tail,
            const std::function<void(const Moment&)>& on_moment);

// A series that shows another value than in the Moment before.
struct Change {
  Duration after{};  // the tape's first entry
  std::string series;
  std::optional<std::string> value;  // nothing: the series is gone
};

// What changed from Moment to Moment. States and counts are compared by value; bytes, seconds
// and ratios only as none, zero ("0") or more ("> 0"); counters, positions and timestamps not at
// all.
[[nodiscard]] std::vector<Change> timeline(const std::vector<TapeEntry>& tape,
                                           const config::Config& config,
                                           Duration tail = std::chrono::seconds(30));

// One line each: "+12.5s keelwatch_…{…} 1", "+15.0s keelwatch_…{…} gone".
[[nodiscard]] std::string to_text(const std::vector<Change>& changes);
// [{"after_seconds":12.5,"series":"keelwatch_…{…}","value":"1"},…]; null for gone.
[[nodiscard]] std::string to_json(const std::vector<Change>& changes);

}  // namespace keelwatch::app
