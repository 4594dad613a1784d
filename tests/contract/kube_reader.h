// Reading a KubeServer with nothing between the test and the wire.
#pragma once

#include <catch2/catch.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/contract/kube_api.h"

namespace keelwatch::testing {

using Json = nlohmann::json;

inline Json get_json(const KubeServer& server, const std::string& target, int status = 200) {
  const RawResponse response = raw_get(server.reader(), target);
  INFO(target << ": " << response.body.substr(0, 2000));
  REQUIRE(response.status == status);
  CHECK(response.header("content-type") == "application/json");
  return Json::parse(response.body);
}

inline std::vector<std::string> names_of(const Json& list) {
  std::vector<std::string> names;
  for (const Json& item : list.at("items")) names.push_back(item["metadata"]["name"]);
  return names;
}

inline std::string version_of(const Json& object) {
  return object.at("metadata").at("resourceVersion");
}

// ConfigMaps are the plainest objects: no defaults, no validation, no status.
inline std::string config_map(const std::string& space, const std::string& name,
                              const std::string& value = "1", const std::string& label = "a") {
  return Json{{"apiVersion", "v1"},
              {"kind", "ConfigMap"},
              {"metadata", {{"name", name}, {"namespace", space}, {"labels", {{"of", label}}}}},
              {"data", {{"value", value}}}}
      .dump();
}

inline KubeRef config_map_ref(const std::string& space, const std::string& name) {
  return {"v1", "ConfigMap", space, name};
}

// An open watch, event by event.
class WatchReader {
 public:
  WatchReader(const KubeServer& server, const std::string& target)
      : http_(server.reader()), head_(http_.open(target)) {}

  [[nodiscard]] const RawResponse& head() const { return head_; }

  // The next event; nothing at the clean end. Checks that a chunk ends where a line ends.
  std::optional<Json> next(std::chrono::milliseconds deadline = std::chrono::seconds(20)) {
    if (waiting_.empty()) {
      auto chunk = http_.next_chunk(deadline);
      if (!chunk) return std::nullopt;
      CHECK(chunk->back() == '\n');
      waiting_ = std::move(*chunk);
    }
    const std::size_t end = waiting_.find('\n');
    const Json event = Json::parse(waiting_.substr(0, end));
    waiting_.erase(0, end + 1);
    return event;
  }

  // "ADDED one" of the next event.
  std::string next_brief() {
    const auto event = next();
    if (!event) return "end";
    const Json& metadata = event->at("object").at("metadata");
    return event->at("type").get<std::string>() + " " + metadata.value("name", "");
  }

 private:
  RawHttp http_;
  RawResponse head_;
  std::string waiting_;
};

}  // namespace keelwatch::testing
