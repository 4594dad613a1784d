// The rules of PrometheusRule objects. Each object is read once per version; what is wrong with it
// leaves the rules of its last good version in force. While the API does not answer, all stay.
// Threads: one.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/observed.h"
#include "model/kubernetes.h"
#include "rules/rule_file.h"

namespace keelwatch::app {

class ClusterRules {
 public:
  // What the name of the "file" of such a rule begins with: "PrometheusRule monitoring/pg".
  static constexpr std::string_view kFile = "PrometheusRule ";

  // Whether groups or problems are others than before.
  bool take(const Observed<model::ObjectList<model::PrometheusRule>>& objects);

  // Whether it is known which objects there are: not before their first listing.
  [[nodiscard]] bool known() const { return known_; }
  // By namespace and name of their objects.
  [[nodiscard]] std::vector<rules::RuleGroup> groups() const;
  // "PrometheusRule monitoring/pg: group g: alert X: expr: unknown function "tme"".
  [[nodiscard]] std::vector<std::string> problems() const;

 private:
  struct Object {
    std::shared_ptr<const model::PrometheusRule> seen;
    std::vector<rules::RuleGroup> groups;  // of the last good version
    std::vector<std::string> problems;     // of the newest
  };
  static void read(const std::string& name, Object& object);

  std::map<std::string, Object> objects_;  // by "namespace/name"
  bool known_ = false;
};

}  // namespace keelwatch::app
