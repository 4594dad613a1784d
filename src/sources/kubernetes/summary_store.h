// Of a kind with very many objects, listed now and then, what they come to in sum: by volume, or
// whatever else they belong to. No object is kept. What cannot be decoded is left out of the sums;
// problem() names it and its kind's report is down.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "model/kubernetes.h"
#include "sources/kubernetes/list_watch.h"

namespace keelwatch::sources {

template <typename T>
class SummaryStore final : public ObjectStore {
 public:
  using Group = std::string (*)(JsonValue object);  // the name of the sum that it belongs to
  using Add = void (*)(JsonReader& reader, JsonValue object, T& sum);
  SummaryStore(Group group, Add add) : group_(group), add_(add) {}

  void begin_listing() override {
    listing_.clear();
    listing_problem_.clear();
  }
  void add_listed(JsonReader& reader, JsonValue object, const ObjectIdentity& id) override {
    std::string name = group_(object);
    T one;
    add_(reader, object, one);  // tried first: half of an object shall not be added
    if (const auto complaint = reader.take_complaint()) {
      ++malformed_;
      listing_problem_ = id.ns + "/" + id.name + ": " + complaint->message();
      return;
    }
    T& sum = listing_[{id.ns, name}];
    sum.meta.ns = id.ns;
    sum.meta.name = std::move(name);
    add_(reader, object, sum);
  }
  void finish_listing() override {
    objects_.clear();
    objects_.reserve(listing_.size());
    for (auto& [key, sum] : listing_) objects_.push_back(std::make_shared<const T>(std::move(sum)));
    listing_.clear();
    problem_ = std::exchange(listing_problem_, {});
  }
  // A kind that is polled is not watched.
  void put(JsonReader&, JsonValue, const ObjectIdentity&) override {}
  void erase(const ObjectIdentity&) override {}
  void clear() override {
    begin_listing();
    finish_listing();
  }

  [[nodiscard]] const model::ObjectList<T>& objects() const { return objects_; }
  // How many objects could not be decoded, since start.
  [[nodiscard]] std::uint64_t malformed() const { return malformed_; }
  // One of the last listing that could not be decoded, and why; "" if there is none.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  Group group_;
  Add add_;
  model::ObjectList<T> objects_;
  std::string problem_;
  std::uint64_t malformed_ = 0;
  std::map<std::pair<std::string, std::string>, T> listing_;
  std::string listing_problem_;
};

}  // namespace keelwatch::sources
