// `keelwatch run`: sources, step thread and HTTP server under one roof, with reload and an orderly
// end.
//
// Threads: run() is the control thread. It owns the configuration, takes the signals, watches files
// and hands targets to the sources; nothing that others wait for happens on it.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/source_set.h"
#include "app/step_thread.h"
#include "base/clock.h"
#include "base/event_loop.h"
#include "base/file_watch.h"
#include "base/log.h"
#include "base/published.h"
#include "config/config.h"
#include "http/server.h"
#include "http/web_config.h"
#include "metrics/page.h"
#include "metrics/self.h"

namespace keelwatch::app {

struct RunOptions {
  std::string config_file;  // empty: the defaults
  bool tolerate_invalid_config = false;
  std::vector<std::string> listen = {":10555"};
  std::string web_config_file;
  std::string telemetry_path = "/metrics";
};

class Daemon {
 public:
  Daemon(RunOptions options, Logger& log);
  ~Daemon();

  // Runs until SIGTERM or SIGINT; the exit code: 0, or 1 if it could not start.
  [[nodiscard]] int run();

 private:
  // What /metrics and the health checks look at.
  struct Shown {
    Shown(std::shared_ptr<const Moment> m, metrics::SelfMetrics& self, const Clock& clock);
    std::shared_ptr<const Moment> moment;
    metrics::Page page;
    SteadyTime at;
  };

  [[nodiscard]] bool load_first_config();
  // The problems as text; empty if the new configuration is in force.
  [[nodiscard]] std::string reload();
  void load_web_config();
  void use_config(std::shared_ptr<const config::Config> config);
  void watch_all_files();
  void files_changed(const std::vector<std::string>& paths);
  void on_moment(std::shared_ptr<const Moment> moment, Duration took);
  [[nodiscard]] bool start_server();
  [[nodiscard]] http::Router make_router();
  // Whether the newest Moment may still be believed: not older than three slots.
  [[nodiscard]] bool fresh(const Shown& shown) const;

  [[nodiscard]] http::Response serve_metrics(const http::Request& request);
  [[nodiscard]] http::Response serve_healthy() const;
  [[nodiscard]] http::Response serve_ready() const;
  [[nodiscard]] http::Response serve_reload(const http::Request& request,
                                            const std::stop_token& stop);
  [[nodiscard]] http::Response serve_explain(const http::Request& request) const;

  RunOptions options_;
  Logger& log_;
  SystemClock clock_;
  metrics::SelfMetrics self_;
  std::shared_ptr<const config::Config> config_;
  Published<Shown> shown_;
  metrics::Page stale_page_;  // our own series only
  std::atomic<bool> stopping_ = false;
  std::optional<http::WebConfigFile> web_config_file_;
  std::shared_ptr<const http::WebConfig> web_config_;
  FileWatch file_watch_;

  EventLoop control_;
  std::stop_source stop_;
  std::optional<StepThread> steps_;
  std::optional<SourceSet> sources_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace keelwatch::app
