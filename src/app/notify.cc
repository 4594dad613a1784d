#include "app/notify.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "app/terminal.h"
#include "base/event_loop.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/resolver.h"
#include "config/load.h"

namespace keelwatch::app {
namespace {

std::optional<config::Alerts> settings_of(const NotifyTestOptions& options) {
  config::Alerts settings;
  if (!options.config_file.empty()) {
    config::Loaded loaded = config::load_file(options.config_file);
    if (!loaded.problems.all().empty()) print_stderr(loaded.problems.text());
    if (!loaded.config) return std::nullopt;
    settings = std::move(loaded.config->alerts);
  }
  if (options.alertmanagers.empty()) return settings;
  settings.alertmanagers.clear();
  for (const std::string& url : options.alertmanagers) {
    settings.alertmanagers.emplace_back().url = url;
  }
  return settings;
}

// One after the other where a name has several addresses, all names side by side.
Task<> test_all(notifier::NotifierContext context, config::Alertmanager settings,
                notifier::OutgoingPtr alert, notifier::TestPageOptions options,
                std::vector<notifier::TestReport>& out, int& running) {
  const auto endpoints = co_await notifier::find_endpoints(context, settings);
  if (!endpoints) {
    out.push_back(
        {settings.url, {{"found", notifier::Outcome::kBad, endpoints.error().message()}}});
  } else {
    for (const notifier::Endpoint& endpoint : *endpoints) {
      out.push_back(co_await notifier::send_test_page(context, endpoint, alert, options));
    }
  }
  --running;
}

Task<std::vector<notifier::TestReport>> test_everyone(notifier::NotifierContext context,
                                                      const config::Alerts& settings,
                                                      notifier::OutgoingPtr alert,
                                                      notifier::TestPageOptions options) {
  std::vector<notifier::TestReport> reports;
  int running = 0;
  TaskScope scope;
  for (const config::Alertmanager& one : settings.alertmanagers) {
    ++running;
    scope.spawn(test_all(context, one, alert, options, reports, running));
  }
  while (running > 0) {
    co_await context.loop.sleep_for(std::chrono::milliseconds(20));
    scope.rethrow_failure();
  }
  std::ranges::sort(reports, {}, &notifier::TestReport::alertmanager);
  co_return reports;
}

}  // namespace

std::string to_text(const std::vector<notifier::TestReport>& reports) {
  std::string text;
  for (const notifier::TestReport& report : reports) {
    text += printable(report.alertmanager) + "\n";
    for (const notifier::TestStep& step : report.steps) {
      std::string line = fmt::format("  {:<13} {:<8} {}", step.what, to_string(step.outcome),
                                     printable(step.detail));
      line.erase(line.find_last_not_of(' ') + 1);
      text += line + "\n";
    }
  }
  return text;
}

std::string to_json(const std::vector<notifier::TestReport>& reports) {
  JsonWriter json;
  json.begin_array();
  for (const notifier::TestReport& report : reports) {
    json.begin_object().member("alertmanager", report.alertmanager).member("told", report.good());
    json.key("steps").begin_array();
    for (const notifier::TestStep& step : report.steps) {
      json.begin_object().member("step", step.what);
      json.member("outcome", to_string(step.outcome)).member("detail", step.detail).end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
  return json.take() + "\n";
}

int notify_test_command(const NotifyTestOptions& options, Logger& log) {
  const std::optional<config::Alerts> settings = settings_of(options);
  if (!settings) return 1;
  notifier::TestPageOptions page;
  page.notified_within = options.wait;
  for (const std::string& label : options.labels) {
    const std::size_t equals = label.find('=');
    if (equals == 0 || equals == label.npos) {
      print_error(Error(ErrorCode::kInvalid, label + " is no label like severity=warning"));
      return 2;
    }
    page.labels.emplace_back(label.substr(0, equals), label.substr(equals + 1));
  }
  if (settings->alertmanagers.empty()) {
    print_error(Error(ErrorCode::kInvalid,
                      "no Alertmanager is configured: set alerts.alertmanagers, or name one with "
                      "--alertmanager"));
    return 1;
  }
  const Result<notifier::Wording> wording = notifier::Wording::compile(*settings);
  if (!wording) {
    print_error(wording.error());
    return 1;
  }
  const SystemClock clock;
  EventLoop loop;
  Resolver resolver(loop);
  HttpClient http(loop, resolver);
  const notifier::OutgoingPtr alert = wording->word(notifier::test_notice(page, clock.wall()));
  const auto reports = loop.block_on(
      test_everyone({loop, resolver, http, clock, log}, *settings, alert, std::move(page)));
  const bool good = std::ranges::all_of(reports, &notifier::TestReport::good);
  return print_data(options.json ? to_json(reports) : to_text(reports), good ? 0 : 1);
}

}  // namespace keelwatch::app
