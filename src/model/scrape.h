// Native /metrics pages of others (CNPG instances and poolers, their plugins), taken over as they
// are, so that rules on their names can be evaluated, too. Never shown on our own /metrics.
#pragma once

#include <compare>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/labels.h"
#include "base/observed.h"
#include "base/sample.h"
#include "model/fields.h"
#include "model/source_report.h"

namespace keelwatch::model {

struct ScrapedSeries {
  Labels labels;  // with the name, and namespace, cluster and pod of the target
  Sample sample;  // at the scrape's time where the page gives none
};

struct ScrapeId {
  std::string kind;  // instance, pooler, plugin, or the job named in the configuration
  std::string ns;
  std::string cluster;
  std::string pod;
  auto operator<=>(const ScrapeId&) const = default;
};

struct Scrape {
  ScrapeId id;
  std::string url;
  Observed<std::vector<ScrapedSeries>> page;
};

// What the scrape source publishes, sorted by id. Tapes do not hold it.
struct ScrapeSlice {
  std::vector<std::shared_ptr<const Scrape>> targets;
  std::vector<SourceReport> reports;  // target = "kind namespace/pod", or the URL
};

}  // namespace keelwatch::model
