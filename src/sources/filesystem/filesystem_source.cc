#include "sources/filesystem/filesystem_source.h"

#include <algorithm>
#include <set>
#include <utility>

namespace keelwatch::sources {
namespace {

constexpr const char* kSource = "filesystem";

}  // namespace

class FilesystemSource::WatchedPath {
 public:
  using Usage = Observed<model::FilesystemUsage>;

  WatchedPath(SourceContext context, const config::Filesystems& settings,
              const config::FilesystemPath& path, PathProbe::Ask ask, PublishSoon& soon)
      : context_(context),
        settings_(settings),
        soon_(soon),
        probe_(context.loop, path.path, std::move(ask)),
        report_(context, kSource, path.path) {
    slice_part_ = std::make_shared<const model::PathFilesystem>(model::PathFilesystem{
        path.path, path.ns, path.cluster, path.pod, path.role,
        Usage::unknown(Error(ErrorCode::kUnavailable, "not asked yet"), name(path.path))});
  }

  void start() { scope_.spawn(run()); }
  void stop() { scope_.cancel(); }
  void rethrow_failure() { scope_.rethrow_failure(); }
  [[nodiscard]] std::shared_ptr<const model::PathFilesystem> path() const { return slice_part_; }
  [[nodiscard]] const model::SourceReport& report() const { return report_.report(); }

 private:
  static std::string name(const std::string& path) { return std::string(kSource) + " " + path; }

  [[nodiscard]] Task<> run() {
    for (;;) {
      const SteadyTime next = context_.loop.after(settings_.interval);
      report_.begin();
      const Result<model::FilesystemUsage> usage =
          co_await probe_.usage(context_.loop.after(settings_.timeout));
      note(usage);
      soon_.changed();
      co_await context_.loop.sleep_until(next);
    }
  }

  void note(const Result<model::FilesystemUsage>& usage) {
    model::PathFilesystem path = *slice_part_;
    if (usage) {
      report_.succeeded();
      path.usage = Usage::known(*usage, report_.sent());
    } else {
      report_.failed(usage.error());
      if (path.usage.is_known() && is_transient(usage.error())) return;
      path.usage = Usage::unknown(usage.error(), name(path.path));
    }
    slice_part_ = std::make_shared<const model::PathFilesystem>(std::move(path));
  }

  SourceContext context_;
  const config::Filesystems& settings_;
  PublishSoon& soon_;
  PathProbe probe_;
  PollReport report_;
  std::shared_ptr<const model::PathFilesystem> slice_part_;
  TaskScope scope_;
};

FilesystemSource::FilesystemSource(SourceContext context, const config::Kubernetes& kubernetes,
                                   config::Filesystems settings,
                                   Publish<model::FilesystemSlice> publish,
                                   ProcessEnvironment environment, PathProbe::Ask ask_path)
    : context_(context),
      settings_(std::move(settings)),
      publish_(std::move(publish)),
      credentials_(context, kubernetes, std::move(environment)),
      soon_(context.loop, [this] { publish_now(); }) {
  std::ranges::sort(settings_.paths, {}, &config::FilesystemPath::path);
  for (const config::FilesystemPath& path : settings_.paths) {
    paths_.push_back(std::make_unique<WatchedPath>(context_, settings_, path, ask_path, soon_));
  }
}

FilesystemSource::~FilesystemSource() = default;

Task<> FilesystemSource::run() {
  struct AtExit {
    FilesystemSource& source;
    ~AtExit() {
      source.running_ = false;
      source.kubelets_.clear();
      for (const auto& path : source.paths_) path->stop();
    }
  };
  const AtExit end_requests{*this};
  if (settings_.kubelet_insecure_skip_verify) {
    context_.log.warn(kSource, "kubelets are believed without a check of their certificates",
                      {{"setting", "filesystems.kubelet_insecure_skip_verify"}});
  }
  running_ = true;
  for (const auto& path : paths_) path->start();
  if (has_targets_) start_kubelets();
  for (;;) {
    co_await context_.loop.sleep_for(std::chrono::seconds(1));
    for (const auto& path : paths_) path->rethrow_failure();
    for (const auto& [node, kubelet] : kubelets_) kubelet->rethrow_failure();
  }
}

void FilesystemSource::set_targets(discovery::KubeletTargets targets) {
  targets_ = std::move(targets);
  has_targets_ = true;
  if (running_) start_kubelets();
  soon_.changed();
}

void FilesystemSource::start_kubelets() {
  std::set<std::string> wanted;
  for (const discovery::KubeletTarget& target : targets_.kubelets) {
    wanted.insert(target.node);
    std::unique_ptr<Kubelet>& kubelet = kubelets_[target.node];
    if (kubelet && kubelet->target() == target) continue;
    kubelet = std::make_unique<Kubelet>(context_, settings_, credentials_, target,
                                        [this] { soon_.changed(); });
    kubelet->start();
  }
  std::erase_if(kubelets_, [&](const auto& entry) { return !wanted.contains(entry.first); });
}

void FilesystemSource::publish_now() const {
  if (!has_targets_) return;
  auto slice = std::make_shared<model::FilesystemSlice>();
  for (const auto& [node, kubelet] : kubelets_) {
    slice->nodes.push_back(kubelet->node());
    slice->reports.push_back(kubelet->report());
  }
  for (const auto& path : paths_) {
    slice->paths.push_back(path->path());
    slice->reports.push_back(path->report());
  }
  publish_(std::move(slice));
}

}  // namespace keelwatch::sources
