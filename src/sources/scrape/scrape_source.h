// Takes over the /metrics pages of others, each bounded in bytes and series and under the labels of
// its target. A page that makes no sense or is too large is off: it leaves no series, its report
// says so, and it is asked for again only after twenty intervals. Pages' own timestamps do not
// count: a sample is as old as its scrape.
// Threads: the loop's. run() holds the requests: destroying its task ends them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "config/config.h"
#include "discovery/scrapes.h"
#include "model/scrape.h"
#include "sources/poll.h"
#include "sources/source.h"

namespace keelwatch::sources {

class ScrapeSource {
 public:
  static constexpr int kSlowFactor = 20;

  ScrapeSource(SourceContext context, config::Scrape settings, Publish<model::ScrapeSlice> publish);
  ~ScrapeSource();
  ScrapeSource(const ScrapeSource&) = delete;
  ScrapeSource& operator=(const ScrapeSource&) = delete;

  // Publishes after every scrape, at most each 50 ms; nothing before the first set_targets().
  // Throws what a task below it threw.
  Task<> run();

  // Asks for new pages at once; drops the rest from the slice.
  void set_targets(discovery::ScrapeTargets targets);

 private:
  class Page;

  void start_pages();
  void publish_now() const;

  SourceContext context_;
  config::Scrape settings_;
  Publish<model::ScrapeSlice> publish_;
  PublishSoon soon_;
  discovery::ScrapeTargets targets_;
  bool has_targets_ = false;
  bool running_ = false;
  std::map<std::pair<model::ScrapeId, std::string>, std::unique_ptr<Page>> pages_;  // while running
};

}  // namespace keelwatch::sources
