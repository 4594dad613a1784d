#include "discovery/kubelets.h"

#include <catch2/catch.hpp>

#include "tests/support/world_builder.h"

using namespace keelwatch::testing;

namespace keelwatch::discovery {
namespace {

template <typename T>
Observed<model::ObjectList<T>> known(std::vector<T> objects) {
  model::ObjectList<T> list;
  for (T& object : objects) list.push_back(std::make_shared<const T>(std::move(object)));
  return Observed<model::ObjectList<T>>::known(std::move(list), kNow);
}

model::Pod pod(std::string name, std::string node, std::vector<std::string> claims,
               std::string cluster = "pg") {
  model::Pod p;
  p.meta.ns = "db";
  p.meta.name = std::move(name);
  p.node = std::move(node);
  p.phase = "Running";
  p.claims = std::move(claims);
  p.cnpg_cluster = std::move(cluster);
  return p;
}

model::PersistentVolumeClaim claim(std::string name, bool of_database = true) {
  model::PersistentVolumeClaim c;
  c.meta.ns = "db";
  c.meta.name = std::move(name);
  if (of_database) c.meta.labels["cnpg.io/cluster"] = "pg";
  return c;
}

model::Node node(std::string name, std::string address) {
  model::Node n;
  n.meta.name = std::move(name);
  n.internal_ip = std::move(address);
  return n;
}

model::KubernetesSlice slice() {
  model::KubernetesSlice s = kubernetes_slice();
  model::Pod done = pod("pg-0", "n4", {"pg-0"});
  done.phase = "Succeeded";
  s.pods = known<model::Pod>({pod("pg-1", "n1", {"pg-1", "pg-1-wal"}), pod("pg-2", "n2", {"pg-2"}),
                              pod("files", "n3", {"files"}, ""), pod("pooler", "n3", {}),
                              pod("pg-9", "", {"pg-9"}), done});
  s.claims =
      known<model::PersistentVolumeClaim>({claim("files", false), claim("pg-0"), claim("pg-1"),
                                           claim("pg-1-wal"), claim("pg-2"), claim("pg-9")});
  s.nodes = known<model::Node>({node("n1", "10.0.0.1"), node("n2", ""), node("n3", "10.0.0.3")});
  return s;
}

std::string text(const KubeletTargets& targets) {
  std::string out;
  for (const KubeletTarget& t : targets.kubelets) {
    out += t.node + "=" + t.address +
           (t.cannot_ask_reason.empty() ? "" : "(" + t.cannot_ask_reason + ")") + " ";
  }
  return out;
}

Why silent() {
  return {Absence::kUnknown, Error(ErrorCode::kTimeout, "no answer for 20s"), "kubernetes"};
}

}  // namespace

TEST_CASE("only nodes on which a claim of a database is mounted are asked", "[discovery]") {
  const auto s = slice();
  CHECK(text(discover_kubelets(&s, {})) == "n1=10.0.0.1 n2=(the Node has no InternalIP) ");
}

TEST_CASE("a silent API server is no reason to let go of a kubelet", "[discovery]") {
  const auto s = slice();
  const KubeletTargets before = discover_kubelets(&s, {});
  CHECK(discover_kubelets(nullptr, before) == before);

  auto without_pods = slice();
  without_pods.pods = Observed<model::ObjectList<model::Pod>>::absent(silent());
  CHECK(discover_kubelets(&without_pods, before) == before);

  auto without_nodes = slice();
  without_nodes.nodes = Observed<model::ObjectList<model::Node>>::absent(silent());
  CHECK(text(discover_kubelets(&without_nodes, before)) ==
        "n1=10.0.0.1 n2=(its address is unknown: no answer for 20s) ");

  // Without claims the Pods' own labels tell.
  auto without_claims = slice();
  without_claims.claims =
      Observed<model::ObjectList<model::PersistentVolumeClaim>>::absent(silent());
  CHECK(discover_kubelets(&without_claims, {}) == before);
}

TEST_CASE("without Kubernetes there is no kubelet", "[discovery]") {
  const auto s = slice();
  const auto none = model::KubernetesSlice::absent(
      {Absence::kNotSetUp, Error(ErrorCode::kNotFound, "no kubeconfig"), "kubernetes"});
  CHECK(discover_kubelets(&none, discover_kubelets(&s, {})) == KubeletTargets());
}

}  // namespace keelwatch::discovery
