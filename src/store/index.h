// The inverted index: label name -> value -> sorted places of the series that have it. Immutable;
// a change makes a new index that shares every posting list the change does not touch.
//
// Threads: const everywhere; share it by shared_ptr<const Index>.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/queryable.h"

namespace keelwatch::store {

// The place of a series in the store: the low half of its id.
using Place = std::uint32_t;
[[nodiscard]] inline Place place_of(SeriesId id) { return static_cast<Place>(id); }

class Index {
 public:
  Index() = default;

  // `old` with and without some series. An added one may not take the place of one that `old` has.
  [[nodiscard]] static std::shared_ptr<const Index> updated(const Index& old,
                                                            std::vector<SeriesRef> added,
                                                            std::span<const SeriesRef> removed);

  // As Queryable::select.
  [[nodiscard]] std::vector<SeriesRef> select(std::span<const Matcher> matchers) const;

  // All names, sorted; all values of a name, sorted.
  [[nodiscard]] std::vector<std::string> label_names() const;
  [[nodiscard]] std::vector<std::string> label_values(std::string_view name) const;

  [[nodiscard]] std::size_t series() const { return order_.size(); }
  [[nodiscard]] bool contains(SeriesId id) const {
    return place_of(id) < refs_.size() && refs_[place_of(id)].id == id;
  }
  // An estimate of its heap, labels excluded.
  [[nodiscard]] std::size_t heap_bytes() const;

 private:
  using Postings = std::vector<Place>;
  struct Value {
    std::string text;
    Postings postings;
  };
  struct Name {
    std::string text;
    std::vector<std::shared_ptr<const Value>> values;  // sorted by text
  };
  // One label of an added or removed series.
  struct Change {
    std::string_view name, value;
    Place place = 0;
    bool added = false;
  };
  class Bitmap;

  [[nodiscard]] const Name* find(std::string_view name) const;
  [[nodiscard]] static const Value* find(const Name& name, std::string_view value);
  [[nodiscard]] static std::shared_ptr<const Name> changed(const Name* old, std::string_view text,
                                                           std::span<const Change> changes);
  [[nodiscard]] static Postings changed(const Postings& old, std::span<const Change> changes);
  void update_names(const Index& old, std::span<const Change> changes);
  void update_order(const Index& old, std::span<const SeriesRef> added,
                    std::span<const SeriesRef> removed);

  void restrict(const Matcher& matcher, Postings& candidates) const;
  [[nodiscard]] std::vector<SeriesRef> in_order(Postings places) const;

  std::vector<std::shared_ptr<const Name>> names_;  // sorted by text
  std::vector<SeriesRef> refs_;                     // by place; id 0 where there is none
  std::vector<Place> order_;                        // sorted by labels
  std::vector<std::uint32_t> rank_;                 // by place: the position in order_
};

}  // namespace keelwatch::store
