#include "app/daemon.h"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <future>
#include <utility>

#include "app/api.h"
#include "app/api_series.h"
#include "app/signals.h"
#include "app/version.h"
#include "config/limits.h"
#include "config/load.h"
#include "http/negotiation.h"
#include "http/runbook_page.h"

namespace keelwatch::app {
namespace {

constexpr Duration kDrain = std::chrono::seconds(2);  // the whole end takes ten at most

// Many connections and watches need descriptors; the soft limit is often 1024.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Daemon::Daemon(RunOptions options, Logger& log)
    : options_(std::move(options)),
      log_(log),
      self_({.version = std::string(kVersion), .revision = std::string(kRevision)}, clock_),
      web_config_file_(options_.web_config_file) {
  log_.observe([this](LogLevel level) { self_.log_line(level); });
}

Daemon::~Daemon() { log_.observe({}); }

int Daemon::run() {
  raise_descriptor_limit();
  mallopt(M_ARENA_MAX, 2);  // a dozen threads would otherwise hold an arena each
  Signals signals(control_);
  watch_all_files();
  const std::string problems = reload();
  if (!web_config_problems_.empty()) return 1;  // never serve without the protection asked for
  if (!problems.empty() && !options_.tolerate_invalid_config) return 1;
  if (!rules_) rules_ = bundled_rules();  // no configuration, or a bad one that is tolerated
  front_.emplace(self_, clock_, config_->step_interval);
  alerting_.emplace(clock_, log_, self_, *config_, rules_, rules_refused_);
  steps_.emplace(clock_, log_, config_,
                 [this](std::shared_ptr<const Moment> moment, Duration took) {
                   self_.step_done(took, moment->slot);
                   try {
                     alerting_->step(*moment);
                   } catch (const std::exception& e) {
                     // Nothing is said to be healthy without an evaluation.
                     log_.error("app", "the rules were not evaluated", {{"err", e.what()}});
                   }
                   front_->show(std::move(moment));
                 });
  if (!start_server()) return 1;
  sources_.emplace(control_, clock_, log_, config_,
                   [this](const model::Slices& news) { steps_->publish(news); });

  signals.on(SIGTERM, [this] { stop_.request_stop(); });
  signals.on(SIGINT, [this] { stop_.request_stop(); });
  signals.on(SIGHUP, [this] { (void)reload(); });
  TaskScope scope;
  scope.spawn(watch_files(control_, file_watch_, limits::kFilePollInterval,
                          [this](const auto& paths) { files_changed(paths); }));
  scope.spawn(watch_web_config());
  scope.spawn(watch_rule_patterns());
  control_.run(stop_.get_token());
  scope.rethrow_failure();

  log_.info("app", "stopping");
  stopping_ = true;
  sources_.reset();
  steps_.reset();
  server_->stop(kDrain);
  alerting_.reset();
  log_.info("app", "stopped");
  return 0;
}

void Daemon::read_config() {
  if (options_.config_file.empty()) {
    if (sources_) sources_->rediscover();
    return;
  }
  config::Loaded loaded = config::load_file(options_.config_file);
  config_problems_ = loaded.config ? "" : loaded.problems.text();
  if (!loaded.config) {
    log_.error("config",
               steps_ ? "the new configuration is invalid, the old one stays in force"
                      : "the configuration is invalid",
               {{"problems", config_problems_}});
    return;
  }
  if (!loaded.problems.all().empty()) {
    log_.warn("config", "the configuration has warnings", {{"problems", loaded.problems.text()}});
  }
  // Bad rules cost nobody the rest of the configuration: the rules of before stay in force.
  std::shared_ptr<const RulesInForce> rules = rules_ ? rules_ : bundled_rules();
  std::string refused;
  const auto read = load_rules(*loaded.config);
  if (read) {
    rules = *read;
    if (!rules->warnings.empty()) {
      log_.warn("config", "the rules have warnings", {{"problems", rules->warnings}});
    }
  } else {
    config_problems_ = refused = read.error().message();
    log_.error("config", "the rules are invalid, those of before stay in force",
               {{"problems", config_problems_}});
  }
  log_.info("config", "configuration loaded", {{"file", options_.config_file}});
  use_config(std::make_shared<const config::Config>(std::move(*loaded.config)), std::move(rules),
             std::move(refused));
}

void Daemon::use_config(std::shared_ptr<const config::Config> config,
                        std::shared_ptr<const RulesInForce> rules, std::string refused) {
  config_ = std::move(config);
  rules_ = std::move(rules);
  rules_refused_ = std::move(refused);
  watch_all_files();
  if (alerting_) alerting_->set_config(*config_, rules_, rules_refused_);
  if (steps_) steps_->set_config(config_);
  if (sources_) sources_->set_config(config_);
}

bool Daemon::read_web_config() {
  if (options_.web_config_file.empty()) return false;
  auto changed = web_config_file_.reread();
  if (!changed) return false;
  web_config_problems_.clear();
  if (!*changed) {
    web_config_problems_ = changed->error().message() + "\n";
    log_.error("http",
               server_ ? "the new web configuration is invalid, the old one stays in force"
                       : "the web configuration is invalid",
               {{"err", changed->error()}});
    return true;
  }
  web_config_ = **changed;
  for (const std::string& warning : web_config_->warnings) {
    log_.warn("http", "the web configuration has a warning", {{"warning", warning}});
  }
  log_.info("http", "web configuration loaded", {{"file", options_.web_config_file}});
  if (server_) server_->set_web_config(web_config_);
  return true;
}

// One verdict about all files.
void Daemon::tell_config() {
  self_.config_loaded(config_problems_.empty() && web_config_problems_.empty());
}

std::string Daemon::reload() {
  read_config();
  read_web_config();
  tell_config();
  return config_problems_ + web_config_problems_;
}

void Daemon::watch_all_files() {
  std::vector<std::string> files = config::files_of(*config_);
  if (!options_.config_file.empty()) files.push_back(options_.config_file);
  rule_files_ = rules::expand_globs(config_->rules.files);
  files.insert(files.end(), rule_files_.begin(), rule_files_.end());
  file_watch_.set_files(files);
}

void Daemon::files_changed(const std::vector<std::string>& paths) {
  const bool config_changed = std::any_of(paths.begin(), paths.end(), [&](const auto& path) {
    return path == options_.config_file ||
           std::find(rule_files_.begin(), rule_files_.end(), path) != rule_files_.end();
  });
  if (config_changed) {
    (void)reload();
  } else if (sources_) {
    log_.info("config", "credentials changed", {{"files", paths.size()}});
    sources_->rediscover();
  }
}

// Which files it names, and what was in them, is known to the web configuration only.
Task<> Daemon::watch_web_config() {
  for (;;) {
    co_await control_.sleep_for(limits::kFilePollInterval);
    if (read_web_config()) tell_config();
  }
}

Task<> Daemon::watch_rule_patterns() {
  for (;;) {
    co_await control_.sleep_for(limits::kFilePollInterval);
    if (rules::expand_globs(config_->rules.files) == rule_files_) continue;
    log_.info("config", "there are other files of rules than before");
    watch_all_files();  // whether or not they can be loaded
    (void)reload();
  }
}

bool Daemon::start_server() {
  auto server = http::Server::start({.listen = options_.listen, .web = web_config_, .limits = {}},
                                    make_router(), clock_, log_);
  if (!server) {
    log_.error("http", "cannot serve", {{"err", server.error()}});
    return false;
  }
  server_ = std::move(*server);
  for (const std::string& address : server_->bound_addresses()) {
    log_.info("http", "listening", {{"address", address}, {"tls", web_config_ != nullptr}});
  }
  return true;
}

http::Router Daemon::make_router() {
  using http::Immediate;
  using http::Request;
  http::Router router;
  const auto get = [&](const std::string& path, std::function<http::Response(const Request&)> f) {
    router.add("GET", path, Immediate{[this, path, f = std::move(f)](const Request& request) {
                 http::Response response = f(request);
                 self_.http_request(path, response.status);
                 return response;
               }});
  };
  get(options_.telemetry_path, [this](const Request& r) { return front_->serve_metrics(r); });
  get("/-/healthy", [this](const Request&) {
    http::Response response = front_->serve_healthy();
    const bool blind = response.status == 200 && alerting_->overdue();
    return blind ? http::Response::text(503, "no rule has been evaluated lately\n") : response;
  });
  get("/-/ready", [this](const Request&) {
    return stopping_ ? http::Response::text(503, "stopping\n") : front_->serve_ready();
  });
  const auto query = [&](const char* method, const std::string& path, Query f) {
    router.add(method, path, counted(path, std::move(f)));
  };
  query("GET", "/api/v1/explain",
        [this](const Request& r, const std::stop_token&) { return front_->serve_explain(r); });
  query("GET", "/api/v1/what-if",
        [this](const Request& r, const std::stop_token&) { return front_->serve_what_if(r); });
  add_queries(router);
  add_alert_pages(router);
  for (const char* method : {"POST", "PUT"}) {
    query(method, "/-/reload",
          [this](const Request& r, const std::stop_token& stop) { return serve_reload(r, stop); });
  }
  http::add_pages(router,
                  {.version = std::string(kVersion), .telemetry_path = options_.telemetry_path});
  return router;
}

http::Handler Daemon::counted(std::string path, Query query) {
  return http::Queued{[this, path = std::move(path), query = std::move(query)](
                          const http::Request& request, const std::stop_token& stop) {
    http::Response response = query(request, stop);
    self_.http_request(path, response.status);
    return response;
  }};
}

void Daemon::add_queries(http::Router& router) {
  using http::Request;
  const auto get = [&](const std::string& path, Query f) {
    router.add("GET", path, counted(path, std::move(f)));
  };
  const auto get_and_post = [&](const std::string& path, const Query& f) {
    for (const char* method : {"GET", "POST"}) router.add(method, path, counted(path, f));
  };
  get_and_post("/api/v1/query", [this](const Request& r, const std::stop_token& stop) {
    return serve_query(alerting_->store(), clock_, r, stop);
  });
  get_and_post("/api/v1/query_range", [this](const Request& r, const std::stop_token& stop) {
    return serve_query_range(alerting_->store(), clock_, r, stop);
  });
  get_and_post("/api/v1/series", [this](const Request& r, const std::stop_token&) {
    return serve_series(alerting_->store(), r);
  });
  get_and_post("/api/v1/labels", [this](const Request& r, const std::stop_token&) {
    return serve_labels(alerting_->store(), r);
  });
  get_and_post("/api/v1/format_query",
               [](const Request& r, const std::stop_token&) { return serve_format_query(r); });
  get_and_post("/api/v1/query_exemplars",
               [](const Request&, const std::stop_token&) { return serve_exemplars(); });
  const std::string label(kLabelPath);
  router.add_prefix("GET", label,
                    counted(label + ":name/values", [this](const Request& r, const auto&) {
                      return serve_label_values(alerting_->store(), r);
                    }));
  get("/api/v1/metadata",
      [](const Request& r, const std::stop_token&) { return serve_metadata(r); });
  get("/api/v1/status/buildinfo",
      [](const Request&, const std::stop_token&) { return serve_buildinfo(); });
}

void Daemon::add_alert_pages(http::Router& router) {
  using http::Request;
  const auto get = [&](const std::string& path, Query f) {
    router.add("GET", path, counted(path, std::move(f)));
  };
  get("/api/v1/targets", [this](const Request&, const std::stop_token&) {
    return serve_targets(front_->moment().get());
  });
  get("/api/v1/alertmanagers", [this](const Request&, const std::stop_token&) {
    return serve_alertmanagers(alerting_->delivery().get());
  });
  get("/api/v1/alerts", [this](const Request&, const std::stop_token&) {
    return serve_alerts(alerting_->view().get());
  });
  get("/api/v1/alerts/history", [this](const Request& r, const std::stop_token&) {
    return serve_history(alerting_->state_file(), r);
  });
  get("/api/v1/rules", [this](const Request& r, const std::stop_token&) {
    return serve_rules(alerting_->view().get(), r);
  });
  get("/api/v1/rules/evaluations", [this](const Request& r, const std::stop_token&) {
    return serve_evaluations(alerting_->view().get(), r);
  });
  for (const char* method : {"GET", "POST"}) {
    router.add_prefix(method, "/api/",
                      http::Immediate{[](const Request&) { return serve_unknown_path(); }});
  }
}

http::Response Daemon::serve_reload(const http::Request& request, const std::stop_token& stop) {
  if (http::is_cross_site(request)) return http::Response::text(403, "from another site\n");
  // Shared with the control thread, which may answer when nobody waits any more.
  const auto outcome = std::make_shared<std::promise<std::string>>();
  std::future<std::string> result = outcome->get_future();
  control_.post([this, outcome] { outcome->set_value(reload()); });
  while (result.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready) {
    if (stop.stop_requested()) return http::Response::text(503, "the reload has not ended yet\n");
  }
  const std::string problems = result.get();
  if (!problems.empty()) return http::Response::text(500, problems);
  return http::Response::text(200, "reloaded\n");
}

}  // namespace keelwatch::app
