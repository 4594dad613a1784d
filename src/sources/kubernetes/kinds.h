// The kinds that are watched, and where the API server serves them.
#pragma once

#include <string>
#include <string_view>

namespace keelwatch::sources {

struct KindInfo {
  std::string_view kind;
  std::string_view group;  // empty: core
  std::string_view version;
  std::string_view plural;
  bool namespaced;
};

inline constexpr KindInfo kClusterKind{"Cluster", "postgresql.cnpg.io", "v1", "clusters", true};
inline constexpr KindInfo kPodKind{"Pod", "", "v1", "pods", true};
inline constexpr KindInfo kServiceKind{"Service", "", "v1", "services", true};
inline constexpr KindInfo kClaimKind{"PersistentVolumeClaim", "", "v1", "persistentvolumeclaims",
                                     true};
inline constexpr KindInfo kVolumeKind{"PersistentVolume", "", "v1", "persistentvolumes", false};
inline constexpr KindInfo kNodeKind{"Node", "", "v1", "nodes", false};

// "/apis/postgresql.cnpg.io/v1/namespaces/db/clusters"; an empty namespace means all of them.
[[nodiscard]] std::string resource_path(const KindInfo& kind, std::string_view ns);

// "clusters.postgresql.cnpg.io at the cluster scope", "pods in namespace \"db\"": what an RBAC rule
// is about, in kubectl's words.
[[nodiscard]] std::string resource_and_scope(const KindInfo& kind, std::string_view ns);

}  // namespace keelwatch::sources
