// How full the databases' file systems are: of every node that mounts a claim of a database by its
// kubelet, of the configured paths by this machine's kernel. Each is asked for itself, and one that
// hangs costs only its own facts.
// Threads: the loop's, and one per path (path_probe.h). run() holds the requests: destroying its
// task ends them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "discovery/kubelets.h"
#include "model/filesystem.h"
#include "sources/filesystem/kubelet.h"
#include "sources/filesystem/path_probe.h"
#include "sources/kubernetes/credentials.h"
#include "sources/poll.h"
#include "sources/source.h"

namespace keelwatch::sources {

class FilesystemSource {
 public:
  // `environment` and `ask_path` differ from their defaults in tests only.
  FilesystemSource(SourceContext context, const config::Kubernetes& kubernetes,
                   config::Filesystems settings, Publish<model::FilesystemSlice> publish,
                   ProcessEnvironment environment = ProcessEnvironment::real(),
                   PathProbe::Ask ask_path = filesystem_usage);
  ~FilesystemSource();
  FilesystemSource(const FilesystemSource&) = delete;
  FilesystemSource& operator=(const FilesystemSource&) = delete;

  // Publishes after every answer, at most each 50 ms; nothing before the first set_targets().
  // Throws what a task below it threw.
  Task<> run();

  // Asks new nodes, and those with another address, at once; drops the rest from the slice.
  void set_targets(discovery::KubeletTargets targets);

 private:
  class WatchedPath;

  void start_kubelets();
  void publish_now() const;

  SourceContext context_;
  config::Filesystems settings_;
  Publish<model::FilesystemSlice> publish_;
  Credentials credentials_;
  PublishSoon soon_;
  discovery::KubeletTargets targets_;
  bool has_targets_ = false;
  bool running_ = false;
  std::map<std::string, std::unique_ptr<Kubelet>> kubelets_;  // by node; while running
  std::vector<std::unique_ptr<WatchedPath>> paths_;           // sorted by path
};

}  // namespace keelwatch::sources
