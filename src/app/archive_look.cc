#include "app/archive_look.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "app/credentials.h"
#include "app/signals.h"
#include "app/source_set.h"
#include "base/event_loop.h"
#include "base/mutex.h"
#include "config/load.h"
#include "discovery/archives.h"
#include "model/assemble.h"

namespace keelwatch::app {
namespace {

constexpr Duration kLookAgain = std::chrono::milliseconds(100);
constexpr int kLooksPerProgress = 5;

// Only the named archive, and nothing of what the configuration says beside its pace.
Result<void> restrict_to(config::Config& config, const ArchiveLookOptions& options) {
  const std::string_view text = options.archive;
  const std::size_t slash = text.find_last_of('/');
  if (!text.starts_with("s3://") || slash <= std::string_view("s3://").size() ||
      slash + 1 == text.size()) {
    return Error(
        ErrorCode::kInvalid,
        fmt::format("\"{}\" is not an archive: write s3://bucket/path/server, where server "
                    "is the folder that holds base/ and wals/",
                    text));
  }
  config::ObjectStore store;
  store.destination = text.substr(0, slash);
  store.endpoint = options.endpoint_url;
  const auto configured = std::ranges::find_if(config.object_stores.stores, [&](const auto& other) {
    return other.destination == store.destination &&
           (store.endpoint.empty() || other.endpoint == store.endpoint);
  });
  if (configured != config.object_stores.stores.end()) store = *configured;
  config::ArchivedServer server;
  server.name = text.substr(slash + 1);
  store.servers = {std::move(server)};
  config.object_stores.stores = {std::move(store)};
  config.kubernetes.enabled = config::Switch::kOff;
  config.postgres.clusters.clear();
  config.pgbouncer.poolers.clear();
  config.filesystems.paths.clear();
  return {};
}

Result<config::Config> config_of(const ArchiveLookOptions& options) {
  config::Config config;
  if (!options.config_file.empty()) {
    config::Loaded loaded = config::load_file(options.config_file);
    if (!loaded.config) return Error(ErrorCode::kInvalid, loaded.problems.text());
    config = std::move(*loaded.config);
  }
  if (!options.archive.empty()) {
    if (const Result<void> done = restrict_to(config, options); !done) return done.error();
  }
  config.endpoints.discover = false;  // says nothing of archives
  config.endpoints.addresses.clear();
  config.object_stores.deep_pass = options.deep;
  if (options.deep) {
    config.object_stores.deep_pass_daily_bytes = std::numeric_limits<double>::infinity();
  }
  return config;
}

bool answered(const std::vector<model::SourceReport>& reports) {
  return std::ranges::none_of(reports, &model::SourceReport::pending);
}

// Whether every archive that the configuration and Kubernetes name has been read.
bool all_read(const model::Slices& slices, const config::Config& config,
              const ArchiveLookOptions& options) {
  if (!slices.kubernetes || !answered(slices.kubernetes->reports)) return false;
  if (!slices.postgres || !answered(slices.postgres->reports)) return false;
  if (options.places_only) return true;
  if (!slices.archives || !answered(slices.archives->reports)) return false;
  const discovery::ArchiveTargets wanted = discovery::discover_archives(
      config, slices.kubernetes.get(), read_credential, aws_environment(), {});
  const auto& found = slices.archives->archives;
  return std::ranges::all_of(wanted.archives, [&](const discovery::ArchiveTarget& target) {
    const auto archive = std::ranges::find_if(
        found, [&](const auto& candidate) { return candidate->id == target.id; });
    return archive != found.end() &&
           (!options.deep || !(*archive)->deep || (*archive)->deep->complete);
  });
}

std::string progress_of(const model::Slices& slices, bool deep) {
  if (!slices.archives) return "asking which archives there are";
  for (const auto& archive : slices.archives->archives) {
    if (deep && archive->deep && !archive->deep->complete) {
      return fmt::format("{}: {:.1f} of {:.1f} MiB read", text(archive->id),
                         static_cast<double>(archive->deep->done_bytes) / (1 << 20),
                         static_cast<double>(archive->deep->total_bytes) / (1 << 20));
    }
  }
  for (const model::SourceReport& report : slices.archives->reports) {
    if (report.pending) return fmt::format("{}: {} requests", report.target, report.requests);
  }
  return "asking Kubernetes and PostgreSQL";
}

}  // namespace

Result<ArchiveLook> look_at_archives(const ArchiveLookOptions& options, const Progress& progress,
                                     Logger& log) {
  const Result<config::Config> config = config_of(options);
  if (!config) return config.error();
  EventLoop control;
  Signals signals(control);
  const SystemClock clock;
  const WallTime started = clock.wall();
  std::stop_source stop;
  for (const int signal : {SIGINT, SIGTERM}) signals.on(signal, [&] { stop.request_stop(); });

  Mutex mutex;
  model::Slices slices;  // of the sources' threads
  const auto newest = [&] {
    MutexLock lock(mutex);
    return slices;
  };
  ArchiveLook look;
  {
    SourceSet sources(control, clock, log, std::make_shared<const config::Config>(*config),
                      [&](const model::Slices& news) {
                        MutexLock lock(mutex);
                        slices.update(news);
                      });
    const SteadyTime end = control.after(options.timeout);
    int looks = 0;
    EventLoop::Timer again(control, [&] {
      const model::Slices seen = newest();
      look.complete = all_read(seen, *config, options);
      if (look.complete || control.now() >= end) {
        stop.request_stop();
        return;
      }
      if (progress && ++looks % kLooksPerProgress == 0) progress(progress_of(seen, options.deep));
      again.arm(control.after(kLookAgain));
    });
    again.arm(control.after(kLookAgain));
    control.run(stop.get_token());
  }
  State state;
  look.moment =
      step(state, model::assemble(newest(), freshness_of(*config), clock.wall(), started), *config);
  return look;
}

}  // namespace keelwatch::app
