// One Kubernetes API server as the contract tests see it: the stand-in of tests/standins, or a real
// kube-apiserver of the peers tier. A test is written once and runs on each:
//
//   TEST_CASE("...", "[contract]") {
//     const auto server = start_kube_server(GENERATE(from_range(kube_server_names())));
//     server->put(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"paging",...}})");
//     ... read from server->url() with server->token() and server->ca_pem()
//   }
//
// kube_server_names() holds "stand-in", and "kube-apiserver" with KEELWATCH_PEERS=1 in the
// environment; what that needs and does not find is said on stderr.
//
// A stand-in is new for every start_kube_server(). The real server is started once per process (7
// s) and shared: a handle removes what was put through it when it goes, but namespaces stay, and so
// do objects of the server's own (Service default/kubernetes, Namespace default...). So tests use a
// namespace of their own each, and count within it. Objects must be valid for the real server.
//
// Every method returns once its effect is what a new request of the reader sees, and throws
// std::runtime_error when it cannot be had. Threads: one at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/kube_store.h"
#include "tests/support/raw_http.h"
#include "tests/support/tcp_proxy.h"

namespace keelwatch::testing {

using standins::KubeRef;

class KubeServer {
 public:
  virtual ~KubeServer() = default;

  // "stand-in" or "kube-apiserver".
  [[nodiscard]] virtual std::string name() const = 0;

  // What the reader is given; the user is system:serviceaccount:keelwatch:keelwatch, who may get,
  // list and watch every kind that kube_catalogue.cc names, installed or not.
  // The address is that of network().
  [[nodiscard]] virtual std::string url() const = 0;
  [[nodiscard]] virtual std::string ca_pem() const = 0;
  [[nodiscard]] virtual std::string token() const = 0;

  // The custom kinds of an API group ("postgresql.cnpg.io"). The real server reads their
  // definitions from the folders of KEELWATCH_CRDS, and keeps an installed group for later tests:
  // one that needs it absent uninstalls it (20 s) first. uninstall() of an absent one does nothing.
  // uninstall_kind(): one of its kinds ("backuptargets"). upgrade(): the definitions that are in
  // KEELWATCH_CRDS now take the place of the installed ones, under their objects; watches end.
  virtual void install(const std::string& group) = 0;
  virtual void uninstall(const std::string& group) = 0;
  virtual void uninstall_kind(const std::string& group, const std::string& plural) = 0;
  virtual void upgrade(const std::string& group) = 0;

  // Creates or replaces one object, its status included, its namespace made when missing.
  virtual void put(std::string_view json) = 0;
  // JSON merge patch; of `status` for a kind with a status subresource only through patch_status(),
  // whose patch is {"status": ...}.
  virtual void patch(const KubeRef& ref, std::string_view json) = 0;
  virtual void patch_status(const KubeRef& ref, std::string_view json) = 0;
  // An object with finalizers stays, with a deletionTimestamp, until a patch takes them away.
  virtual void remove(const KubeRef& ref) = 0;

  // Takes the reader's rights of one resource ("pods") away, and gives them back.
  virtual void forbid(const std::string& group, const std::string& resource) = 0;
  virtual void allow(const std::string& group, const std::string& resource) = 0;
  // The old token is refused when this returns (up to 15 s on the real server, which remembers
  // tokens for 10 s). Returns the new one.
  virtual std::string rotate_token() = 0;

  // From now on every resourceVersion and continue token handed out before is 410. Open watches end
  // (the real server restarts; its address stays).
  virtual void expire_history() = 0;

  // The network in front of the server: cut, freeze, refuse.
  [[nodiscard]] virtual TcpProxy& network() = 0;

  // For a RawHttp with the reader's token.
  [[nodiscard]] RawHttp::Peer reader() const { return {url(), ca_pem(), token()}; }
};

[[nodiscard]] std::vector<std::string> kube_server_names();
[[nodiscard]] std::unique_ptr<KubeServer> start_kube_server(const std::string& name);

}  // namespace keelwatch::testing
