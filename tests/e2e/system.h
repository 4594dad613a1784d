// What the tests of the whole program run against: a real primary with two standbys, and the
// Kubernetes API's stand-in.
#pragma once

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

#include "tests/standins/kube_api.h"
#include "tests/support/postgres_server.h"

namespace keelwatch::testing {

inline constexpr const char* kCluster = R"({
  "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster",
  "metadata": {"namespace": "default", "name": "pg"},
  "spec": {"instances": 3},
  "status": {"phase": "Cluster in healthy state", "currentPrimary": "pg-1",
             "instances": 3, "readyInstances": 3}})";

inline standins::KubeApi::Options plain_http() {
  standins::KubeApi::Options options;
  options.plain_http = true;
  return options;
}

// pg-1 with its standbys pg-2 and pg-3, and a Cluster object that says so.
struct System {
  PostgresServer primary;
  std::unique_ptr<PostgresServer> second = primary.make_standby("pg-2");
  std::unique_ptr<PostgresServer> third = primary.make_standby("pg-3");
  standins::KubeApi api{plain_http()};

  System() {
    api.install_group("postgresql.cnpg.io");
    api.put(kCluster);
  }

  [[nodiscard]] std::string config(const std::string& directory) const {
    std::ofstream(directory + "/password") << PostgresServer::kPassword;
    std::ofstream(directory + "/kubeconfig")
        << "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        << "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
        << "clusters: [{name: k, cluster: {server: \"" << api.url() << "\"}}]\n"
        << "users: [{name: u, user: {token: \"" << api.token() << "\"}}]\n";
    const auto instance = [](const char* name, const PostgresServer& server) {
      return std::string("        - {name: ") + name +
             ", host: 127.0.0.1, port: " + std::to_string(server.port()) + "}\n";
    };
    return "kubernetes: {kubeconfig: " + directory +
           "/kubeconfig}\n"
           "postgres:\n"
           "  interval: 1s\n"
           "  password_file: " +
           directory +
           "/password\n"
           "  sslmode: disable\n"
           "  clusters:\n"
           "    - namespace: default\n"
           "      name: pg\n"
           "      instances:\n" +
           instance("pg-1", primary) + instance("pg-2", *second) + instance("pg-3", *third);
  }
};

// A folder for the files that a configuration names.
struct Folder {
  std::string path;
  Folder() {
    std::string pattern = "/tmp/keelwatch-e2e.XXXXXX";
    path = mkdtemp(pattern.data());
  }
  ~Folder() { (void)!system(("rm -rf " + path).c_str()); }
};

inline std::string state(const std::string& pod, const std::string& name) {
  return "keelwatch_replication_standby_state{namespace=\"default\",cluster=\"pg\",pod=\"" + pod +
         "\",state=\"" + name + "\"}";
}

}  // namespace keelwatch::testing
