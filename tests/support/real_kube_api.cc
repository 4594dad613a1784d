#include "tests/support/real_kube_api.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/standins/kube_catalogue.h"

namespace keelwatch::testing {

using Json = nlohmann::ordered_json;
using standins::KubeRef;
using standins::KubeResource;

namespace {

const std::string kScript = KEELWATCH_SOURCE_DIR "/tests/peers/kube-apiserver";
const std::string kReader = "keelwatch";  // name of its namespace, ServiceAccount and ClusterRole
const std::string kCrds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
// A field that the definition does not have is refused instead of dropped in silence.
const std::string kStrict = "?fieldValidation=Strict";

std::string contents_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string first_line_of(const std::string& path) {
  const std::string text = contents_of(path);
  return text.substr(0, text.find('\n'));
}

std::vector<KubeResource> all_resources() {
  std::vector<KubeResource> all = standins::built_in_resources();
  for (KubeResource& one : standins::known_custom_resources("*")) all.push_back(std::move(one));
  return all;
}

KubeResource resource_of(const std::string& api_version, const std::string& kind) {
  for (KubeResource& one : all_resources()) {
    if (one.api_version() == api_version && one.kind == kind) return std::move(one);
  }
  throw std::runtime_error("not in kube_catalogue.cc: " + kind + " of " + api_version);
}

std::string collection_of(const KubeResource& resource, const std::string& space) {
  std::string path = resource.group.empty() ? "/api/" : "/apis/" + resource.group + "/";
  path += resource.version + "/";
  if (resource.namespaced && !space.empty()) path += "namespaces/" + space + "/";
  return path + resource.plural;
}

std::string path_of(const KubeRef& ref) {
  return collection_of(resource_of(ref.api_version, ref.kind), ref.space) + "/" + ref.name;
}

// Polls a real server; 30 s is far beyond what any of its caches needs.
template <typename Condition>
void await(const std::string& what, Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("kube-apiserver: gave up waiting until " + what);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// The newest definition of each custom resource of a group below KEELWATCH_CRDS, by its name.
// Versions stand in folder names: strverscmp sorts them.
std::map<std::string, std::string> definitions_of(const std::string& group) {
  const char* root = std::getenv("KEELWATCH_CRDS");
  if (root == nullptr) throw std::runtime_error("KEELWATCH_CRDS names no folder of definitions");
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return ::strverscmp(a.c_str(), b.c_str()) < 0; });
  std::map<std::string, std::string> definitions;
  for (const auto& file : files) {
    const std::string text = "\n" + contents_of(file);
    for (std::size_t at = 0; at != std::string::npos;) {
      const std::size_t end = text.find("\n---", at);
      const std::string document = text.substr(at, end - at);
      at = end == std::string::npos ? end : text.find('\n', end + 1);
      if (document.find("\nkind: CustomResourceDefinition") == std::string::npos) continue;
      const std::string suffix = "." + group + "\n";
      const std::size_t name_end = document.find(suffix);
      const std::size_t name = document.rfind("name: ", name_end);
      if (name_end == std::string::npos || name == std::string::npos) continue;
      const std::string plural = document.substr(name + 6, name_end - name - 6);
      if (plural.find_first_of(" .\n") != std::string::npos) continue;
      definitions[plural + "." + group] = document;
    }
  }
  if (definitions.empty()) throw std::runtime_error("no definitions of " + group + " in " + root);
  return definitions;
}

}  // namespace

std::optional<std::string> RealKubeApi::missing() {
  for (const char* tool : {"etcd", "curl", "openssl"}) {
    if (std::system(("command -v " + std::string(tool) + " >/dev/null").c_str()) != 0) {
      return std::string(tool) + " not found";
    }
  }
  const int built =
      std::system(KEELWATCH_SOURCE_DIR "/tests/peers/build kube-apiserver >/dev/null");
  if (built != 0) return "tests/peers/build kube-apiserver failed";
  if (std::getenv("KEELWATCH_CRDS") == nullptr) return "KEELWATCH_CRDS is not set";
  return std::nullopt;
}

RealKubeApi::RealKubeApi() {
  std::string folder = std::filesystem::temp_directory_path() / "keelwatch-kube-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("mkdtemp " + folder);
  folder_ = folder;
  run_script("start");
  admin_ = {first_line_of(folder_ + "/url"), contents_of(folder_ + "/ca.pem"),
            first_line_of(folder_ + "/admin-token")};
  make_reader();
}

RealKubeApi::~RealKubeApi() {
  try {
    run_script("stop");
    std::filesystem::remove_all(folder_);
  } catch (const std::exception&) {
    // The script's watcher stops the servers when this process ends.
  }
}

void RealKubeApi::run_script(const std::string& verb) {
  std::string command = kScript + " " + verb + " " + folder_;
  if (verb == "start") command += " " + std::to_string(::getpid());
  if (std::system(command.c_str()) != 0) throw std::runtime_error(command + " failed");
}

RawResponse RealKubeApi::request(std::string_view method, const std::string& target,
                                 std::string_view body, std::string_view content_type,
                                 const std::set<int>& accepted) {
  RawResponse response;
  bool repeated = false;
  for (bool again = connection_ != nullptr;; again = false) {
    if (!connection_) connection_ = std::make_unique<RawHttp>(admin_);
    try {
      response = connection_->request(method, target, body, content_type);
      break;
    } catch (const RawHttpError&) {
      connection_.reset();  // kept alive too long: once more on a new one
      if (!again) throw;
      repeated = true;
    }
  }
  // What the first request made before its connection was lost is there.
  if (repeated && method == "POST" && response.status == 409) return response;
  if (response.status / 100 != 2 && !accepted.contains(response.status)) {
    throw std::runtime_error(std::string(method) + " " + target + ": " +
                             std::to_string(response.status) + " " + response.body);
  }
  return response;
}

int RealKubeApi::reader_status(const std::string& token, const std::string& target) const {
  return raw_get({admin_.url, admin_.ca_pem, token}, target).status;
}

void RealKubeApi::ensure_namespace(const std::string& name) {
  if (name.empty() || !namespaces_.insert(name).second) return;
  const Json space{{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", name}}}};
  request("POST", "/api/v1/namespaces", space.dump(), "application/json", {409});
}

void RealKubeApi::make_reader() {
  ensure_namespace(kReader);
  const std::string path = "/api/v1/namespaces/" + kReader + "/serviceaccounts";
  request("POST", path, Json{{"metadata", {{"name", kReader}}}}.dump());
  write_rights();
  const Json binding{
      {"metadata", {{"name", kReader}}},
      {"roleRef",
       {{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "ClusterRole"}, {"name", kReader}}},
      {"subjects",
       Json::array({{{"kind", "ServiceAccount"}, {"name", kReader}, {"namespace", kReader}}})}};
  request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding.dump());
  reader_token_ = new_token();
  await_right("", "pods", true);
}

void RealKubeApi::write_rights() {
  Json rules = Json::array();
  for (const KubeResource& one : all_resources()) {
    if (forbidden_.contains({one.group, one.plural})) continue;
    rules.push_back({{"apiGroups", {one.group}},
                     {"resources", {one.plural}},
                     {"verbs", {"get", "list", "watch"}}});
  }
  const Json role{{"metadata", {{"name", kReader}}}, {"rules", rules}};
  const std::string path = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
  const int status =
      request("PUT", path + "/" + kReader, role.dump(), "application/json", {404}).status;
  if (status == 404) request("POST", path, role.dump());
}

void RealKubeApi::await_right(const std::string& group, const std::string& resource, bool allowed) {
  for (const KubeResource& one : all_resources()) {
    if (one.group != group || one.plural != resource) continue;
    await(resource + " is " + (allowed ? "allowed" : "forbidden"), [&] {
      return (reader_status(reader_token_, collection_of(one, "") + "?limit=1") == 403) != allowed;
    });
    return;
  }
  throw std::runtime_error("not in kube_catalogue.cc: " + resource + "." + group);
}

void RealKubeApi::forbid(const std::string& group, const std::string& resource) {
  forbidden_.insert({group, resource});
  write_rights();
  await_right(group, resource, false);
}

void RealKubeApi::allow(const std::string& group, const std::string& resource) {
  forbidden_.erase({group, resource});
  write_rights();
  await_right(group, resource, true);
}

void RealKubeApi::allow_all() {
  while (!forbidden_.empty()) {
    const auto [group, resource] = *forbidden_.begin();
    allow(group, resource);
  }
}

// A token that dies with its Secret: the one way to revoke a ServiceAccount's token at once.
std::string RealKubeApi::new_token() {
  token_secret_ = "token-" + std::to_string(++tokens_made_);
  const std::string base = "/api/v1/namespaces/" + kReader;
  const auto secret = Json::parse(
      request("POST", base + "/secrets", Json{{"metadata", {{"name", token_secret_}}}}.dump())
          .body);
  const Json asked{{"spec",
                    {{"expirationSeconds", 86400},
                     {"boundObjectRef",
                      {{"kind", "Secret"},
                       {"apiVersion", "v1"},
                       {"name", token_secret_},
                       {"uid", secret["metadata"]["uid"]}}}}}};
  const auto made = Json::parse(
      request("POST", base + "/serviceaccounts/" + kReader + "/token", asked.dump()).body);
  return made["status"]["token"].get<std::string>();
}

std::string RealKubeApi::rotate_token() {
  const std::string old_token = std::exchange(reader_token_, "");
  const std::string old_secret = token_secret_;
  reader_token_ = new_token();
  request("DELETE", "/api/v1/namespaces/" + kReader + "/secrets/" + old_secret);
  await("the old token is refused",
        [&] { return reader_status(old_token, "/api/v1/pods?limit=1") == 401; });
  return reader_token_;
}

void RealKubeApi::install(const std::string& group) {
  for (const auto& [name, definition] : definitions_of(group)) {
    request("POST", kCrds, definition, "application/yaml", {409});
  }
  await_served(group);
}

void RealKubeApi::upgrade(const std::string& group) {
  for (const auto& [name, definition] : definitions_of(group)) {
    request("PATCH", kCrds + "/" + name + "?fieldManager=upgrade&force=true", definition,
            "application/apply-patch+yaml");
  }
  await_served(group);
}

void RealKubeApi::await_served(const std::string& group) {
  for (const KubeResource& one : standins::known_custom_resources(group)) {
    if (request("GET", kCrds + "/" + one.qualified(), "", "", {404}).status == 404) continue;
    await(one.qualified() + " is served", [&] {
      return request("GET", collection_of(one, "") + "?limit=1", "", "", {404, 429, 503}).status ==
             200;
    });
  }
}

void RealKubeApi::uninstall(const std::string& group, const std::string& plural) {
  for (const auto& [name, definition] : definitions_of(group)) {
    if (!plural.empty() && name != plural + "." + group) continue;
    request("DELETE", kCrds + "/" + name, "", "", {404});
  }
  for (const KubeResource& one : standins::known_custom_resources(group)) {
    if (!plural.empty() && one.plural != plural) continue;
    await(one.qualified() + " is gone", [&] {
      return request("GET", collection_of(one, "") + "?limit=1", "", "", {404, 429, 503}).status ==
             404;
    });
  }
}

void RealKubeApi::put(std::string_view json) {
  Json object = Json::parse(json);
  const KubeResource resource = resource_of(object.at("apiVersion"), object.at("kind"));
  std::string space;
  if (resource.namespaced) {
    space = object.at("metadata").value("namespace", "default");
    ensure_namespace(space);
  }
  const std::string collection = collection_of(resource, space);
  const std::string path = collection + "/" + object.at("metadata").at("name").get<std::string>();
  const RawResponse made =
      request("POST", collection + kStrict, object.dump(), "application/json", {409});
  if (made.status == 409) {
    const auto before = Json::parse(request("GET", path).body);
    object["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"];
    request("PUT", path + kStrict, object.dump());
  }
  if (object.contains("status")) {
    request("PATCH", path + "/status" + kStrict, Json{{"status", object["status"]}}.dump(),
            "application/merge-patch+json");
  }
}

void RealKubeApi::patch(const KubeRef& ref, std::string_view json, std::string_view subresource) {
  std::string path = path_of(ref);
  if (!subresource.empty()) path.append("/").append(subresource);
  request("PATCH", path + kStrict, json, "application/merge-patch+json");
}

void RealKubeApi::remove(const KubeRef& ref) {
  request("DELETE", path_of(ref) + "?gracePeriodSeconds=0", "", "", {404});
}

void RealKubeApi::expire_history() {
  // One more write, so that even the newest resourceVersion handed out is an old one.
  const std::string name = "forgotten-" + std::to_string(++tokens_made_);
  request("POST", "/api/v1/namespaces/" + kReader + "/configmaps",
          Json{{"metadata", {{"name", name}}}}.dump());
  // etcd forgets for lists; the API server's own memory of changes ends with its process.
  const RawHttp::Peer etcd{first_line_of(folder_ + "/etcd-url"), "", ""};
  const auto range =
      Json::parse(RawHttp(etcd).request("POST", "/v3/kv/range", R"({"key":"AA=="})").body);
  const Json compaction{{"revision", range.at("header").at("revision")}, {"physical", true}};
  const RawResponse done = RawHttp(etcd).request("POST", "/v3/kv/compaction", compaction.dump());
  if (done.status != 200) throw std::runtime_error("etcd compaction: " + done.body);
  connection_.reset();
  run_script("restart");
  await_right("", "pods", !forbidden_.contains({"", "pods"}));
}

}  // namespace keelwatch::testing
