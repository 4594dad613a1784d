#include "discovery/discover.h"

#include <algorithm>
#include <map>
#include <utility>

#include "discovery/login.h"

namespace keelwatch::discovery {
namespace {

using model::InstanceId;

constexpr std::string_view kClusterLabel = "cnpg.io/cluster";
constexpr std::string_view kInstanceNameLabel = "cnpg.io/instanceName";
constexpr std::string_view kPodRoleLabel = "cnpg.io/podRole";

std::string label(const model::ObjectMeta& meta, std::string_view name) {
  const auto found = meta.labels.find(std::string(name));
  return found == meta.labels.end() ? std::string() : found->second;
}

// An instance pod carries podRole=instance, or, before CNPG 1.21, only its instance's name; pods of
// poolers and of initdb and join jobs carry the cluster label, too.
bool is_instance(const model::Pod& pod) {
  if (label(pod.meta, kClusterLabel).empty()) return false;
  const std::string role = label(pod.meta, kPodRoleLabel);
  return role.empty() ? !label(pod.meta, kInstanceNameLabel).empty() : role == "instance";
}

bool ends_in_job_phase(const model::Pod& pod) {
  return pod.phase == "Succeeded" || pod.phase == "Failed";
}

// Fills in how to log in, or says why that is not set up.
void apply_login(InstanceTarget& target, PgTarget connection, const config::PostgresLogin& login,
                 const ReadFile& read_file) {
  LoggingIn logging_in =
      with_login(std::move(connection), login, read_file,
                 "postgres.password_file, passfile or sslcert for a role with pg_monitor");
  target.connection = std::move(logging_in.connection);
  target.not_set_up_reason = std::move(logging_in.not_set_up_reason);
  target.cannot_connect_reason = std::move(logging_in.cannot_connect_reason);
}

const config::PostgresLogin& login_for(const config::Config& config, const InstanceId& id) {
  for (const config::PostgresCluster& c : config.postgres.clusters) {
    if (c.ns == id.ns && c.name == id.cluster) return c.login;
  }
  return config.postgres.login;
}

InstanceTarget discovered_instance(const config::Config& config, const model::Pod& pod,
                                   const ReadFile& read_file) {
  const std::string cluster = label(pod.meta, kClusterLabel);
  InstanceTarget target{.id = {pod.meta.ns, cluster, pod.meta.name},
                        .connection = std::nullopt,
                        .not_set_up_reason = {},
                        .cannot_connect_reason = {},
                        .terminating = pod.meta.deletion_timestamp.has_value()};
  // CNPG's server certificate names the services, not the pods: verify as <cluster>-rw while
  // connecting to the pod's own address.
  PgTarget connection;
  connection.host = cluster + "-rw";
  connection.hostaddr = pod.pod_ip;
  connection.port = config.postgres.port;
  connection.statement_timeout = config.postgres.query_timeout;
  apply_login(target, std::move(connection), login_for(config, target.id), read_file);
  if (pod.pod_ip.empty() && target.connection) {
    target.cannot_connect_reason = "the Pod has no address yet";
  }
  return target;
}

void add_configured(const config::Config& config, const ReadFile& read_file,
                    std::map<InstanceId, InstanceTarget>& targets) {
  for (const config::PostgresCluster& cluster : config.postgres.clusters) {
    for (const config::PostgresInstance& instance : cluster.instances) {
      InstanceTarget target{.id = {cluster.ns, cluster.name, instance.name},
                            .connection = std::nullopt,
                            .not_set_up_reason = {},
                            .cannot_connect_reason = {},
                            .terminating = false};
      PgTarget connection;
      connection.host = instance.host;
      connection.hostaddr = instance.hostaddr;
      connection.port = instance.port;
      connection.statement_timeout = config.postgres.query_timeout;
      apply_login(target, std::move(connection), cluster.login, read_file);
      targets.insert_or_assign(target.id, std::move(target));
    }
  }
}

}  // namespace

Targets discover(const config::Config& config, const model::KubernetesSlice* kubernetes,
                 const ReadFile& read_file, const Targets& previous) {
  std::map<InstanceId, InstanceTarget> targets;
  const model::ObjectList<model::Pod>* pods =
      kubernetes == nullptr ? nullptr : kubernetes->pods.if_known();
  if (pods != nullptr) {
    for (const auto& pod : *pods) {
      if (!is_instance(*pod) || ends_in_job_phase(*pod)) continue;
      InstanceTarget target = discovered_instance(config, *pod, read_file);
      targets.insert_or_assign(target.id, std::move(target));
    }
  } else if (kubernetes == nullptr || kubernetes->pods.why().absence == Absence::kUnknown) {
    for (const InstanceTarget& target : previous.instances) {
      const InstanceId& id = target.id;
      if (!config::lists_instances(config, id.ns, id.cluster)) targets.insert_or_assign(id, target);
    }
  }
  add_configured(config, read_file, targets);

  // A credential that was there and vanished is a fault, not an instance that nobody set up.
  for (const InstanceTarget& before : previous.instances) {
    const auto found = targets.find(before.id);
    if (found == targets.end() || found->second.not_set_up_reason.empty()) continue;
    if (!before.not_set_up_reason.empty()) continue;
    found->second.cannot_connect_reason =
        "the credential vanished: " + std::exchange(found->second.not_set_up_reason, {});
  }

  Targets result;
  result.instances.reserve(targets.size());
  for (auto& [id, target] : targets) result.instances.push_back(std::move(target));
  return result;
}

}  // namespace keelwatch::discovery
