// The objects of a Kubernetes API in memory, with the history that list and watch need: one counter
// of resourceVersions, a bounded log of changes, and the state at any resourceVersion that the log
// still reaches. Metadata is kept as the API server keeps it
// (pkg/registry/generic/registry/store.go): uid, creationTimestamp, resourceVersion and generation
// are never the client's, a write that changes nothing makes no event, finalizers delay a deletion.
// Threads: none of its own; the caller locks. Misuse throws std::invalid_argument.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelwatch::standins {

struct KubeResource {
  std::string group;  // "" for core
  std::string version;
  std::string plural;
  std::string kind;
  bool namespaced = true;
  bool custom = false;  // defined by a CustomResourceDefinition

  // "pods", "clusters.postgresql.cnpg.io": how the API server names it in messages.
  [[nodiscard]] std::string qualified() const {
    return group.empty() ? plural : plural + "." + group;
  }
  [[nodiscard]] std::string api_version() const {
    return group.empty() ? version : group + "/" + version;
  }
};

struct KubeObject {
  std::string space;  // namespace, "" for cluster-scoped ones
  std::string name;
  std::uint64_t resource_version = 0;
  std::map<std::string, std::string> labels;
  std::string text;            // {"apiVersion":..,"kind":..,"metadata":..
  std::size_t after_kind = 0;  // text[after_kind..] is the object without apiVersion and kind

  // As an item of a list: the API server leaves apiVersion and kind out for its built-in types.
  void append_item(const KubeResource& resource, std::string& to) const;
};
using KubeObjectPtr = std::shared_ptr<const KubeObject>;

struct KubeEvent {
  enum class Type { kAdded, kModified, kDeleted };
  std::uint64_t resource_version;
  Type type;
  std::string resource;    // KubeResource::qualified()
  KubeObjectPtr object;    // of a deletion: the last state, with the deletion's resourceVersion
  KubeObjectPtr previous;  // null for kAdded
};

struct KubeRef {
  std::string api_version;  // "v1", "postgresql.cnpg.io/v1"
  std::string kind;         // "Pod"
  std::string space;
  std::string name;
};

class KubeStore {
 public:
  explicit KubeStore(std::size_t history) : history_(history) {}

  void install(KubeResource resource);
  // Its objects are deleted (and watched as such) first.
  void uninstall(const KubeResource& resource);
  [[nodiscard]] const KubeResource* find(std::string_view group, std::string_view version,
                                         std::string_view plural) const;
  [[nodiscard]] const KubeResource* find_kind(std::string_view api_version,
                                              std::string_view kind) const;
  [[nodiscard]] bool has_group_version(std::string_view group, std::string_view version) const;
  [[nodiscard]] std::vector<const KubeResource*> resources() const;

  // Creates or replaces one object, or every item of a List. Returns how many.
  std::size_t put(std::string_view json);
  // JSON merge patch (RFC 7386). False when there is no such object.
  bool patch(const KubeRef& ref, std::string_view json);
  // With finalizers left: sets deletionTimestamp. False when there is no such object.
  bool remove(const KubeRef& ref);

  [[nodiscard]] KubeObjectPtr get(const KubeResource& resource, const std::string& space,
                                  const std::string& name) const;
  // Sorted by namespace and name, as etcd sorts its keys. Nothing when the version is compacted.
  // `space` "" means all.
  [[nodiscard]] std::optional<std::vector<KubeObjectPtr>> list(const KubeResource& resource,
                                                               const std::string& space,
                                                               std::uint64_t at_version) const;

  [[nodiscard]] std::uint64_t version() const { return version_; }
  // Changes after this version are known; before it they are forgotten.
  [[nodiscard]] std::uint64_t compacted_version() const { return compacted_; }
  // The first change after `version`, or nullptr. Only for version >= compacted_version().
  [[nodiscard]] const KubeEvent* next_event(std::uint64_t version) const;
  void compact();

  [[nodiscard]] static bool selected_by_field(const KubeObject& object, std::string_view field,
                                              std::string_view value);

 private:
  using Key = std::string;  // "namespace/name"
  struct Table {
    KubeResource resource;
    std::map<Key, KubeObjectPtr> objects;
  };

  void put_one(nlohmann::ordered_json value);
  Table* table_of(const KubeRef& ref);
  void log(KubeEvent::Type type, const Table& table, KubeObjectPtr object, KubeObjectPtr previous);
  void erase(Table& table, const Key& key);

  std::size_t history_;
  std::uint64_t version_ = 1000;
  std::uint64_t compacted_ = 1000;
  std::map<std::string, Table> tables_;  // by qualified name
  std::deque<KubeEvent> events_;         // of versions compacted_+1 .. version_, without a gap
};

// The object's text with another metadata.resourceVersion.
KubeObjectPtr with_resource_version(const KubeObject& object, std::uint64_t version);

}  // namespace keelwatch::standins
