// Who may do what at the stand-in of the Kubernetes API: bearer tokens and RBAC as far as a reader
// meets them, with the API server's own texts (pkg/endpoints/handlers/responsewriters/errors.go).
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace keelwatch::standins {

// "*" in a list means any.
struct KubeRule {
  std::vector<std::string> groups;
  std::vector<std::string> resources;  // "pods", "nodes/proxy"
  std::vector<std::string> verbs;
  std::string space;  // "": everywhere; else a Role of this namespace
};

struct KubeUser {
  std::string name;
  std::string token;
  std::vector<KubeRule> rules;
};

// One request, as the authorizer sees it.
struct KubeAttributes {
  std::string verb;  // get, list, watch, create, ...
  std::string group;
  std::string resource;  // "" for a path outside of the resources
  std::string subresource;
  std::string space;
  std::string name;
  std::string path;
};

class KubeAccess {
 public:
  void add(KubeUser user);
  // False when there is no such user.
  bool set_token(std::string_view user, std::string token);
  // A refusal that goes before every rule, of all users.
  void forbid(std::string group, std::string resource, std::string verb);
  void allow(std::string_view group, std::string_view resource, std::string_view verb);

  // The user of the Authorization header; "system:anonymous" without one, nothing with a wrong one.
  [[nodiscard]] std::optional<std::string> user_of(std::string_view authorization,
                                                   std::string_view client_name) const;
  // Nothing when the user may; else the message of the 403.
  [[nodiscard]] std::optional<std::string> refusal(const std::string& user,
                                                   const KubeAttributes& attributes) const;

 private:
  struct Forbidden {
    std::string group;
    std::string resource;
    std::string verb;
    bool operator==(const Forbidden&) const = default;
  };
  [[nodiscard]] bool permits(const std::string& user, const KubeAttributes& attributes) const;

  std::vector<KubeUser> users_;
  std::vector<Forbidden> forbidden_;
};

}  // namespace keelwatch::standins
