#include "discovery/endpoints.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "base/host_port.h"
#include "config/limits.h"
#include "discovery/login.h"

namespace keelwatch::discovery {
namespace {

using model::EndpointId;
using model::Hop;
using model::KubernetesSlice;
using ById = std::map<EndpointId, EndpointTarget>;

constexpr const char* kWhatToSet =
    "endpoints.password_file, passfile or sslcert for a role of its own that may connect";
constexpr std::string_view kTailscaleClass = "tailscale";
constexpr const char* kProxyGroup = "tailscale.com/proxy-group";
constexpr const char* kTailnetName = "tailscale.com/tailnet-fqdn";
constexpr const char* kTailnetAddress = "tailscale.com/tailnet-ip";
constexpr int kPostgresPort = 5432;

// What all targets get from the settings.
EndpointTarget with_settings(const config::Endpoints& settings) {
  EndpointTarget target;
  target.kind = "postgres";
  target.interval = settings.interval;
  target.timeout = settings.timeout;
  target.canary = settings.canary;
  target.large_result = settings.large_result;
  return target;
}

void set_proxy(EndpointTarget& target, const std::string& proxy) {
  const std::optional<HostPort> where = parse_host_port(proxy);
  if (!where) return;
  target.socks5_host = where->host;
  target.socks5_port = where->port;
}

void set_login(EndpointTarget& target, const std::string& tls_name,
               const config::PostgresLogin& login, const ReadFile& read_file) {
  PgTarget connection;
  connection.host = tls_name;
  connection.statement_timeout = Duration::zero();  // PgBouncer refuses the parameter
  LoggingIn logging_in = with_login(std::move(connection), login, read_file, kWhatToSet);
  if (logging_in.connection) target.login = *std::move(logging_in.connection);
  target.not_set_up_reason = std::move(logging_in.not_set_up_reason);
  target.cannot_probe_reason = std::move(logging_in.cannot_connect_reason);
}

// The host of "https://host:port/path"; the scheme's port where there is none.
std::optional<HostPort> host_of_url(std::string_view url) {
  const bool tls = url.starts_with("https://");
  url.remove_prefix(std::min(url.find("://") + 3, url.size()));
  const std::string authority(url.substr(0, url.find('/')));
  if (auto given = parse_host_port(authority)) return given;
  return parse_host_port(authority + (tls ? ":443" : ":80"));
}

EndpointTarget listed(const config::Endpoints& settings, const config::Endpoint& endpoint,
                      const ReadFile& read_file) {
  EndpointTarget target = with_settings(settings);
  target.id = {endpoint.ns, endpoint.cluster,
               endpoint.name.empty() ? endpoint.address : endpoint.name};
  target.hop = model::parse_hop(endpoint.hop).value_or(Hop::kOther);
  target.role = endpoint.role == "none" ? "" : endpoint.role;
  target.kind = endpoint.kind;
  if (endpoint.interval) target.interval = *endpoint.interval;
  if (endpoint.timeout) target.timeout = *endpoint.timeout;
  const bool http = endpoint.kind == "http";
  const std::optional<HostPort> where =
      http ? host_of_url(endpoint.address) : parse_host_port(endpoint.address);
  if (!where) {
    target.cannot_probe_reason = "\"" + endpoint.address + "\" has no host and port";
    return target;
  }
  target.host = where->host;
  target.port = where->port;
  if (http) target.url = endpoint.address;
  set_proxy(target, endpoint.socks5.empty() ? settings.socks5 : endpoint.socks5);
  const std::string& tls_name = endpoint.tls_name.empty() ? where->host : endpoint.tls_name;
  if (endpoint.kind == "postgres") {
    set_login(target, tls_name, endpoint.login, read_file);
    target.canary = settings.canary && target.hop != Hop::kPod;
    return target;
  }
  target.canary = false;
  target.tls_name = tls_name;
  target.ca_file = endpoint.login.sslrootcert;
  return target;
}

std::string annotation(const model::ObjectMeta& meta, const char* name) {
  const auto found = meta.annotations.find(name);
  return found == meta.annotations.end() ? std::string() : found->second;
}

// Handed out in the tailnet, by a proxy of its own or by a ProxyGroup's.
bool is_tailnet(const model::Service& service) {
  return service.load_balancer_class == kTailscaleClass ||
         !annotation(service.meta, kProxyGroup).empty();
}

bool is_egress(const model::Service& service) {
  return service.type == "ExternalName" && (!annotation(service.meta, kTailnetName).empty() ||
                                            !annotation(service.meta, kTailnetAddress).empty());
}

std::string role_of_type(std::string_view type) {
  return type == "rw" || type == "ro" ? std::string(type) : std::string();
}

// Where a Service leads by what it selects.
struct Leads {
  std::string cluster;
  std::string role;
  bool pooler = false;
};

class Discovery {
 public:
  Discovery(const config::Config& config, const KubernetesSlice& kubernetes,
            const ReadFile& read_file, ById& targets)
      : config_(config), kubernetes_(kubernetes), read_file_(read_file), targets_(targets) {}

  void find() {
    for (const auto& service : *kubernetes_.services.if_known()) add_service(*service);
    for (const auto& pod : *kubernetes_.pods.if_known()) add_pod(*pod);
  }

 private:
  // CNPG's Services select by labels: a Pooler's by its name, a cluster's by its own and a role.
  [[nodiscard]] std::optional<Leads> leads_of(const model::Service& service) const {
    const auto selects = [&](const char* label) {
      const auto found = service.selector.find(label);
      return found == service.selector.end() ? std::string() : found->second;
    };
    const std::string pooler = selects("cnpg.io/poolerName");
    if (!pooler.empty()) {
      for (const auto& object : *kubernetes_.poolers.if_known()) {
        if (object->meta.ns != service.meta.ns || object->meta.name != pooler) continue;
        return Leads{object->cluster, role_of_type(object->type), true};
      }
      return Leads{selects("cnpg.io/cluster"), "", true};
    }
    const std::string cluster = selects("cnpg.io/cluster");
    if (cluster.empty()) return std::nullopt;
    std::string role = selects("cnpg.io/instanceRole");
    if (role.empty()) role = selects("role");  // before CNPG 1.18
    return Leads{cluster, role == "primary" ? "rw" : role == "replica" ? "ro" : "", false};
  }

  [[nodiscard]] bool serves_postgres(const model::ServicePort& port) const {
    return port.name == "postgres" || port.name == "pgbouncer" || port.name.empty() ||
           port.port == kPostgresPort;
  }

  void add_service(const model::Service& service) {
    if (service.meta.deletion_timestamp) return;
    if (is_egress(service)) return add_egress(service);
    const std::optional<Leads> leads = leads_of(service);
    if (!leads) return;
    for (const model::ServicePort& port : service.ports) {
      if (!serves_postgres(port)) continue;
      const int number = static_cast<int>(port.port);
      const bool has_cluster_ip = !service.cluster_ip.empty() && service.cluster_ip != "None";
      if (has_cluster_ip) {
        add(service.meta.ns, *leads, host_port_text(service.meta.name, number),
            leads->pooler ? Hop::kPooler : Hop::kService, service.cluster_ip, number);
      }
      if (is_tailnet(service)) add_tailnet(service, *leads, number);
    }
  }

  // By its name, so that MagicDNS is part of what is tried, as it is for clients.
  void add_tailnet(const model::Service& service, const Leads& leads, int port) {
    std::string host;
    for (const std::string& address : service.load_balancer_addresses) {
      const bool name = !parse_ip_address(address);
      if (host.empty() || name) host = address;
    }
    // The name moves with the Service's annotations; the Service is what it is.
    EndpointTarget& target =
        add(service.meta.ns, leads, "tailnet/" + host_port_text(service.meta.name, port),
            Hop::kTailnet, host, port);
    set_proxy(target, config_.endpoints.socks5);
    if (host.empty() && target.not_set_up_reason.empty()) {
      target.cannot_probe_reason = "the Service has no address in the tailnet yet";
    }
  }

  void add_egress(const model::Service& service) {
    for (const model::ServicePort& port : service.ports) {
      const int number = static_cast<int>(port.port);
      EndpointTarget& target = add(service.meta.ns, {}, host_port_text(service.meta.name, number),
                                   Hop::kEgress, service.external_name, number);
      target.kind = "tcp";
      target.canary = false;
      target.not_set_up_reason.clear();
      target.cannot_probe_reason.clear();
    }
  }

  void add_pod(const model::Pod& pod) {
    const bool instance =
        pod.cnpg_role == "instance" ||
        (pod.cnpg_role.empty() && pod.meta.labels.contains("cnpg.io/instanceName"));
    if (pod.cnpg_cluster.empty() || !instance || pod.meta.deletion_timestamp) return;
    if (pod.phase == "Succeeded" || pod.phase == "Failed") return;
    EndpointTarget& target = add(pod.meta.ns, {pod.cnpg_cluster, "", false}, pod.meta.name,
                                 Hop::kPod, pod.pod_ip, config_.postgres.port);
    target.canary = false;
    if (pod.pod_ip.empty() && target.not_set_up_reason.empty()) {
      target.cannot_probe_reason = "the Pod has no address yet";
    }
  }

  EndpointTarget& add(const std::string& ns, const Leads& leads, const std::string& address,
                      Hop hop, const std::string& host, int port) {
    EndpointTarget target = with_settings(config_.endpoints);
    target.id = {ns, leads.cluster, address};
    target.hop = hop;
    target.role = leads.role;
    target.host = host;
    target.port = port;
    target.discovered = true;
    // CNPG's certificate names the Services of the cluster and nothing else.
    set_login(target, leads.cluster + "-rw", config_.endpoints.login, read_file_);
    return targets_.insert_or_assign(target.id, std::move(target)).first->second;
  }

  const config::Config& config_;
  const KubernetesSlice& kubernetes_;
  const ReadFile& read_file_;
  ById& targets_;
};

template <typename Answer>
bool unknown(const Answer& answer) {
  return !answer.is_known() && answer.why().absence == Absence::kUnknown;
}

}  // namespace

EndpointTargets discover_endpoints(const config::Config& config, const KubernetesSlice* kubernetes,
                                   const ReadFile& read_file, const EndpointTargets& previous) {
  ById targets;
  const bool all_known = kubernetes != nullptr && kubernetes->services.is_known() &&
                         kubernetes->pods.is_known() && kubernetes->poolers.is_known();
  if (config.endpoints.discover && all_known) {
    Discovery(config, *kubernetes, read_file, targets).find();
  } else if (config.endpoints.discover &&
             (kubernetes == nullptr || unknown(kubernetes->services) || unknown(kubernetes->pods) ||
              unknown(kubernetes->poolers))) {
    for (const EndpointTarget& target : previous.endpoints) {
      if (target.discovered) targets.insert_or_assign(target.id, target);
    }
  }
  for (const config::Endpoint& endpoint : config.endpoints.addresses) {
    EndpointTarget target = listed(config.endpoints, endpoint, read_file);
    targets.insert_or_assign(target.id, std::move(target));
  }

  // A credential that was there and vanished is a fault, not an address that nobody set up.
  for (const EndpointTarget& before : previous.endpoints) {
    const auto found = targets.find(before.id);
    if (found == targets.end() || found->second.not_set_up_reason.empty()) continue;
    if (!before.not_set_up_reason.empty()) continue;
    found->second.cannot_probe_reason =
        "the credential vanished: " + std::exchange(found->second.not_set_up_reason, {});
  }

  EndpointTargets result;
  for (auto& [id, target] : targets) {
    if (result.endpoints.size() == limits::kEndpoints) break;
    result.endpoints.push_back(std::move(target));
  }
  return result;
}

}  // namespace keelwatch::discovery
