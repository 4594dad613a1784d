// The open watch streams of the stand-in of the Kubernetes API: each follows the store's log from
// its own position, so that a stream which is held back or slow misses nothing and hears 410 once
// its position is forgotten.
// Threads: the caller locks.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "tests/standins/http_server.h"
#include "tests/standins/kube_answers.h"
#include "tests/standins/kube_store.h"

namespace keelwatch::standins {

struct KubeWatch {
  std::shared_ptr<Exchange> exchange;
  std::string path;
  KubeResource resource;
  KubeSelection selection;
  std::uint64_t version = 0;  // everything up to here has been said
  bool bookmarks = false;
  bool silent = false;    // held back by a fault
  bool truncate = false;  // the next event is sent by half
};

class KubeWatches {
 public:
  explicit KubeWatches(const KubeStore& store) : store_(store) {}

  // Sends the headers, the first events where the request named no resourceVersion, and what has
  // happened since the one it named.
  std::shared_ptr<KubeWatch> open(KubeWatch watch, bool from_now);

  // Says what has happened. Forgets streams whose peer has gone.
  void pump();
  void send_bookmark(KubeWatch& watch);
  void send_bookmarks();
  // An ERROR event of code 410, then the clean end.
  void expire(KubeWatch& watch);
  // Half of an event, then a reset.
  void break_event(KubeWatch& watch);
  void end_all_of(const KubeResource& resource);

  [[nodiscard]] std::list<std::shared_ptr<KubeWatch>>& all() { return watches_; }
  [[nodiscard]] std::size_t open_count(std::string_view path_prefix) const;

 private:
  void pump(KubeWatch& watch);
  void send(KubeWatch& watch, std::string_view type, std::string_view object);

  const KubeStore& store_;
  std::list<std::shared_ptr<KubeWatch>> watches_;
};

}  // namespace keelwatch::standins
