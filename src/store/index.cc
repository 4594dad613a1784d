#include "store/index.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

namespace keelwatch::store {
namespace {

bool matches(const Matcher& matcher, std::string_view value) {
  switch (matcher.op) {
    case Matcher::Op::kEqual:
      return value == matcher.value;
    case Matcher::Op::kNotEqual:
      return value != matcher.value;
    case Matcher::Op::kRegex:
      return matcher.regex(value);
    case Matcher::Op::kNotRegex:
      return !matcher.regex(value);
  }
  return false;
}

bool by_labels(const SeriesRef& a, const SeriesRef& b) { return *a.labels < *b.labels; }

// a and b, sorted; b the longer one by far or not at all.
void intersect(std::vector<Place>& a, const std::vector<Place>& b) {
  auto kept = a.begin();
  auto from = b.begin();
  const bool gallop = b.size() / 16 > a.size();
  for (const Place place : a) {
    if (gallop) {
      from = std::lower_bound(from, b.end(), place);
    } else {
      while (from != b.end() && *from < place) ++from;
    }
    if (from == b.end()) break;
    if (*from == place) *kept++ = place;
  }
  a.erase(kept, a.end());
}

}  // namespace

class Index::Bitmap {
 public:
  explicit Bitmap(std::size_t size) : words_((size + 63) / 64) {}
  void set(std::uint32_t bit) { words_[bit / 64] |= std::uint64_t{1} << (bit % 64); }
  [[nodiscard]] bool test(std::uint32_t bit) const {
    return (words_[bit / 64] >> (bit % 64) & 1) != 0;
  }
  template <typename Visit>
  void for_each(Visit visit) const {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      for (std::uint64_t word = words_[w]; word != 0; word &= word - 1) {
        visit(w * 64 + static_cast<std::size_t>(__builtin_ctzll(word)));
      }
    }
  }

 private:
  std::vector<std::uint64_t> words_;
};

const Index::Name* Index::find(std::string_view name) const {
  const auto at = std::lower_bound(names_.begin(), names_.end(), name,
                                   [](const auto& n, std::string_view t) { return n->text < t; });
  return at != names_.end() && (*at)->text == name ? at->get() : nullptr;
}

const Index::Value* Index::find(const Name& name, std::string_view value) {
  const auto at = std::lower_bound(name.values.begin(), name.values.end(), value,
                                   [](const auto& v, std::string_view t) { return v->text < t; });
  return at != name.values.end() && (*at)->text == value ? at->get() : nullptr;
}

std::shared_ptr<const Index> Index::updated(const Index& old, std::vector<SeriesRef> added,
                                            std::span<const SeriesRef> removed) {
  std::vector<Change> changes;
  for (const SeriesRef& ref : added) {
    for (const LabelView label : *ref.labels) {
      changes.push_back({label.name, label.value, place_of(ref.id), true});
    }
  }
  for (const SeriesRef& ref : removed) {
    for (const LabelView label : *ref.labels) {
      changes.push_back({label.name, label.value, place_of(ref.id), false});
    }
  }
  std::sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) {
    return std::tie(a.name, a.value, a.place) < std::tie(b.name, b.value, b.place);
  });
  std::sort(added.begin(), added.end(), by_labels);

  auto index = std::make_shared<Index>();
  index->update_names(old, changes);
  index->update_order(old, added, removed);
  return index;
}

void Index::update_names(const Index& old, std::span<const Change> changes) {
  auto kept = old.names_.begin();
  while (!changes.empty()) {
    const std::string_view name = changes.front().name;
    const auto group =
        static_cast<std::size_t>(std::find_if(changes.begin(), changes.end(),
                                              [&](const Change& c) { return c.name != name; }) -
                                 changes.begin());
    for (; kept != old.names_.end() && (*kept)->text < name; ++kept) names_.push_back(*kept);
    const bool known = kept != old.names_.end() && (*kept)->text == name;
    auto fresh = changed(known ? kept->get() : nullptr, name, changes.first(group));
    if (!fresh->values.empty()) names_.push_back(std::move(fresh));
    if (known) ++kept;
    changes = changes.subspan(group);
  }
  names_.insert(names_.end(), kept, old.names_.end());
}

std::shared_ptr<const Index::Name> Index::changed(const Name* old, std::string_view text,
                                                  std::span<const Change> changes) {
  static const Name kNone;
  const auto& values = (old != nullptr ? *old : kNone).values;
  auto name = std::make_shared<Name>();
  name->text = text;
  name->values.reserve(values.size());
  auto kept = values.begin();
  while (!changes.empty()) {
    const std::string_view value = changes.front().value;
    std::size_t group = 1;
    while (group < changes.size() && changes[group].value == value) ++group;
    const auto at = std::lower_bound(kept, values.end(), value,
                                     [](const auto& v, std::string_view t) { return v->text < t; });
    name->values.insert(name->values.end(), kept, at);
    kept = at;
    const bool known = kept != values.end() && (*kept)->text == value;
    Postings postings = changed(known ? (*kept)->postings : Postings{}, changes.first(group));
    if (!postings.empty()) {
      name->values.push_back(
          std::make_shared<const Value>(Value{std::string(value), std::move(postings)}));
    }
    if (known) ++kept;
    changes = changes.subspan(group);
  }
  name->values.insert(name->values.end(), kept, values.end());
  name->values.shrink_to_fit();
  return name;
}

Index::Postings Index::changed(const Postings& old, std::span<const Change> changes) {
  Postings postings;
  postings.reserve(old.size() + changes.size());
  auto kept = old.begin();
  for (const Change& change : changes) {
    for (; kept != old.end() && *kept < change.place; ++kept) postings.push_back(*kept);
    if (change.added) {
      postings.push_back(change.place);
    } else if (kept != old.end() && *kept == change.place) {
      ++kept;
    }
  }
  postings.insert(postings.end(), kept, old.end());
  postings.shrink_to_fit();
  return postings;
}

void Index::update_order(const Index& old, std::span<const SeriesRef> added,
                         std::span<const SeriesRef> removed) {
  refs_ = old.refs_;
  for (const SeriesRef& ref : removed) refs_[place_of(ref.id)] = {};
  order_.reserve(old.order_.size() + added.size());
  auto kept = old.order_.begin();
  const auto keep_until = [&](auto end) {
    std::copy_if(kept, end, std::back_inserter(order_),
                 [this](Place place) { return refs_[place].id != 0; });
    kept = end;
  };
  for (const SeriesRef& ref : added) {
    keep_until(std::lower_bound(kept, old.order_.end(), ref, [&](Place place, const SeriesRef& r) {
      return *old.refs_[place].labels < *r.labels;
    }));
    order_.push_back(place_of(ref.id));
  }
  keep_until(old.order_.end());
  for (const SeriesRef& ref : added) {
    if (refs_.size() <= place_of(ref.id)) refs_.resize(place_of(ref.id) + 1);
    refs_[place_of(ref.id)] = ref;
  }
  rank_.resize(refs_.size());
  for (std::size_t i = 0; i < order_.size(); ++i) {
    rank_[order_[i]] = static_cast<std::uint32_t>(i);
  }
}

std::vector<SeriesRef> Index::select(std::span<const Matcher> matchers) const {
  // Equalities first, the shortest list before the others: they cut down what the rest looks at.
  std::vector<const Postings*> equal;
  std::vector<const Matcher*> others;
  for (const Matcher& matcher : matchers) {
    if (matcher.op != Matcher::Op::kEqual || matcher.value.empty()) {
      others.push_back(&matcher);
      continue;
    }
    const Name* name = find(matcher.name);
    const Value* value = name != nullptr ? find(*name, matcher.value) : nullptr;
    if (value == nullptr) return {};
    equal.push_back(&value->postings);
  }
  Postings candidates;
  if (equal.empty()) {
    candidates = order_;
    std::sort(candidates.begin(), candidates.end());
  } else {
    std::sort(equal.begin(), equal.end(),
              [](const Postings* a, const Postings* b) { return a->size() < b->size(); });
    candidates = *equal.front();
    for (std::size_t i = 1; i < equal.size(); ++i) intersect(candidates, *equal[i]);
  }
  for (const Matcher* matcher : others) {
    if (candidates.empty()) return {};
    restrict(*matcher, candidates);
  }
  return in_order(std::move(candidates));
}

void Index::restrict(const Matcher& matcher, Postings& candidates) const {
  const bool absent_matches = matches(matcher, {});
  const Name* name = find(matcher.name);
  if (name == nullptr) {
    if (!absent_matches) candidates.clear();
    return;
  }
  if (candidates.size() <= name->values.size()) {
    std::erase_if(candidates, [&](Place place) {
      return !matches(matcher, refs_[place].labels->get(matcher.name));
    });
    return;
  }
  // Every value is judged once. Series whose value is judged as an absent one is stay unmarked.
  Bitmap marked(refs_.size());
  for (const auto& value : name->values) {
    if (matches(matcher, value->text) == absent_matches) continue;
    for (const Place place : value->postings) marked.set(place);
  }
  std::erase_if(candidates, [&](Place place) { return marked.test(place) == absent_matches; });
}

std::vector<SeriesRef> Index::in_order(Postings places) const {
  std::vector<SeriesRef> refs;
  refs.reserve(places.size());
  if (places.size() < order_.size() / 64) {
    std::sort(places.begin(), places.end(),
              [this](Place a, Place b) { return rank_[a] < rank_[b]; });
    for (const Place place : places) refs.push_back(refs_[place]);
    return refs;
  }
  Bitmap ranks(order_.size());
  for (const Place place : places) ranks.set(rank_[place]);
  ranks.for_each([&](std::size_t rank) { refs.push_back(refs_[order_[rank]]); });
  return refs;
}

std::vector<std::string> Index::label_names() const {
  std::vector<std::string> names;
  names.reserve(names_.size());
  for (const auto& name : names_) names.push_back(name->text);
  return names;
}

std::vector<std::string> Index::label_values(std::string_view name) const {
  std::vector<std::string> values;
  if (const Name* found = find(name); found != nullptr) {
    values.reserve(found->values.size());
    for (const auto& value : found->values) values.push_back(value->text);
  }
  return values;
}

std::size_t Index::heap_bytes() const {
  constexpr std::size_t kControl = 24;  // of a shared_ptr, with the allocator's word
  std::size_t bytes = refs_.capacity() * sizeof(SeriesRef) + order_.capacity() * sizeof(Place) +
                      rank_.capacity() * sizeof(std::uint32_t);
  for (const auto& name : names_) {
    bytes += kControl + sizeof(Name) + name->values.capacity() * sizeof(name->values[0]);
    for (const auto& value : name->values) {
      const std::size_t text = value->text.capacity() > 15 ? value->text.capacity() + 9 : 0;
      bytes += kControl + sizeof(Value) + text + value->postings.capacity() * sizeof(Place) + 8;
    }
  }
  return bytes;
}

}  // namespace keelwatch::store
