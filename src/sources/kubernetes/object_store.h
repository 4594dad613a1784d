// The objects of one kind (and, where namespaces are chosen, of one namespace), sorted by namespace
// and name. Successive lists share the pointers of unchanged objects.
//
// An object that cannot be decoded (a field of a wrong type) stays in the list with its namespace
// and name only; all its facts are absent. It must not vanish, which would look like a deletion and
// resolve alerts, and must not keep its last good facts, which would go on looking healthy. Until
// it decodes or goes, problem() names it and its kind's report is down.
//
// With a `keep`, objects that it does not want are as good as not there.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "model/kubernetes.h"
#include "sources/kubernetes/list_watch.h"

namespace keelwatch::sources {

template <typename T>
class TypedStore final : public ObjectStore {
 public:
  using Decode = T (*)(JsonReader& reader, JsonValue object);
  using Keep = bool (*)(const T& object);
  explicit TypedStore(Decode function, Keep keep = nullptr) : decode_(function), keep_(keep) {}

  void begin_listing() override {
    listing_.clear();
    listing_problems_.clear();
  }
  void add_listed(JsonReader& reader, JsonValue object, const ObjectIdentity& id) override {
    if (Pointer decoded = decode(reader, object, id, listing_problems_)) {
      listing_.push_back(std::move(decoded));
    }
  }
  void finish_listing() override {
    // etcd's order is that of "namespace/name", in which '/' sorts after '-' and '.'.
    std::sort(listing_.begin(), listing_.end(),
              [](const Pointer& a, const Pointer& b) { return key(*a) < key(*b); });
    objects_ = std::exchange(listing_, {});
    problems_ = std::exchange(listing_problems_, {});
  }

  void put(JsonReader& reader, JsonValue object, const ObjectIdentity& id) override {
    problems_.erase({id.ns, id.name});
    Pointer decoded = decode(reader, object, id, problems_);
    if (!decoded) return erase(id);
    const auto at = find(id);
    if (holds(at, id))
      *at = std::move(decoded);
    else
      objects_.insert(at, std::move(decoded));
  }
  void erase(const ObjectIdentity& id) override {
    problems_.erase({id.ns, id.name});
    if (const auto at = find(id); holds(at, id)) objects_.erase(at);
  }
  void clear() override {
    begin_listing();
    objects_.clear();
    problems_.clear();
  }

  [[nodiscard]] const model::ObjectList<T>& objects() const { return objects_; }
  // How many objects could not be decoded, since start.
  [[nodiscard]] std::uint64_t malformed() const { return malformed_; }
  // One that cannot be decoded now, and why; "" if there is none.
  [[nodiscard]] std::string problem() const {
    return problems_.empty() ? "" : problems_.begin()->second;
  }

 private:
  using Pointer = std::shared_ptr<const T>;
  using Problems = std::map<std::pair<std::string, std::string>, std::string>;

  [[nodiscard]] static auto key(const T& object) {
    return std::pair<std::string_view, std::string_view>(object.meta.ns, object.meta.name);
  }
  [[nodiscard]] auto find(const ObjectIdentity& id) {
    return std::lower_bound(
        objects_.begin(), objects_.end(),
        std::pair<std::string_view, std::string_view>(id.ns, id.name),
        [](const Pointer& object, const auto& wanted) { return key(*object) < wanted; });
  }
  [[nodiscard]] bool holds(typename model::ObjectList<T>::iterator at,
                           const ObjectIdentity& id) const {
    return at != objects_.end() && (*at)->meta.ns == id.ns && (*at)->meta.name == id.name;
  }

  // Null if the object is not wanted.
  [[nodiscard]] Pointer decode(JsonReader& reader, JsonValue object, const ObjectIdentity& id,
                               Problems& problems) {
    T decoded = decode_(reader, object);
    if (const auto complaint = reader.take_complaint()) {
      ++malformed_;
      const std::string name = id.ns.empty() ? id.name : id.ns + "/" + id.name;
      problems[{id.ns, id.name}] = name + ": " + complaint->message();
      decoded = T();
      decoded.meta.ns = id.ns;
      decoded.meta.name = id.name;
    } else if (keep_ != nullptr && !keep_(decoded)) {
      return nullptr;
    }
    return std::make_shared<const T>(std::move(decoded));
  }

  Decode decode_;
  Keep keep_;
  model::ObjectList<T> objects_;
  Problems problems_;
  std::uint64_t malformed_ = 0;
  model::ObjectList<T> listing_;  // of the listing under way
  Problems listing_problems_;
};

}  // namespace keelwatch::sources
