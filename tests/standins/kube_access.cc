#include "tests/standins/kube_access.h"

#include <algorithm>

namespace keelwatch::standins {

namespace {

constexpr std::string_view kAnonymous = "system:anonymous";

bool has(const std::vector<std::string>& list, std::string_view word) {
  return std::any_of(list.begin(), list.end(),
                     [&](const std::string& one) { return one == "*" || one == word; });
}

bool is_public(std::string_view path) {  // ClusterRole system:public-info-viewer
  return path == "/version" || path.starts_with("/healthz") || path.starts_with("/livez") ||
         path.starts_with("/readyz");
}

std::string full_resource(const KubeAttributes& attributes) {
  return attributes.subresource.empty() ? attributes.resource
                                        : attributes.resource + "/" + attributes.subresource;
}

}  // namespace

void KubeAccess::add(KubeUser user) { users_.push_back(std::move(user)); }

bool KubeAccess::set_token(std::string_view user, std::string token) {
  for (KubeUser& one : users_) {
    if (one.name != user) continue;
    one.token = std::move(token);
    return true;
  }
  return false;
}

void KubeAccess::forbid(std::string group, std::string resource, std::string verb) {
  forbidden_.push_back({std::move(group), std::move(resource), std::move(verb)});
}

void KubeAccess::allow(std::string_view group, std::string_view resource, std::string_view verb) {
  std::erase(forbidden_, Forbidden{std::string(group), std::string(resource), std::string(verb)});
}

std::optional<std::string> KubeAccess::user_of(std::string_view authorization,
                                               std::string_view client_name) const {
  if (!client_name.empty()) return std::string(client_name);
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme)) return std::string(kAnonymous);
  const std::string_view token = authorization.substr(kScheme.size());
  for (const KubeUser& user : users_) {
    if (user.token == token) return user.name;
  }
  return std::nullopt;
}

bool KubeAccess::permits(const std::string& user, const KubeAttributes& attributes) const {
  if (attributes.resource.empty()) return is_public(attributes.path) || user != kAnonymous;
  const std::string resource = full_resource(attributes);
  const auto matches = [](std::string_view pattern, std::string_view text) {
    return pattern == "*" || pattern == text;
  };
  for (const Forbidden& f : forbidden_) {
    if (matches(f.group, attributes.group) && matches(f.resource, resource) &&
        matches(f.verb, attributes.verb)) {
      return false;
    }
  }
  for (const KubeUser& one : users_) {
    if (one.name != user) continue;
    for (const KubeRule& rule : one.rules) {
      if (has(rule.groups, attributes.group) && has(rule.resources, resource) &&
          has(rule.verbs, attributes.verb) &&
          (rule.space.empty() || rule.space == attributes.space)) {
        return true;
      }
    }
  }
  return false;
}

std::optional<std::string> KubeAccess::refusal(const std::string& user,
                                               const KubeAttributes& attributes) const {
  if (permits(user, attributes)) return std::nullopt;
  const std::string who = "User \"" + user + "\" cannot " + attributes.verb;
  if (attributes.resource.empty()) {
    return "forbidden: " + who + " path \"" + attributes.path + "\"";
  }
  std::string text = attributes.resource;
  if (!attributes.group.empty()) text += "." + attributes.group;
  if (!attributes.name.empty()) text += " \"" + attributes.name + "\"";
  text += " is forbidden: " + who + " resource \"" + full_resource(attributes) +
          "\" in API group \"" + attributes.group + "\"";
  text += attributes.space.empty() ? " at the cluster scope"
                                   : " in the namespace \"" + attributes.space + "\"";
  return text;
}

}  // namespace keelwatch::standins
