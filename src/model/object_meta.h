// What Kubernetes objects of every kind have. Optional means "the object does not say".
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/fields.h"

namespace keelwatch::model {

struct ObjectMeta {
  std::string ns;  // empty for cluster-scoped objects
  std::string name;
  std::string uid;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;  // without kubectl's last-applied copy
  std::optional<WallTime> creation_timestamp;
  std::optional<WallTime> deletion_timestamp;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("namespace", &ObjectMeta::ns), field("name", &ObjectMeta::name),
                field("uid", &ObjectMeta::uid), field("labels", &ObjectMeta::labels),
                field("annotations", &ObjectMeta::annotations),
                field("creationTimestamp", &ObjectMeta::creation_timestamp),
                field("deletionTimestamp", &ObjectMeta::deletion_timestamp));
  }
};

// An element of status.conditions (metav1.Condition and its older likes).
struct Condition {
  std::string type;
  std::string status;  // True, False, Unknown
  std::string reason;
  std::string message;
  std::optional<WallTime> since;  // lastTransitionTime

  template <typename With>
  static auto fields(With&& with) {
    return with(field("type", &Condition::type), field("status", &Condition::status),
                field("reason", &Condition::reason), field("message", &Condition::message),
                field("since", &Condition::since));
  }
};

// The first of that type, or nullptr.
[[nodiscard]] inline const Condition* find_condition(const std::vector<Condition>& conditions,
                                                     std::string_view type) {
  for (const Condition& one : conditions) {
    if (one.type == type) return &one;
  }
  return nullptr;
}

}  // namespace keelwatch::model
