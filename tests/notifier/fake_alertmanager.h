// An Alertmanager whose misbehaviour is chosen by the test. Threads: any.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time_text.h"
#include "tests/support/scripted_server.h"

namespace keelwatch::notifier {

class FakeAlertmanager {
 public:
  enum class Mode {
    kGood,
    kFails,      // 500
    kHangs,      // takes the request and says nothing
    kCuts,       // resets the connection
    kDrops,      // 200, and keeps nothing
    kRefuses,    // 422 for a batch with an alert named Bad...
    kKeepsRest,  // 400 for such a batch, but keeps the others
  };
  struct Alert {
    std::string name;
    std::string json;
    WallTime starts_at{};
    WallTime ends_at{};
  };
  struct Post {
    std::chrono::steady_clock::time_point at;
    std::vector<Alert> alerts;
    std::string authorization;
  };

  explicit FakeAlertmanager(testing::ScriptedServerOptions options = {})
      : server_([this](testing::ScriptedConnection& c) { serve(c); }, std::move(options)) {}

  [[nodiscard]] std::string url() const { return server_.url(""); }
  [[nodiscard]] int port() const { return server_.port(); }
  void set_mode(Mode mode) {
    const std::lock_guard lock(mutex_);
    mode_ = mode;
  }
  // As a process that was started anew: it knows nothing.
  void restart() {
    const std::lock_guard lock(mutex_);
    kept_.clear();
    started_at_ += std::chrono::minutes(1);
  }
  // As another evaluator resolves it.
  void forget(const std::string& name) {
    const std::lock_guard lock(mutex_);
    kept_.erase(name);
  }
  void set_notifications(int requests, int failed) {
    const std::lock_guard lock(mutex_);
    requests_ = requests;
    failed_ = failed;
  }

  [[nodiscard]] std::vector<Post> posts() const {
    const std::lock_guard lock(mutex_);
    return posts_;
  }
  // The names of the alerts that it has and that have not ended, in their order.
  [[nodiscard]] std::string has() const {
    const std::lock_guard lock(mutex_);
    std::string names;
    for (const auto& [name, alert] : kept_) {
      if (alert.ends_at > std::chrono::system_clock::now()) names += name + " ";
    }
    return names;
  }
  [[nodiscard]] std::size_t ended() const {
    const std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (const auto& [name, alert] : kept_) {
      count += alert.ends_at <= std::chrono::system_clock::now() ? 1 : 0;
    }
    return count;
  }
  [[nodiscard]] int times_posted(const std::string& name) const {
    int times = 0;
    for (const Post& post : posts()) {
      for (const Alert& alert : post.alerts) times += alert.name == name ? 1 : 0;
    }
    return times;
  }

 private:
  void serve(testing::ScriptedConnection& connection) {
    while (const auto request = connection.read_request()) {
      const Mode mode = this->mode();
      if (mode == Mode::kHangs) return connection.wait_closed();
      if (mode == Mode::kCuts) return connection.reset();
      if (!connection.send(answer(*request, mode))) return;
    }
  }
  [[nodiscard]] Mode mode() const {
    const std::lock_guard lock(mutex_);
    return mode_;
  }

  std::string answer(const testing::ScriptedRequest& request, Mode mode) {
    using testing::http_response;
    const std::lock_guard lock(mutex_);
    if (mode == Mode::kFails) return http_response(500, "down for maintenance");
    if (request.method == "POST") return take(request, mode);
    if (request.target.starts_with("/api/v2/alerts")) return http_response(200, list());
    if (request.target == "/api/v2/status") return http_response(200, status());
    if (request.target == "/metrics") {
      const std::string of = "{integration=\"webhook\"} ";
      return http_response(200,
                           "alertmanager_notification_requests_total" + of +
                               std::to_string(requests_) +
                               "\nalertmanager_notification_requests_failed_total" + of +
                               std::to_string(failed_) + "\n",
                           "Content-Type: text/plain\r\n");
    }
    return http_response(404, "");
  }

  std::string take(const testing::ScriptedRequest& request, Mode mode) {
    Post post{std::chrono::steady_clock::now(), {}, request.header("authorization")};
    JsonReader reader;
    reader.parse(request.body).for_each([&](JsonValue json) {
      Alert alert;
      alert.name = json["labels"]["alertname"].string().value_or("");
      alert.json = json["labels"].raw();
      alert.starts_at = *parse_rfc3339(json["startsAt"].string().value_or(""));
      alert.ends_at = *parse_rfc3339(json["endsAt"].string().value_or(""));
      post.alerts.push_back(alert);
    });
    posts_.push_back(post);
    bool bad = false;
    for (const Alert& alert : post.alerts) bad = bad || alert.name.starts_with("Bad");
    if (bad && mode == Mode::kRefuses) return testing::http_response(422, "invalid");
    if (mode != Mode::kDrops) {
      for (const Alert& alert : post.alerts) {
        if (mode != Mode::kKeepsRest || !alert.name.starts_with("Bad")) kept_[alert.name] = alert;
      }
    }
    if (bad && mode == Mode::kKeepsRest) return testing::http_response(400, "bad name");
    return testing::http_response(200, "");
  }

  [[nodiscard]] std::string list() const {
    JsonWriter json;
    json.begin_array();
    for (const auto& [name, alert] : kept_) {
      if (alert.ends_at <= std::chrono::system_clock::now()) continue;
      json.begin_object().key("labels").raw(alert.json);
      json.member("startsAt", format_rfc3339(alert.starts_at));
      json.key("receivers").begin_array().begin_object().member("name", "phone").end_object();
      json.end_array().end_object();
    }
    json.end_array();
    return json.take();
  }
  [[nodiscard]] std::string status() const {
    JsonWriter json;
    json.begin_object().member("uptime", format_rfc3339(started_at_));
    json.key("config").begin_object();
    json.member("original", "receivers:\n- name: phone\n  webhook_configs:\n  - url: x\n");
    json.end_object().end_object();
    return json.take();
  }

  mutable std::mutex mutex_;
  Mode mode_ = Mode::kGood;
  WallTime started_at_{std::chrono::seconds(1'764'000'000)};
  int requests_ = 0;
  int failed_ = 0;
  std::map<std::string, Alert> kept_;
  std::vector<Post> posts_;
  testing::ScriptedServer server_;  // last: its threads use all of the above
};

}  // namespace keelwatch::notifier
