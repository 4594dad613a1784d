// One node's kubelet, asked again and again how full the volumes of its Pods are: GET /metrics,
// which needs the right `nodes/metrics` (never nodes/proxy, which lets one run commands in Pods).
//
// Its certificate is checked with settings.kubelet_ca, else with the API server's CA (k3s signs
// both with its server-ca; kubeadm does with serverTLSBootstrap), for the address and, where the
// certificate does not bear that, for the node's name. What the kubeconfig says about skipping that
// check is about the API server and does not count here.
// Threads: the loop's. Destroying it ends the request.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "discovery/kubelets.h"
#include "model/filesystem.h"
#include "sources/filesystem/volume_stats.h"
#include "sources/kubernetes/credentials.h"
#include "sources/poll.h"
#include "sources/source.h"

namespace keelwatch::sources {

class Kubelet {
 public:
  // `changed` is called after every attempt. All but the target outlive the Kubelet.
  Kubelet(SourceContext context, const config::Filesystems& settings, Credentials& credentials,
          discovery::KubeletTarget target, std::function<void()> changed);

  void start() { scope_.spawn(run()); }
  [[nodiscard]] const discovery::KubeletTarget& target() const { return target_; }

  // The last answer stays while the kubelet merely does not answer; whoever assembles the world
  // ages it. A refusal or a page that makes no sense leaves none.
  [[nodiscard]] std::shared_ptr<const model::NodeFilesystems> node() const { return node_; }
  [[nodiscard]] const model::SourceReport& report() const { return report_.report(); }
  void rethrow_failure() { scope_.rethrow_failure(); }

 private:
  using Claims = std::vector<model::ClaimUsage>;

  [[nodiscard]] Task<> run();
  [[nodiscard]] Task<Result<Claims>> ask(SteadyTime deadline);
  [[nodiscard]] Task<Result<HttpStream>> open(SteadyTime deadline);
  [[nodiscard]] Result<HttpRequest> request(ApiAccess access, SteadyTime deadline) const;
  void note(const Result<Claims>& claims);

  SourceContext context_;
  const config::Filesystems& settings_;
  Credentials& credentials_;
  discovery::KubeletTarget target_;
  std::function<void()> changed_;
  PollReport report_;
  bool by_node_name_ = false;  // the certificate bears the node's name and not its address
  std::shared_ptr<const model::NodeFilesystems> node_;
  TaskScope scope_;
};

}  // namespace keelwatch::sources
