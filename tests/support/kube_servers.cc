#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/contract/kube_api.h"
#include "tests/standins/kube_api.h"
#include "tests/support/real_kube_api.h"

namespace keelwatch::testing {

namespace {

std::uint16_t port_of(const std::string& url) {
  return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
}

std::string proxied(const TcpProxy& proxy) {
  return "https://127.0.0.1:" + std::to_string(proxy.port());
}

class StandIn final : public KubeServer {
 public:
  std::string name() const override { return "stand-in"; }
  std::string url() const override { return proxied(proxy_); }
  std::string ca_pem() const override { return api_.ca_pem(); }
  std::string token() const override { return api_.token(); }
  void install(const std::string& group) override { api_.install_group(group); }
  void uninstall(const std::string& group) override { api_.uninstall_group(group); }
  void uninstall_kind(const std::string& group, const std::string& plural) override {
    api_.uninstall_kind(group, plural);
  }
  void upgrade(const std::string& group) override {
    api_.cut_watches(standins::KubeApi::Cut::kClean, "/apis/" + group + "/");
  }
  void put(std::string_view json) override { api_.put(json); }
  void patch(const KubeRef& ref, std::string_view json) override { patch_one(ref, json); }
  void patch_status(const KubeRef& ref, std::string_view json) override { patch_one(ref, json); }
  void remove(const KubeRef& ref) override { api_.remove(ref); }
  void forbid(const std::string& group, const std::string& resource) override {
    api_.forbid(group, resource);
  }
  void allow(const std::string& group, const std::string& resource) override {
    api_.allow(group, resource);
  }
  std::string rotate_token() override { return api_.rotate_token(); }
  TcpProxy& network() override { return proxy_; }

  void expire_history() override {
    api_.put(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"forgotten-)" +
             std::to_string(++writes_) + R"(","namespace":"keelwatch"}})");
    api_.compact();
    api_.cut_watches(standins::KubeApi::Cut::kClean);
  }

 private:
  void patch_one(const KubeRef& ref, std::string_view json) {
    if (!api_.patch(ref, json)) throw std::runtime_error("no such object: " + ref.name);
  }

  standins::KubeApi api_;
  TcpProxy proxy_{api_.port()};
  int writes_ = 0;
};

class Real final : public KubeServer {
 public:
  Real() : api_(shared()), proxy_(port_of(api_->url())) {}

  ~Real() override {
    try {
      api_->allow_all();
      for (const KubeRef& ref : objects_) {
        patch_quietly(ref, R"({"metadata":{"finalizers":null}})");
        remove_quietly(ref);
      }
    } catch (const std::exception& error) {
      std::fprintf(stderr, "kube-apiserver: cleaning up: %s\n", error.what());
    }
  }

  std::string name() const override { return "kube-apiserver"; }
  std::string url() const override { return proxied(proxy_); }
  std::string ca_pem() const override { return api_->ca_pem(); }
  std::string token() const override { return api_->reader_token(); }
  void install(const std::string& group) override { api_->install(group); }
  void uninstall(const std::string& group) override { api_->uninstall(group); }
  void uninstall_kind(const std::string& group, const std::string& plural) override {
    api_->uninstall(group, plural);
  }
  void upgrade(const std::string& group) override { api_->upgrade(group); }
  void put(std::string_view json) override {
    const auto object = nlohmann::json::parse(json);
    objects_.push_back({object.at("apiVersion"), object.at("kind"),
                        object.at("metadata").value("namespace", "default"),
                        object.at("metadata").at("name")});
    api_->put(json);
  }
  void patch(const KubeRef& ref, std::string_view json) override { api_->patch(ref, json); }
  void patch_status(const KubeRef& ref, std::string_view json) override {
    api_->patch(ref, json, "status");
  }
  void remove(const KubeRef& ref) override { api_->remove(ref); }
  void forbid(const std::string& group, const std::string& resource) override {
    api_->forbid(group, resource);
  }
  void allow(const std::string& group, const std::string& resource) override {
    api_->allow(group, resource);
  }
  std::string rotate_token() override { return api_->rotate_token(); }
  void expire_history() override { api_->expire_history(); }
  TcpProxy& network() override { return proxy_; }

 private:
  // One server for all tests of the process: starting it takes longer than most of them.
  static std::shared_ptr<RealKubeApi> shared() {
    static const auto api = std::make_shared<RealKubeApi>();
    return api;
  }

  void patch_quietly(const KubeRef& ref, std::string_view json) {
    try {
      api_->patch(ref, json);
    } catch (const std::runtime_error&) {  // the test has removed it
    }
  }
  void remove_quietly(const KubeRef& ref) {
    try {
      api_->remove(ref);
    } catch (const std::runtime_error&) {
    }
  }

  std::shared_ptr<RealKubeApi> api_;
  TcpProxy proxy_;
  std::vector<KubeRef> objects_;
};

}  // namespace

std::vector<std::string> kube_server_names() {
  std::vector<std::string> names{"stand-in"};
  const char* peers = std::getenv("KEELWATCH_PEERS");
  if (peers == nullptr || std::string_view(peers) != "1") return names;
  static const std::optional<std::string> missing = RealKubeApi::missing();
  if (!missing) {
    names.emplace_back("kube-apiserver");
    return names;
  }
  static const int said = std::fprintf(stderr, "skipped: kube-apiserver: %s\n", missing->c_str());
  static_cast<void>(said);
  return names;
}

std::unique_ptr<KubeServer> start_kube_server(const std::string& name) {
  if (name == "stand-in") return std::make_unique<StandIn>();
  if (name == "kube-apiserver") return std::make_unique<Real>();
  throw std::runtime_error("no such server: " + name);
}

}  // namespace keelwatch::testing
