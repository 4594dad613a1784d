// A real kube-apiserver with etcd behind it, as tests/peers/kube-apiserver starts it, and what
// tests need of it beyond its API: custom resource definitions, a reader with rights that can be
// taken away and a token that can be revoked, forgotten history. Threads: one at a time. Every
// method throws std::runtime_error with the server's own words.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "tests/standins/kube_store.h"
#include "tests/support/raw_http.h"

namespace keelwatch::testing {

class RealKubeApi {
 public:
  // Builds the program where it is missing (minutes), starts it (7 s) and makes the reader.
  RealKubeApi();
  ~RealKubeApi();
  RealKubeApi(const RealKubeApi&) = delete;
  RealKubeApi& operator=(const RealKubeApi&) = delete;

  // Why there is none here ("go not found"), before anything is started.
  [[nodiscard]] static std::optional<std::string> missing();

  [[nodiscard]] const std::string& url() const { return admin_.url; }
  [[nodiscard]] const std::string& ca_pem() const { return admin_.ca_pem; }
  [[nodiscard]] const std::string& reader_token() const { return reader_token_; }

  // As admin. Throws on a status that is not listed in `accepted` and not 2xx.
  RawResponse request(std::string_view method, const std::string& target,
                      std::string_view body = "",
                      std::string_view content_type = "application/json",
                      const std::set<int>& accepted = {});

  void install(const std::string& group);
  void upgrade(const std::string& group);
  void uninstall(const std::string& group, const std::string& plural = "");  // "": all kinds

  void put(std::string_view json);
  void patch(const standins::KubeRef& ref, std::string_view json,
             std::string_view subresource = "");
  void remove(const standins::KubeRef& ref);
  void ensure_namespace(const std::string& name);

  void forbid(const std::string& group, const std::string& resource);
  void allow(const std::string& group, const std::string& resource);
  void allow_all();
  std::string rotate_token();
  void expire_history();

 private:
  void await_served(const std::string& group);
  void make_reader();
  void write_rights();
  void await_right(const std::string& group, const std::string& resource, bool allowed);
  std::string new_token();
  [[nodiscard]] int reader_status(const std::string& token, const std::string& target) const;
  void run_script(const std::string& verb);

  std::string folder_;
  RawHttp::Peer admin_;
  std::unique_ptr<RawHttp> connection_;
  std::string reader_token_;
  std::string token_secret_;
  int tokens_made_ = 0;
  std::set<std::pair<std::string, std::string>> forbidden_;
  std::set<std::string> namespaces_;
};

}  // namespace keelwatch::testing
