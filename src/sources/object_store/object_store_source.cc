#include "sources/object_store/object_store_source.h"

#include <set>
#include <utility>

namespace keelwatch::sources {

ObjectStoreSource::ObjectStoreSource(SourceContext context, config::ObjectStores settings,
                                     Publish<model::ArchiveSlice> publish, OpenArchive open)
    : context_(context),
      settings_(settings),
      publish_(std::move(publish)),
      open_(std::move(open)),
      slots_(context.loop, kRequestsAtOnce),
      deep_streams_(context.loop, context.clock, settings_.deep_pass_daily_bytes),
      soon_(context.loop, [this] { publish_now(); }) {}

ObjectStoreSource::~ObjectStoreSource() = default;

Task<> ObjectStoreSource::run() {
  struct AtExit {
    ObjectStoreSource& source;
    ~AtExit() {
      source.running_ = false;
      source.archives_.clear();
    }
  };
  const AtExit end_requests{*this};
  running_ = true;
  if (has_targets_) start_archives();
  for (;;) {
    co_await context_.loop.sleep_for(std::chrono::seconds(1));
    for (const auto& [id, archive] : archives_) archive->rethrow_failure();
  }
}

void ObjectStoreSource::set_targets(discovery::ArchiveTargets targets) {
  targets_ = std::move(targets);
  has_targets_ = true;
  if (running_) start_archives();
  soon_.changed();
}

void ObjectStoreSource::start_archives() {
  std::set<model::ArchiveId> wanted;
  for (const discovery::ArchiveTarget& target : targets_.archives) {
    wanted.insert(target.id);
    std::unique_ptr<ArchiveWatch>& archive = archives_[target.id];
    if (archive) {
      archive->set_target(target);
      continue;
    }
    archive = std::make_unique<ArchiveWatch>(context_, settings_, open_, slots_, deep_streams_,
                                             target, [this] { soon_.changed(); });
    archive->start();
  }
  std::erase_if(archives_, [&](const auto& entry) { return !wanted.contains(entry.first); });
}

void ObjectStoreSource::publish_now() const {
  if (!has_targets_) return;
  auto slice = std::make_shared<model::ArchiveSlice>();
  for (const auto& [id, archive] : archives_) {
    slice->archives.push_back(archive->archive());
    slice->reports.push_back(archive->report());
  }
  publish_(std::move(slice));
}

}  // namespace keelwatch::sources
