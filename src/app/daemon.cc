#include "app/daemon.h"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <future>
#include <utility>

#include "app/explain.h"
#include "app/signals.h"
#include "app/version.h"
#include "base/file_watch.h"
#include "base/time_text.h"
#include "config/limits.h"
#include "config/load.h"
#include "http/negotiation.h"
#include "http/runbook_page.h"

namespace keelwatch::app {
namespace {

constexpr int kSlotsUntilStale = 3;
constexpr Duration kDrain = std::chrono::seconds(5);

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
      stale_page_(nullptr, self_, clock_) {
  log_.observe([this](LogLevel level) { self_.log_line(level); });
}

Daemon::~Daemon() { log_.observe({}); }

int Daemon::run() {
  raise_descriptor_limit();
  mallopt(M_ARENA_MAX, 2);  // a dozen threads would otherwise hold an arena each
  Signals signals(control_);
  if (!load_first_config()) return 1;
  load_web_config();
  if (!options_.web_config_file.empty() && !web_config_) return 1;
  steps_.emplace(clock_, log_, config_,
                 [this](std::shared_ptr<const Moment> moment, Duration took) {
                   on_moment(std::move(moment), took);
                 });
  if (!start_server()) return 1;
  sources_.emplace(
      control_, clock_, log_, config_,
      SourceSet::Sinks{.kubernetes = [this](auto slice) { steps_->publish(std::move(slice)); },
                       .postgres = [this](auto slice) { steps_->publish(std::move(slice)); }});

  signals.on(SIGTERM, [this] { stop_.request_stop(); });
  signals.on(SIGINT, [this] { stop_.request_stop(); });
  signals.on(SIGHUP, [this] { (void)reload(); });
  watch_all_files();
  TaskScope scope;
  scope.spawn(watch_files(control_, file_watch_, limits::kFilePollInterval,
                          [this](const auto& paths) { files_changed(paths); }));
  control_.run(stop_.get_token());
  scope.rethrow_failure();

  log_.info("app", "stopping");
  stopping_ = true;
  sources_.reset();
  steps_.reset();
  server_->stop(kDrain);
  log_.info("app", "stopped");
  return 0;
}

bool Daemon::load_first_config() {
  if (options_.config_file.empty()) {
    use_config(std::make_shared<const config::Config>());
    return true;
  }
  config::Loaded loaded = config::load_file(options_.config_file);
  if (loaded.config) {
    if (!loaded.problems.all().empty()) {
      log_.warn("config", "the configuration has warnings", {{"problems", loaded.problems.text()}});
    }
    use_config(std::make_shared<const config::Config>(std::move(*loaded.config)));
    return true;
  }
  log_.error("config", "the configuration is invalid", {{"problems", loaded.problems.text()}});
  if (!options_.tolerate_invalid_config) return false;
  use_config(std::make_shared<const config::Config>());
  self_.config_loaded(false);
  return true;
}

void Daemon::use_config(std::shared_ptr<const config::Config> config) {
  config_ = std::move(config);
  self_.config_loaded(true);
  if (steps_) steps_->set_config(config_);
  if (sources_) sources_->set_config(config_);
}

std::string Daemon::reload() {
  load_web_config();
  if (options_.config_file.empty()) {
    if (sources_) sources_->rediscover();
    return {};
  }
  config::Loaded loaded = config::load_file(options_.config_file);
  if (!loaded.config) {
    self_.config_loaded(false);
    std::string problems = loaded.problems.text();
    log_.error("config", "the new configuration is invalid, the old one stays in force",
               {{"problems", problems}});
    return problems;
  }
  log_.info("config", "configuration loaded", {{"file", options_.config_file}});
  use_config(std::make_shared<const config::Config>(std::move(*loaded.config)));
  watch_all_files();
  return {};
}

void Daemon::load_web_config() {
  if (options_.web_config_file.empty()) return;
  if (!web_config_file_) web_config_file_.emplace(options_.web_config_file);
  auto changed = web_config_file_->reread();
  if (!changed) return;
  if (!*changed) {
    log_.error("http", "the web configuration is invalid", {{"err", changed->error()}});
    return;
  }
  web_config_ = **changed;
  if (server_) server_->set_web_config(web_config_);
}

void Daemon::watch_all_files() {
  std::vector<std::string> files = config::files_of(*config_);
  if (!options_.config_file.empty()) files.push_back(options_.config_file);
  file_watch_.set_files(files);
}

void Daemon::files_changed(const std::vector<std::string>& paths) {
  load_web_config();
  const bool config_changed =
      std::find(paths.begin(), paths.end(), options_.config_file) != paths.end();
  if (config_changed) {
    (void)reload();
  } else if (sources_) {
    log_.info("config", "credentials changed", {{"files", paths.size()}});
    sources_->rediscover();
  }
}

void Daemon::on_moment(std::shared_ptr<const Moment> moment, Duration took) {
  self_.step_done(took, moment->slot);
  auto shown = std::make_shared<const Shown>(std::move(moment), self_, clock_);
  self_.snapshot_published(shown->at);
  shown_.publish(std::move(shown));
}

// The samples live in the Moment; the page only points there.
Daemon::Shown::Shown(std::shared_ptr<const Moment> m, metrics::SelfMetrics& self,
                     const Clock& clock)
    : moment(std::move(m)),
      page(std::shared_ptr<const metrics::Samples>(moment, &moment->samples), self, clock),
      at(clock.steady()) {}

bool Daemon::fresh(const Shown& shown) const {
  return clock_.steady() - shown.at <= kSlotsUntilStale * shown.moment->slot;
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
  using http::Queued;
  using http::Request;
  http::Router router;
  const auto get = [&](const std::string& path, std::function<http::Response(const Request&)> f) {
    router.add("GET", path, Immediate{[this, path, f = std::move(f)](const Request& request) {
                 http::Response response = f(request);
                 self_.http_request(path, response.status);
                 return response;
               }});
  };
  get(options_.telemetry_path, [this](const Request& r) { return serve_metrics(r); });
  get("/-/healthy", [this](const Request&) { return serve_healthy(); });
  get("/-/ready", [this](const Request&) { return serve_ready(); });
  using Query = std::function<http::Response(const Request&, const std::stop_token&)>;
  const auto query = [&](const char* method, const std::string& path, Query f) {
    router.add(
        method, path,
        Queued{[this, path, f = std::move(f)](const Request& request, const std::stop_token& stop) {
          http::Response response = f(request, stop);
          self_.http_request(path, response.status);
          return response;
        }});
  };
  query("GET", "/api/v1/explain",
        [this](const Request& r, const std::stop_token&) { return serve_explain(r); });
  for (const char* method : {"POST", "PUT"}) {
    query(method, "/-/reload",
          [this](const Request& r, const std::stop_token& stop) { return serve_reload(r, stop); });
  }
  http::add_pages(router,
                  {.version = std::string(kVersion), .telemetry_path = options_.telemetry_path});
  return router;
}

http::Response Daemon::serve_metrics(const http::Request& request) {
  const metrics::Format format =
      metrics::negotiate(std::string(request.header("accept").value_or("")));
  const bool gzip = http::prefers_gzip(request.header("accept-encoding").value_or(""));
  const std::shared_ptr<const Shown> shown = shown_.read();
  const metrics::Page& page = shown && fresh(*shown) ? shown->page : stale_page_;
  http::Response response;
  response.content_type = metrics::content_type(format);
  response.headers.push_back({"Vary", "Accept, Accept-Encoding"});
  if (gzip) response.headers.push_back({"Content-Encoding", "gzip"});
  response.body = page.body(format, gzip ? metrics::Encoding::kGzip : metrics::Encoding::kIdentity);
  return response;
}

http::Response Daemon::serve_healthy() const {
  const std::shared_ptr<const Shown> shown = shown_.read();
  if (shown && !fresh(*shown)) {
    return http::Response::text(
        503, "the last step was " + format_duration(clock_.steady() - shown->at) + " ago\n");
  }
  return http::Response::text(200, "healthy\n");
}

http::Response Daemon::serve_ready() const {
  if (stopping_) return http::Response::text(503, "stopping\n");
  const std::shared_ptr<const Shown> shown = shown_.read();
  if (!shown) return http::Response::text(503, "no step has ended yet\n");
  if (!fresh(*shown)) return serve_healthy();
  return http::Response::text(200, "ready\n");
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

http::Response Daemon::serve_explain(const http::Request& request) const {
  const std::shared_ptr<const Shown> shown = shown_.read();
  if (!shown) return http::Response::text(503, "no step has ended yet\n");
  const bool json = request.query_value("format") == std::string_view("json");
  const auto text = explain(*shown->moment, request.query_value("series").value_or(""), json);
  if (!text) {
    return http::Response::text(text.error().code() == ErrorCode::kNotFound ? 404 : 400,
                                text.error().message() + "\n");
  }
  http::Response response = http::Response::text(200, *text);
  if (json) response.content_type = "application/json";
  return response;
}

}  // namespace keelwatch::app
