// The series of somebody else's page under the labels of their target.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "metrics/exposition.h"
#include "model/scrape.h"

namespace keelwatch::sources {

// The target's labels win; a label of the page's own that one of them displaces is called
// exported_x from then on (and exported_exported_x if the page has that, too), as in Prometheus
// (scrape/target.go, mutateSampleLabels). Sorted by labels; of a series that is on the page twice
// the first one counts.
[[nodiscard]] std::vector<model::ScrapedSeries> with_target_labels(
    const metrics::ParsedPage& page, const std::vector<std::pair<std::string, std::string>>& labels,
    WallTime at);

}  // namespace keelwatch::sources
