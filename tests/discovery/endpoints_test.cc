#include "discovery/endpoints.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>

#include "tests/support/world_builder.h"

using namespace std::chrono_literals;
using namespace keelwatch::testing;

namespace keelwatch::discovery {
namespace {

using model::Hop;

Result<std::string> read_file(const std::string& path) {
  if (path == "/password") return std::string("secret\n");
  return Error(ErrorCode::kNotFound, "no such file");
}

config::Config with_password() {
  config::Config config;
  config.endpoints.login.password_file = "/password";
  return config;
}

model::Service service(std::string name, std::map<std::string, std::string> selector,
                       std::string port_name = "postgres", int port = 5432) {
  model::Service s;
  s.meta.ns = "db";
  s.meta.name = std::move(name);
  s.type = "ClusterIP";
  s.cluster_ip = "10.96.0.1";
  s.selector = std::move(selector);
  s.ports = {{std::move(port_name), port}};
  return s;
}

model::Pooler pooler(std::string name, std::string type) {
  model::Pooler p;
  p.meta.ns = "db";
  p.meta.name = std::move(name);
  p.cluster = "pg";
  p.type = std::move(type);
  return p;
}

model::Pod instance(std::string name, std::string ip) {
  model::Pod pod;
  pod.meta.ns = "db";
  pod.meta.name = std::move(name);
  pod.pod_ip = std::move(ip);
  pod.phase = "Running";
  pod.cnpg_cluster = "pg";
  pod.cnpg_role = "instance";
  return pod;
}

template <typename T>
Observed<model::ObjectList<T>> known(std::vector<T> objects) {
  model::ObjectList<T> list;
  for (T& object : objects) list.push_back(std::make_shared<const T>(std::move(object)));
  return Observed<model::ObjectList<T>>::known(std::move(list), kNow);
}

// As the reference stack has it: Services of the cluster, two poolers in the tailnet.
model::KubernetesSlice stack() {
  model::KubernetesSlice slice = kubernetes_slice();
  model::Service rw =
      service("pooler-rw", {{"cnpg.io/poolerName", "pooler-rw"}, {"cnpg.io/podRole", "pooler"}},
              "pgbouncer");
  rw.type = "LoadBalancer";
  rw.load_balancer_class = "tailscale";
  rw.meta.annotations["tailscale.com/proxy-group"] = "ingress-proxies";
  rw.load_balancer_addresses = {"db-pooler-rw.tail1234.ts.net", "100.100.1.1"};
  model::Service ro =
      service("pooler-ro", {{"cnpg.io/poolerName", "pooler-ro"}}, "pgbouncer", 6432);
  ro.load_balancer_class = "tailscale";
  slice.services = known<model::Service>({
      service("kubernetes", {}, "https", 443),
      service("pg-r", {{"cnpg.io/cluster", "pg"}, {"cnpg.io/podRole", "instance"}}),
      service("pg-ro", {{"cnpg.io/cluster", "pg"}, {"cnpg.io/instanceRole", "replica"}}),
      service("pg-rw", {{"cnpg.io/cluster", "pg"}, {"cnpg.io/instanceRole", "primary"}}),
      std::move(ro),
      std::move(rw),
  });
  slice.poolers = known<model::Pooler>({pooler("pooler-ro", "ro"), pooler("pooler-rw", "rw")});
  slice.pods = known<model::Pod>({instance("pg-1", "10.0.0.1"), instance("pg-2", "")});
  return slice;
}

EndpointTargets discovered(const model::KubernetesSlice& slice,
                           const config::Config& config = with_password(),
                           const EndpointTargets& previous = {}) {
  return discover_endpoints(config, &slice, read_file, previous);
}

std::string describe(const EndpointTarget& t) {
  std::string text = std::string(to_string(t.hop)) + " " + t.id.cluster + "/" + t.id.address + " " +
                     (t.role.empty() ? "-" : t.role) + " at " + t.host + ":" +
                     std::to_string(t.port);
  if (t.kind == "postgres") text += " as " + t.login.host;
  if (!t.cannot_probe_reason.empty()) text += " (" + t.cannot_probe_reason + ")";
  return text;
}

std::string describe(const EndpointTargets& targets) {
  std::string text;
  for (const EndpointTarget& t : targets.endpoints) text += describe(t) + "\n";
  return text;
}

const EndpointTarget& find(const EndpointTargets& targets, const std::string& address) {
  for (const EndpointTarget& t : targets.endpoints) {
    if (t.id.address == address) return t;
  }
  FAIL("no " << address);
  return targets.endpoints.front();
}

}  // namespace

TEST_CASE("every hop on the way to a cluster is found", "[discovery]") {
  const EndpointTargets targets = discovered(stack());
  CHECK(describe(targets) ==
        "pod pg/pg-1 - at 10.0.0.1:5432 as pg-rw\n"
        "pod pg/pg-2 - at :5432 as pg-rw (the Pod has no address yet)\n"
        "service pg/pg-r:5432 - at 10.96.0.1:5432 as pg-rw\n"
        "service pg/pg-ro:5432 ro at 10.96.0.1:5432 as pg-rw\n"
        "service pg/pg-rw:5432 rw at 10.96.0.1:5432 as pg-rw\n"
        "pooler pg/pooler-ro:6432 ro at 10.96.0.1:6432 as pg-rw\n"
        "pooler pg/pooler-rw:5432 rw at 10.96.0.1:5432 as pg-rw\n"
        "tailnet pg/tailnet/pooler-ro:6432 ro at :6432 as pg-rw "
        "(the Service has no address in the tailnet yet)\n"
        "tailnet pg/tailnet/pooler-rw:5432 rw at db-pooler-rw.tail1234.ts.net:5432 as pg-rw\n");
  for (const EndpointTarget& t : targets.endpoints) {
    CHECK(t.discovered);
    CHECK(t.login.user == "keelwatch_probe");
    CHECK(t.login.password == Secret("secret"));
    CHECK(t.login.statement_timeout == Duration::zero());
    CHECK(t.canary == (t.hop != Hop::kPod));
    CHECK(t.not_set_up_reason.empty());
  }
}

TEST_CASE("a way out of Kubernetes by the tailnet is a plain port", "[discovery]") {
  model::KubernetesSlice slice = stack();
  model::Service egress = service("minio", {}, "s3", 9000);
  egress.type = "ExternalName";
  egress.cluster_ip.clear();
  egress.external_name = "ts-minio-abcde.tailscale.svc.cluster.local";
  egress.meta.annotations["tailscale.com/tailnet-fqdn"] = "minio.tail1234.ts.net";
  model::Service other = service("elsewhere", {}, "s3", 9000);
  other.type = "ExternalName";
  slice.services = known<model::Service>({std::move(egress), std::move(other)});
  slice.pods = known<model::Pod>({});
  const EndpointTargets targets = discovered(slice, {});
  REQUIRE(targets.endpoints.size() == 1);
  CHECK(describe(targets.endpoints[0]) ==
        "egress /minio:9000 - at ts-minio-abcde.tailscale.svc.cluster.local:9000");
  CHECK(targets.endpoints[0].kind == "tcp");
  CHECK(targets.endpoints[0].not_set_up_reason.empty());
  CHECK_FALSE(targets.endpoints[0].canary);
}

TEST_CASE("without a credential addresses are not set up, with the remedy", "[discovery]") {
  const EndpointTargets targets = discovered(stack(), {});
  for (const EndpointTarget& t : targets.endpoints) {
    CHECK(t.not_set_up_reason ==
          "no credential: set endpoints.password_file, passfile or sslcert for a role of its own "
          "that may connect");
  }
  // One that was there and vanished is a fault.
  const EndpointTargets vanished = discovered(stack(), {}, discovered(stack()));
  CHECK(find(vanished, "pg-1").not_set_up_reason.empty());
  CHECK(find(vanished, "pg-1").cannot_probe_reason.starts_with("the credential vanished: "));
}

TEST_CASE("what was found stays while Kubernetes is silent", "[discovery]") {
  const EndpointTargets before = discovered(stack());
  model::KubernetesSlice silent = stack();
  silent.services = Observed<model::ObjectList<model::Service>>::unknown(
      Error(ErrorCode::kTimeout, "no answer"), "kubernetes");
  CHECK(discovered(silent, with_password(), before) == before);
  CHECK(discover_endpoints(with_password(), nullptr, read_file, before) == before);
  CHECK(discovered(kubernetes_slice(), with_password(), before).endpoints.empty());
  config::Config off = with_password();
  off.endpoints.discover = false;
  CHECK(discovered(stack(), off, before).endpoints.empty());
}

TEST_CASE("addresses listed by hand say everything themselves", "[discovery]") {
  config::Config config = with_password();
  config.endpoints.socks5 = "127.0.0.1:1055";
  config::Endpoint rw;
  rw.name = "pooler-rw:5432";
  rw.ns = "db";
  rw.cluster = "pg";
  rw.address = "[fd7a::1]:5432";
  rw.role = "rw";
  rw.hop = "tailnet";
  rw.tls_name = "pg-rw";
  rw.timeout = 2s;
  rw.login = config.endpoints.login;
  config::Endpoint web;
  web.address = "https://minio.example.org/minio/health/live";
  web.kind = "http";
  web.socks5 = "[::1]:1080";
  web.login.sslrootcert = "/ca";
  config.endpoints.addresses = {rw, web};
  const EndpointTargets targets = discovered(stack(), config);
  const EndpointTarget& listed = find(targets, "pooler-rw:5432");
  CHECK(describe(listed) == "tailnet pg/pooler-rw:5432 rw at fd7a::1:5432 as pg-rw");
  CHECK_FALSE(listed.discovered);
  CHECK(listed.timeout == 2s);
  CHECK(listed.interval == 15s);
  CHECK(listed.socks5_host == "127.0.0.1");
  CHECK(listed.socks5_port == 1055);
  const EndpointTarget& page = find(targets, web.address);
  CHECK(describe(page) ==
        "other /https://minio.example.org/minio/health/live - at minio.example.org:443");
  CHECK(page.url == web.address);
  CHECK(page.tls_name == "minio.example.org");
  CHECK(page.ca_file == "/ca");
  CHECK(page.socks5_host == "::1");
  // Of those discovered only addresses of the tailnet go through the proxy.
  CHECK(find(targets, "tailnet/pooler-rw:5432").socks5_port == 1055);
  CHECK(find(targets, "pg-rw:5432").socks5_port == 0);
}

}  // namespace keelwatch::discovery
