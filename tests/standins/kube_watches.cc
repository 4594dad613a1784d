#include "tests/standins/kube_watches.h"

#include <algorithm>

namespace keelwatch::standins {

std::shared_ptr<KubeWatch> KubeWatches::open(KubeWatch watch, bool from_now) {
  auto opened = std::make_shared<KubeWatch>(std::move(watch));
  ServerReply head = json_reply("");
  opened->exchange->start_stream(std::move(head));
  watches_.push_back(opened);
  if (from_now) {
    opened->version = store_.version();
    const auto objects = store_.list(opened->resource, opened->selection.space, store_.version());
    for (const KubeObjectPtr& object : *objects) {
      if (opened->selection.matches(*object)) send(*opened, "ADDED", object->text);
    }
  }
  pump(*opened);
  return opened;
}

void KubeWatches::send(KubeWatch& watch, std::string_view type, std::string_view object) {
  std::string line;
  line.reserve(object.size() + 40);
  line.append("{\"type\":\"").append(type).append("\",\"object\":").append(object).append("}\n");
  if (watch.truncate) {
    watch.exchange->write(std::string_view(line).substr(0, line.size() / 2));
    watch.exchange->cut();
    return;
  }
  watch.exchange->write(line);
}

void KubeWatches::pump() {
  std::erase_if(watches_, [](const auto& watch) { return watch->exchange->closed(); });
  for (const auto& watch : watches_) pump(*watch);
}

void KubeWatches::pump(KubeWatch& watch) {
  if (watch.silent) return;
  if (watch.version < store_.compacted_version()) return expire(watch);
  const std::string resource = watch.resource.qualified();
  while (const KubeEvent* event = store_.next_event(watch.version)) {
    watch.version = event->resource_version;
    if (event->resource != resource || watch.exchange->closed()) continue;
    // A change may bring an object into the selection or out of it: upstream's
    // cacheWatcher.convertToWatchEvent.
    const bool was = event->previous && watch.selection.matches(*event->previous);
    const bool is =
        event->type != KubeEvent::Type::kDeleted && watch.selection.matches(*event->object);
    if (is) {
      send(watch, was ? "MODIFIED" : "ADDED", event->object->text);
    } else if (was) {
      send(watch, "DELETED",
           with_resource_version(*event->previous, event->resource_version)->text);
    }
  }
}

void KubeWatches::send_bookmark(KubeWatch& watch) {
  if (!watch.bookmarks || watch.silent || watch.exchange->closed()) return;
  send(watch, "BOOKMARK",
       "{\"kind\":\"" + watch.resource.kind + "\",\"apiVersion\":\"" +
           watch.resource.api_version() + "\",\"metadata\":{\"resourceVersion\":\"" +
           std::to_string(watch.version) + "\"}}");
}

void KubeWatches::send_bookmarks() {
  pump();
  for (const auto& watch : watches_) send_bookmark(*watch);
}

void KubeWatches::expire(KubeWatch& watch) {
  if (watch.exchange->closed()) return;
  send(watch, "ERROR",
       status_text(410, "Expired",
                   "too old resource version: " + std::to_string(watch.version) + " (" +
                       std::to_string(store_.compacted_version() + 1) + ")"));
  watch.exchange->end();
}

void KubeWatches::break_event(KubeWatch& watch) {
  if (watch.exchange->closed()) return;
  watch.truncate = true;
  send(watch, "MODIFIED",
       "{\"kind\":\"" + watch.resource.kind + "\",\"apiVersion\":\"" +
           watch.resource.api_version() + "\",\"metadata\":{\"name\":\"half\"}}");
}

void KubeWatches::end_all_of(const KubeResource& resource) {
  for (const auto& watch : watches_) {
    if (watch->resource.qualified() == resource.qualified()) watch->exchange->end();
  }
}

std::size_t KubeWatches::open_count(std::string_view path_prefix) const {
  return static_cast<std::size_t>(
      std::count_if(watches_.begin(), watches_.end(), [&](const auto& watch) {
        return watch->path.starts_with(path_prefix) && !watch->exchange->closed();
      }));
}

}  // namespace keelwatch::standins
