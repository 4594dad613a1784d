// What this program counts about itself. Facts about the watched systems never come here: they go
// through the Writer, which knows "unknown"; a registry remembers its last value for ever.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "metrics/exposition.h"
#include "metrics/family.h"
#include "metrics/writer.h"

namespace keelwatch::metrics {

struct BuildInfo {
  std::string version;   // "0.1.0"
  std::string revision;  // of the source
};

// Counters, gauges and histograms on prometheus-cpp's registry, printed by our own writer (the
// library's serializer leaves help unescaped and rounds to 16 digits). Safe to call from any
// thread.
class SelfMetrics {
 public:
  // `clock` outlives this.
  SelfMetrics(const BuildInfo& build, const Clock& clock);
  ~SelfMetrics();
  SelfMetrics(const SelfMetrics&) = delete;
  SelfMetrics& operator=(const SelfMetrics&) = delete;

  // A configuration was read, at the start or later; a bad one leaves the time of the last good
  // one.
  void config_loaded(bool good);
  // A step ended; one that took longer than `slot` is an overrun.
  void step_done(Duration took, Duration slot);
  // What /metrics serves was observed at `at`; its age is computed when a page is rendered.
  void snapshot_published(SteadyTime at);
  // `handler` is a route's pattern ("/metrics", "/api/v1/query"), never a request's path.
  void http_request(std::string_view handler, int code);
  void page_rendered(Duration took);
  void log_line(LogLevel level);

  // Under Prometheus' own names, where they mean the same. An attempt to send a batch ended.
  void notifications_sent(const std::string& alertmanager, std::size_t alerts, bool good,
                          Duration took);
  // Alerts that will not be sent: there was no room, or the Alertmanager refuses them for good.
  void notifications_dropped(const std::string& alertmanager, std::size_t alerts);
  void notification_queue(const std::string& alertmanager, std::size_t length,
                          std::size_t capacity);
  void alertmanagers_discovered(std::size_t count);
  // Its series end: addresses of Pods come and go.
  void alertmanager_gone(const std::string& alertmanager);
  // Critical alerts that fire and of which nobody was told; nothing without an Alertmanager.
  void alerts_untold(std::optional<std::size_t> count);
  void heartbeat_sent(WallTime at);
  // Whether the alerts' state is being kept; never called without a state file.
  void state_writable(bool writable);

  // What the evaluation of rules says of itself, as of its newest step; printed from then on.
  void evaluation(std::shared_ptr<const Samples> samples);

  // Every family that append() prints by itself, ours and process_*.
  [[nodiscard]] static std::span<const Family* const> families();

  // Appends HELP, TYPE and samples, families by name; like append_samples without an end.
  void append(std::string& out, Format format) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelwatch::metrics
