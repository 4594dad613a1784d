// Reads the archives of the watched servers in their object stores, each for itself: one that hangs
// or refuses costs only its own facts.
// Threads: the loop's. run() holds the requests: destroying its task ends them.
#pragma once

#include <map>
#include <memory>

#include "config/config.h"
#include "discovery/archives.h"
#include "model/archive.h"
#include "sources/object_store/archive_watch.h"
#include "sources/poll.h"
#include "sources/source.h"

namespace keelwatch::sources {

class ObjectStoreSource {
 public:
  static constexpr std::size_t kRequestsAtOnce = 8;

  // `open`: open_over_s3(context), or what a test has instead.
  ObjectStoreSource(SourceContext context, config::ObjectStores settings,
                    Publish<model::ArchiveSlice> publish, OpenArchive open);
  ~ObjectStoreSource();
  ObjectStoreSource(const ObjectStoreSource&) = delete;
  ObjectStoreSource& operator=(const ObjectStoreSource&) = delete;

  // Publishes after every pass, at most each 50 ms; nothing before the first set_targets(). Throws
  // what a task below it threw.
  Task<> run();

  // Reads new archives, and those with another credential, at once; drops the rest from the slice.
  void set_targets(discovery::ArchiveTargets targets);

 private:
  void start_archives();
  void publish_now() const;

  SourceContext context_;
  config::ObjectStores settings_;
  Publish<model::ArchiveSlice> publish_;
  OpenArchive open_;
  RequestSlots slots_;
  DeepStreams deep_streams_;
  PublishSoon soon_;
  discovery::ArchiveTargets targets_;
  bool has_targets_ = false;
  bool running_ = false;
  std::map<model::ArchiveId, std::unique_ptr<ArchiveWatch>> archives_;  // while running
};

}  // namespace keelwatch::sources
