// `keelwatch run`: sources, step thread and HTTP server under one roof, with reload and an orderly
// end.
//
// Threads: run() is the control thread. It owns the configuration, takes the signals, watches files
// and hands targets to the sources; nothing that others wait for happens on it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/alerting.h"
#include "app/front.h"
#include "app/source_set.h"
#include "app/step_thread.h"
#include "base/clock.h"
#include "base/event_loop.h"
#include "base/file_watch.h"
#include "base/log.h"
#include "base/task.h"
#include "config/config.h"
#include "http/server.h"
#include "http/web_config.h"
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
  // What is wrong with the files is kept in *_problems_; what was in force before stays so.
  void read_config();
  // Whether there was anything new.
  bool read_web_config();
  void tell_config();
  // The problems of all files as text; empty if what they say is in force.
  [[nodiscard]] std::string reload();
  // `refused`: what is wrong with the rules that were read.
  void use_config(std::shared_ptr<const config::Config> config,
                  std::shared_ptr<const RulesInForce> rules, std::string refused);
  void watch_all_files();
  [[nodiscard]] Task<> watch_web_config();
  // Files that appear or disappear where rules.files looks.
  [[nodiscard]] Task<> watch_rule_patterns();
  void files_changed(const std::vector<std::string>& paths);
  [[nodiscard]] bool start_server();
  [[nodiscard]] http::Router make_router();
  using Query = std::function<http::Response(const http::Request&, const std::stop_token&)>;
  // On a query worker, and counted under that path.
  [[nodiscard]] http::Handler counted(std::string path, Query query);
  void add_queries(http::Router& router);
  void add_alert_pages(http::Router& router);
  [[nodiscard]] http::Response serve_reload(const http::Request& request,
                                            const std::stop_token& stop);

  RunOptions options_;
  Logger& log_;
  SystemClock clock_;
  metrics::SelfMetrics self_;
  std::shared_ptr<const config::Config> config_ = std::make_shared<const config::Config>();
  std::shared_ptr<const RulesInForce> rules_;
  std::string rules_refused_;            // what is wrong with those that were read last
  std::vector<std::string> rule_files_;  // that are watched
  std::string config_problems_;          // of the last reading
  http::WebConfigFile web_config_file_;
  std::shared_ptr<const http::WebConfig> web_config_;
  std::string web_config_problems_;
  std::optional<Front> front_;
  std::atomic<bool> stopping_ = false;
  FileWatch file_watch_;

  EventLoop control_;
  std::stop_source stop_;
  std::optional<Alerting> alerting_;
  std::optional<StepThread> steps_;
  std::optional<SourceSet> sources_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace keelwatch::app
