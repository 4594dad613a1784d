#include "store/index.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <regex>
#include <string>

#include "tests/store/samples.h"

namespace keelwatch::store {
namespace {

using Op = Matcher::Op;

Matcher matcher(Op op, std::string name, std::string value) {
  Matcher result{op, std::move(name), std::move(value), nullptr};
  if (op == Op::kRegex || op == Op::kNotRegex) {
    result.regex = [compiled = std::regex(result.value)](std::string_view text) {
      return std::regex_match(text.begin(), text.end(), compiled);
    };
  }
  return result;
}

SeriesRef series(SeriesId id, Labels labels) {
  return {id, std::make_shared<const Labels>(std::move(labels))};
}

std::vector<SeriesId> ids(const std::vector<SeriesRef>& refs) {
  std::vector<SeriesId> result;
  for (const SeriesRef& ref : refs) result.push_back(ref.id);
  return result;
}

bool meets(const Labels& labels, const std::vector<Matcher>& matchers) {
  return std::all_of(matchers.begin(), matchers.end(), [&](const Matcher& m) {
    const std::string_view value = labels.get(m.name);
    switch (m.op) {
      case Op::kEqual:
        return value == m.value;
      case Op::kNotEqual:
        return value != m.value;
      case Op::kRegex:
        return m.regex(value);
      default:
        return !m.regex(value);
    }
  });
}

std::vector<SeriesId> expected(std::vector<SeriesRef> refs, const std::vector<Matcher>& matchers) {
  std::erase_if(refs, [&](const SeriesRef& ref) { return !meets(*ref.labels, matchers); });
  std::sort(refs.begin(), refs.end(),
            [](const SeriesRef& a, const SeriesRef& b) { return *a.labels < *b.labels; });
  return ids(refs);
}

}  // namespace

TEST_CASE("a matcher that the empty value meets also selects series without the label", "[store]") {
  const auto index = Index::updated(
      Index(),
      {series(1, {{kMetricName, "up"}, {"job", "a"}}),
       series(2, {{kMetricName, "up"}, {"job", "b"}}), series(3, {{kMetricName, "up"}}),
       series(4, {{kMetricName, "down"}, {"zone", "x"}})},
      {});
  struct Case {
    const char* name;
    std::vector<Matcher> matchers;
    std::vector<SeriesId> ids;
  };
  const Case cases[] = {
      {"nothing asked", {}, {4, 3, 1, 2}},
      {"equal", {matcher(Op::kEqual, "job", "a")}, {1}},
      {"equal to nothing", {matcher(Op::kEqual, "job", "")}, {4, 3}},
      {"not equal", {matcher(Op::kNotEqual, "job", "a")}, {4, 3, 2}},
      {"present", {matcher(Op::kNotEqual, "job", "")}, {1, 2}},
      {"regex", {matcher(Op::kRegex, "job", "a|c")}, {1}},
      {"regex that takes nothing too", {matcher(Op::kRegex, "job", "a|")}, {4, 3, 1}},
      {"any", {matcher(Op::kRegex, "job", ".*")}, {4, 3, 1, 2}},
      {"some", {matcher(Op::kRegex, "job", ".+")}, {1, 2}},
      {"not regex", {matcher(Op::kNotRegex, "job", "a")}, {4, 3, 2}},
      {"not any", {matcher(Op::kNotRegex, "job", ".*")}, {}},
      {"unknown label equal", {matcher(Op::kEqual, "pod", "a")}, {}},
      {"unknown label absent", {matcher(Op::kEqual, "pod", "")}, {4, 3, 1, 2}},
      {"unknown label present", {matcher(Op::kNotEqual, "pod", "")}, {}},
      {"unknown value", {matcher(Op::kEqual, "job", "c")}, {}},
      {"both",
       {matcher(Op::kEqual, kMetricName.data(), "up"), matcher(Op::kNotEqual, "job", "b")},
       {3, 1}},
      {"contradiction", {matcher(Op::kEqual, "job", "a"), matcher(Op::kEqual, "job", "b")}, {}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(ids(index->select(c.matchers)) == c.ids);
  }
  CHECK(index->label_names() == std::vector<std::string>{"__name__", "job", "zone"});
  CHECK(index->label_values("job") == std::vector<std::string>{"a", "b"});
  CHECK(index->label_values("pod").empty());
}

namespace {

constexpr const char* kNames[] = {"__name__", "job", "zone", "pod"};

// An index that changes at random, and the list of series that it is compared with.
struct Changing {
  Random random{7};
  std::shared_ptr<const Index> index = std::make_shared<const Index>();
  std::vector<SeriesRef> live;
  std::vector<Place> free;
  SeriesId incarnation = 0;

  std::string value(std::size_t name) {
    // Few values, many values, sizes on both sides of every short cut.
    constexpr std::size_t kValues[] = {3, 12, 2, 400};
    return std::to_string(below(random, kValues[name]));
  }

  Labels labels() {
    std::vector<std::string> texts;
    for (std::size_t name = 0; name < 4; ++name) {
      texts.push_back(below(random, 4) == 0 ? "" : value(name));
    }
    std::vector<LabelView> pairs;
    for (std::size_t name = 0; name < 4; ++name) pairs.push_back({kNames[name], texts[name]});
    return Labels(pairs);
  }

  void change(bool shrink) {
    std::vector<SeriesRef> removed;
    for (std::size_t n = below(random, shrink ? 400 : 20); n > 0 && !live.empty(); --n) {
      std::swap(live[below(random, live.size())], live.back());
      removed.push_back(live.back());
      live.pop_back();
    }
    std::vector<SeriesRef> added;
    for (std::size_t n = below(random, shrink ? 3 : 60); n > 0; --n) {
      Labels fresh = labels();
      const auto same = [&](const SeriesRef& ref) { return *ref.labels == fresh; };
      if (std::any_of(live.begin(), live.end(), same) ||
          std::any_of(added.begin(), added.end(), same)) {
        continue;
      }
      auto place = static_cast<Place>(live.size() + added.size() + removed.size() + free.size());
      if (!free.empty()) {
        place = free.back();
        free.pop_back();
      }
      added.push_back(series(++incarnation << 32 | place, std::move(fresh)));
    }
    index = Index::updated(*index, added, removed);
    live.insert(live.end(), added.begin(), added.end());
    for (const SeriesRef& ref : removed) free.push_back(place_of(ref.id));
  }

  std::vector<Matcher> matchers() {
    std::vector<Matcher> result;
    for (std::size_t n = below(random, 4); n > 0; --n) {
      const std::size_t name = below(random, 4);
      const auto op = static_cast<Op>(below(random, 4));
      std::string text = below(random, 5) == 0 ? "" : value(name);
      if (op == Op::kRegex || op == Op::kNotRegex) text += below(random, 2) == 0 ? ".*" : "|1";
      result.push_back(matcher(op, kNames[name], text));
    }
    return result;
  }

  [[nodiscard]] std::vector<std::string> values(std::string_view name) const {
    std::vector<std::string> result;
    for (const SeriesRef& ref : live) {
      if (ref.labels->has(name)) result.emplace_back(ref.labels->get(name));
    }
    std::sort(result.begin(), result.end());
    result.erase(std::unique(result.begin(), result.end()), result.end());
    return result;
  }
};

}  // namespace

TEST_CASE("an index changed many times selects what a look at every series selects", "[store]") {
  Changing c;
  for (int round = 0; round < 60; ++round) {
    const std::shared_ptr<const Index> before = c.index;
    const std::vector<SeriesId> before_ids = ids(before->select({}));
    c.change(round % 20 > 15);
    REQUIRE(c.index->series() == c.live.size());
    for (int query = 0; query < 40; ++query) {
      const std::vector<Matcher> matchers = c.matchers();
      REQUIRE(ids(c.index->select(matchers)) == expected(c.live, matchers));
    }
    // The old one is what it was.
    REQUIRE(ids(before->select({})) == before_ids);
    for (const char* name : kNames) REQUIRE(c.index->label_values(name) == c.values(name));
  }
}

}  // namespace keelwatch::store
