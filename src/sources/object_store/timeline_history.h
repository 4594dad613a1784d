// Timeline history files (PostgreSQL src/backend/access/transam/timeline.c, readTimeLineHistory):
// a line per switch, `<parent timeline> <position> <reason>`, the oldest first; blank lines and
// those that begin with '#' do not count.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/archive.h"
#include "sources/object_store/barman_key.h"

namespace keelwatch::sources {

// Of the file <timeline>.history; one without any switch, even an empty file, is that of a timeline
// without parents, as for PostgreSQL. Errors: kMalformed, with the line's number: what a recovery
// would refuse.
[[nodiscard]] Result<std::vector<model::TimelineSwitch>> parse_timeline_history(
    std::string_view text, std::int64_t timeline);

// Of the object as it is stored. Errors: those above; kUnsupported (encrypted); kNotFound: it
// cannot be decompressed, and for PostgreSQL there is none, as restore_command gives none.
[[nodiscard]] Result<std::vector<model::TimelineSwitch>> read_timeline_history(
    std::string_view object, StoredAs stored, std::int64_t timeline);

// The timeline that wrote the byte at that position, as the history of `timeline` has it.
[[nodiscard]] std::int64_t timeline_of(const std::vector<model::TimelineSwitch>& history,
                                       std::int64_t timeline, model::Lsn position);

}  // namespace keelwatch::sources
