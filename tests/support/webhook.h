// Hears what an Alertmanager tells: its webhook.
#pragma once

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include "base/json.h"
#include "tests/support/scripted_server.h"

namespace keelwatch::testing {

// What reaches the webhook: "A firing", "A resolved", ...
class Webhook {
 public:
  [[nodiscard]] std::string url() const { return server_.url("/"); }
  [[nodiscard]] int times(const std::string& what) const {
    const std::lock_guard lock(mutex_);
    return static_cast<int>(std::ranges::count(heard_, what));
  }
  void set_status(int status) {
    const std::lock_guard lock(mutex_);
    status_ = status;
  }

 private:
  std::string answer(const ScriptedRequest& request) {
    const std::lock_guard lock(mutex_);
    if (status_ != 200) return http_response(status_, "");
    JsonReader reader;
    reader.parse(request.body)["alerts"].for_each([&](JsonValue alert) {
      heard_.push_back(std::string(alert["labels"]["alertname"].string().value_or("")) + " " +
                       std::string(alert["status"].string().value_or("")));
    });
    return http_response(200, "");
  }

  mutable std::mutex mutex_;
  std::vector<std::string> heard_;
  int status_ = 200;
  ScriptedServer server_{answer_each([this](const ScriptedRequest& r) { return answer(r); })};
};

}  // namespace keelwatch::testing
