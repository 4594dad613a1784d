#include "discovery/poolers.h"

#include <map>
#include <string_view>
#include <utility>

#include "discovery/login.h"

namespace keelwatch::discovery {
namespace {

using config::PgBouncerVia;
using model::PgBouncerId;

std::string host_and_port(const std::string& host, int port) {
  const std::string after = ":" + std::to_string(port);
  return host.find(':') == std::string::npos ? host + after : "[" + host + "]" + after;
}

// Where a process is, before it is decided how to ask it.
struct Place {
  std::string host;      // the name that its certificate bears
  std::string hostaddr;  // where to connect; empty: host is resolved
  int port = 0;
  int metrics_port = 0;
  bool metrics_tls = false;

  [[nodiscard]] const std::string& dialled() const { return hostaddr.empty() ? host : hostaddr; }
};

void ask_console(PgBouncerTarget& target, const Place& place, config::PostgresLogin login,
                 const ReadFile& read_file) {
  target.via = "console";
  if (!place.dialled().empty()) target.address = host_and_port(place.dialled(), place.port);
  PgTarget connection;
  connection.host = place.host;
  connection.hostaddr = place.hostaddr;
  connection.port = place.port;
  connection.statement_timeout = Duration::zero();  // PgBouncer refuses the parameter
  login.dbname = "pgbouncer";
  LoggingIn logging_in =
      with_login(std::move(connection), login, read_file,
                 "pgbouncer.password_file, passfile or sslcert for one of PgBouncer's stats_users");
  target.console = std::move(logging_in.connection);
  target.not_set_up_reason = std::move(logging_in.not_set_up_reason);
  target.cannot_connect_reason = std::move(logging_in.cannot_connect_reason);
}

void ask_metrics(PgBouncerTarget& target, const Place& place, const config::PostgresLogin& login,
                 const ReadFile& read_file) {
  target.via = "metrics";
  const std::string at = host_and_port(place.dialled(), place.metrics_port);
  if (!place.dialled().empty()) target.address = at;
  MetricsEndpoint endpoint{(place.metrics_tls ? "https://" : "http://") + at + "/metrics", {}};
  if (place.metrics_tls) {
    if (login.sslrootcert.empty()) {
      target.not_set_up_reason =
          "its metrics are served by TLS: set pgbouncer.sslrootcert to the CA of its cluster";
      return;
    }
    Result<std::string> ca = read_file(login.sslrootcert);
    if (!ca) {
      std::string& reason = ca.error().code() == ErrorCode::kNotFound
                                ? target.not_set_up_reason
                                : target.cannot_connect_reason;
      reason = "sslrootcert " + login.sslrootcert + ": " + ca.error().message();
      return;
    }
    endpoint.tls.ca_pem = std::move(*ca);
    endpoint.tls.server_name = place.host;
  }
  target.metrics = std::move(endpoint);
}

void ask(PgBouncerTarget& target, const Place& place, const config::PostgresLogin& login,
         PgBouncerVia via, const ReadFile& read_file) {
  if (via == PgBouncerVia::kMetrics) {
    ask_metrics(target, place, login, read_file);
  } else {
    ask_console(target, place, login, read_file);
  }
}

PgBouncerTarget discovered_process(const config::Config& config, const model::Pod& pod,
                                   const model::Pooler* object, const ReadFile& read_file) {
  PgBouncerTarget target;
  const std::string cluster = object != nullptr ? object->cluster : pod.cnpg_cluster;
  target.id = {pod.meta.ns, cluster, pod.pooler, pod.meta.name};
  target.terminating = pod.meta.deletion_timestamp.has_value();
  const config::PgBouncerPooler* listed =
      config::find_pooler(config, target.id.ns, target.id.pooler);
  const config::PostgresLogin& login = listed != nullptr ? listed->login : config.pgbouncer.login;
  // CNPG's certificates name the services of the cluster, not the pods of the pooler.
  const Place place{.host = cluster + "-rw",
                    .hostaddr = pod.pod_ip,
                    .port = config.pgbouncer.port,
                    .metrics_port = config.pgbouncer.metrics_port,
                    .metrics_tls = object != nullptr && object->metrics_tls == true};
  PgBouncerVia via = config.pgbouncer.via;
  if (via == PgBouncerVia::kAuto && !has_credential(login)) {
    via = PgBouncerVia::kMetrics;
    target.vantage_unproven = true;
  }
  ask(target, place, login, via, read_file);
  if (pod.pod_ip.empty() && target.not_set_up_reason.empty()) {
    target.cannot_connect_reason = "the Pod has no address yet";
    target.address.clear();
  }
  return target;
}

using ById = std::map<PgBouncerId, PgBouncerTarget>;

bool listed_with_instances(const config::Config& config, const PgBouncerId& id) {
  const config::PgBouncerPooler* listed = config::find_pooler(config, id.ns, id.pooler);
  return listed != nullptr && !listed->instances.empty();
}

void add_discovered(const config::Config& config, const model::ObjectList<model::Pod>& pods,
                    const model::ObjectList<model::Pooler>& poolers, const ReadFile& read_file,
                    ById& targets) {
  std::map<std::pair<std::string_view, std::string_view>, const model::Pooler*> objects;
  for (const auto& pooler : poolers) objects[{pooler->meta.ns, pooler->meta.name}] = pooler.get();
  for (const auto& pod : pods) {
    if (pod->cnpg_role != "pooler" || pod->pooler.empty()) continue;
    if (pod->phase == "Succeeded" || pod->phase == "Failed") continue;
    const auto object = objects.find({pod->meta.ns, pod->pooler});
    PgBouncerTarget target = discovered_process(
        config, *pod, object == objects.end() ? nullptr : object->second, read_file);
    if (!listed_with_instances(config, target.id)) targets.insert_or_assign(target.id, target);
  }
}

void add_configured(const config::Config& config, const ReadFile& read_file, ById& targets) {
  for (const config::PgBouncerPooler& pooler : config.pgbouncer.poolers) {
    for (const config::PgBouncerInstance& instance : pooler.instances) {
      PgBouncerTarget target;
      target.id = {pooler.ns, pooler.cluster, pooler.name, instance.name};
      const Place place{.host = instance.host,
                        .hostaddr = instance.hostaddr,
                        .port = instance.port,
                        .metrics_port = instance.metrics_port,
                        .metrics_tls = false};
      ask(target, place, pooler.login, config.pgbouncer.via, read_file);
      targets.insert_or_assign(target.id, std::move(target));
    }
  }
}

}  // namespace

PoolerTargets discover_poolers(const config::Config& config,
                               const model::KubernetesSlice* kubernetes, const ReadFile& read_file,
                               const PoolerTargets& previous) {
  ById targets;
  const auto* pods = kubernetes == nullptr ? nullptr : kubernetes->pods.if_known();
  const auto* poolers = kubernetes == nullptr ? nullptr : kubernetes->poolers.if_known();
  const auto unknown = [](const auto& answer) {
    return !answer.is_known() && answer.why().absence == Absence::kUnknown;
  };
  if (pods != nullptr && poolers != nullptr) {
    add_discovered(config, *pods, *poolers, read_file, targets);
  } else if (kubernetes == nullptr || unknown(kubernetes->pods) || unknown(kubernetes->poolers)) {
    for (const PgBouncerTarget& target : previous.processes) {
      if (!listed_with_instances(config, target.id)) targets.insert_or_assign(target.id, target);
    }
  }
  add_configured(config, read_file, targets);

  // A credential that was there and vanished is a fault, not a pooler that nobody set up.
  for (const PgBouncerTarget& before : previous.processes) {
    const auto found = targets.find(before.id);
    if (found == targets.end() || found->second.not_set_up_reason.empty()) continue;
    if (!before.not_set_up_reason.empty() || before.via != found->second.via) continue;
    found->second.cannot_connect_reason =
        "the credential vanished: " + std::exchange(found->second.not_set_up_reason, {});
  }

  PoolerTargets result;
  result.processes.reserve(targets.size());
  for (auto& [id, target] : targets) result.processes.push_back(std::move(target));
  return result;
}

}  // namespace keelwatch::discovery
