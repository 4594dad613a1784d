// What the Kubernetes API answers to one request without a watch: Status objects, lists, single
// objects. Pure functions of the store and the request, with the API server's own texts
// (apimachinery pkg/api/errors/errors.go, apiserver pkg/storage/etcd3).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tests/standins/http_server.h"

#include "tests/standins/kube_selectors.h"
#include "tests/standins/kube_store.h"

namespace keelwatch::standins {

// /api/v1/namespaces/NS/pods/NAME/log taken apart.
struct KubePath {
  bool is_resource = false;
  std::string group;
  std::string version;
  std::string space;
  std::string resource;
  std::string name;
  std::string subresource;
};
KubePath parse_kube_path(std::string_view path);

// The verb that RBAC sees: get, list, watch, create, update, patch, delete, deletecollection.
std::string kube_verb(const ServerRequest& request, const KubePath& path);

// A Status object. `details` is JSON or empty.
std::string status_text(int code, std::string_view reason, std::string_view message,
                        std::string_view details = "", std::string_view continue_token = "");
ServerReply status_reply(int code, std::string_view reason, std::string_view message,
                         std::string_view details = "");
ServerReply json_reply(std::string body);
ServerReply page_not_found();
// The 404 of a resource that is not there: a Status object where the group is built in, plain text
// where it is custom or unknown.
ServerReply no_such_resource(const KubeStore& store, const KubePath& path);

// Which objects of a resource a list or watch selects.
struct KubeSelection {
  std::string space;
  LabelSelector labels;
  std::vector<FieldRequirement> fields;

  [[nodiscard]] bool has_selector() const { return !labels.empty() || !fields.empty(); }
  [[nodiscard]] bool matches(const KubeObject& object) const;
};
// Throws BadKubeRequest.
KubeSelection parse_selection(const ServerRequest& request, const KubePath& path,
                              const KubeResource& resource);

// The 400, 410 or 504 that a request deserves.
struct BadKubeRequest {
  ServerReply reply;
};

// The value of resourceVersion as a number, 0 when absent. Throws BadKubeRequest.
std::uint64_t parse_resource_version(const ServerRequest& request);

ServerReply answer_list(const KubeStore& store, const KubeResource& resource,
                        const ServerRequest& request, const KubePath& path);
ServerReply answer_get(const KubeStore& store, const KubeResource& resource, const KubePath& path);

// /api, /apis, /api/v1, /apis/GROUP, /apis/GROUP/VERSION, /version, /livez...; nothing for others.
std::optional<ServerReply> answer_discovery(const KubeStore& store, std::string_view path,
                                            std::string_view version);

}  // namespace keelwatch::standins
