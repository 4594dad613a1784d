// A server of the contract tests, and readers of it that come as a Pod does: with a service
// account.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/contract/kube_api.h"
#include "tests/contract/kubernetes_reader.h"

namespace keelwatch::testing {

// A folder of its own that goes with the object.
class Folder {
 public:
  Folder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "keelwatch-kube-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp");
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string path(const std::string& name = "") const { return path_ / name; }
  void write(const std::string& name, std::string_view text) const {
    // By renaming, as the kubelet does: a reader sees the old file or the new one.
    std::ofstream(path(name + ".new"), std::ios::binary) << text;
    std::filesystem::rename(path(name + ".new"), path(name));
  }

 private:
  std::filesystem::path path_;
};

// One server and the files of a Pod's service account for it.
struct Server {
  explicit Server(const std::string& name) : api(start_kube_server(name)) {
    folder.write("token", api->token());
    folder.write("ca.crt", api->ca_pem());
  }
  [[nodiscard]] sources::ProcessEnvironment environment() const {
    const std::string address = api->url().substr(std::string("https://").size());
    const std::size_t colon = address.rfind(':');
    return process_environment({{"KUBERNETES_SERVICE_HOST", address.substr(0, colon)},
                                {"KUBERNETES_SERVICE_PORT", address.substr(colon + 1)}},
                               folder.path());
  }
  [[nodiscard]] KubernetesReader reader(std::vector<std::string> namespaces,
                                        sources::ReflectorTiming timing = quick_timing(),
                                        std::vector<std::string> operator_namespaces = {}) const {
    config::Kubernetes settings;
    settings.namespaces = std::move(namespaces);
    settings.operator_namespaces = std::move(operator_namespaces);
    settings.health_interval = std::chrono::milliseconds(200);
    return {std::move(settings), environment(), timing};
  }

  Folder folder;
  std::unique_ptr<KubeServer> api;
};

}  // namespace keelwatch::testing
