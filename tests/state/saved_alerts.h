// Alerts as rules hand them over to be kept, and a folder for the file.
#pragma once

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "rules/alert.h"

namespace keelwatch::state {

inline constexpr WallTime kWall{std::chrono::seconds(1'764'040'000)};

inline rules::Instant instant(Duration since_start) {
  return {kWall + since_start, SteadyTime(std::chrono::hours(5)) + since_start};
}

inline rules::Alert alert(const std::string& pod, rules::AlertState state, rules::Instant since) {
  rules::Alert a;
  a.state = state;
  a.labels = Labels{{"alertname", "Lagging"}, {"pod", pod}};
  a.sample = Labels{{"__name__", "lag"}, {"pod", pod}};
  a.annotations = {{"description", ""}, {"summary", "lag of \"" + pod + "\"\n"}};
  a.value = 0.1;
  a.active_at = since;
  if (state != rules::AlertState::kPending) a.fired_at = since;
  return a;
}

inline std::vector<rules::SavedRule> saved(const std::vector<rules::Alert>& alerts,
                                           rules::Instant now, const std::string& key = "g;r") {
  std::vector<rules::SavedRule> rules = {{key, {}}};
  for (const rules::Alert& a : alerts) rules[0].alerts.push_back(rules::save(a, now));
  return rules;
}

inline rules::Transition transition(const std::string& name, Duration at) {
  return {.labels = Labels{{"alertname", name}},
          .from = rules::AlertState::kPending,
          .to = rules::AlertState::kFiring,
          .at = kWall + at,
          .value = 1.5,
          .reason = "why"};
}

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "keelwatch-state-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] std::string file() const { return path_ / "alerts.db"; }
  // Whether a file whose name contains this is there.
  [[nodiscard]] bool has(const std::string& part) const {
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      if (entry.path().filename().string().find(part) != std::string::npos) return true;
    }
    return false;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace keelwatch::state
