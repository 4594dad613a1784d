#include "app/cluster_rules.h"

#include <algorithm>
#include <set>
#include <utility>

namespace keelwatch::app {

bool ClusterRules::take(const Observed<model::ObjectList<model::PrometheusRule>>& objects) {
  const auto* list = objects.if_known();
  if (list == nullptr && objects.why().absence == Absence::kUnknown) return false;
  bool changed = !std::exchange(known_, true);
  std::set<std::string> names;
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const std::shared_ptr<const model::PrometheusRule>& seen = (*list)[i];
    const std::string name = seen->meta.ns + "/" + seen->meta.name;
    names.insert(name);
    Object& object = objects_[name];
    if (object.seen == seen) continue;
    const bool same = object.seen != nullptr && object.seen->spec == seen->spec;
    object.seen = seen;
    if (same) continue;
    read(name, object);
    changed = true;
  }
  const std::size_t gone =
      std::erase_if(objects_, [&](const auto& entry) { return !names.contains(entry.first); });
  return changed || gone > 0;
}

// JSON is YAML: the reader of rule files takes it, and says the same of it.
void ClusterRules::read(const std::string& name, Object& object) {
  object.problems.clear();
  const std::string file = std::string(kFile) + name;
  if (object.seen->spec.empty()) {
    object.problems.push_back(file + ": it has no spec, or one that cannot be decoded");
    return;
  }
  Diagnostics problems(SourceFile(
      file,
      R"({"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "spec": )" +
          object.seen->spec + "}",
      SourceFile::Text::kHidden));
  std::optional<rules::RuleFile> read =
      rules::parse_rule_file(problems, {.ignore_unknown = false, .name_groups = true});
  for (const Diagnostic& one : problems.all()) {
    if (one.severity != Severity::kError) continue;
    std::string text = file;
    if (!one.subject.empty()) text += ": " + one.subject;
    text += ": " + one.problem;
    if (!one.remedy.empty()) text += " (" + one.remedy + ")";
    object.problems.push_back(std::move(text));
  }
  if (read) object.groups = std::move(read->groups);
}

std::vector<rules::RuleGroup> ClusterRules::groups() const {
  std::vector<rules::RuleGroup> all;
  for (const auto& [name, object] : objects_) {
    all.insert(all.end(), object.groups.begin(), object.groups.end());
  }
  return all;
}

std::vector<std::string> ClusterRules::problems() const {
  std::vector<std::string> all;
  for (const auto& [name, object] : objects_) {
    all.insert(all.end(), object.problems.begin(), object.problems.end());
  }
  return all;
}

}  // namespace keelwatch::app
