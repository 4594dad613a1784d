#include "metrics/writer.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "metrics/exposition.h"

using namespace std::chrono_literals;

namespace keelwatch::metrics {
namespace {

constexpr Family kUp("keelwatch_test_up", Type::kGauge, "Whether it answers.",
                     {"namespace", "pod"});
constexpr Family kErrors("keelwatch_test_errors_total", Type::kCounter, "Errors.", {"reason"});
constexpr Family kPhase("keelwatch_test_phase", Type::kGauge, "Phase.", {"cluster", "phase"});
constexpr Family kBare("keelwatch_test_bare", Type::kGauge, "No labels.", {});
constexpr Family kForeign("keelwatch_test_foreign", Type::kGauge, "Not declared.", {});
const Family* const kDeclared[] = {&kUp, &kErrors, &kPhase, &kBare};

template <typename T>
Observed<T> known(T value) {
  return Observed<T>::known(std::move(value), WallTime(5s));
}
template <typename T>
Observed<T> unknown() {
  return Observed<T>::unknown(Error(ErrorCode::kTimeout, "no answer"), "test");
}

// What `write` wrote, as text without HELP and TYPE.
template <typename F>
std::string written(F write) {
  SeriesTable table;
  Writer writer(table, kDeclared);
  write(writer);
  const Samples samples = std::move(writer).finish();
  std::string page;
  append_samples(page, samples, Format::kText004);
  std::string lines;
  for (std::size_t at = 0; at < page.size();) {
    const std::size_t end = page.find('\n', at) + 1;
    if (page[at] != '#') lines += page.substr(at, end - at);
    at = end;
  }
  return lines;
}

std::shared_ptr<const Series> intern(SeriesTable& table, const Family& family,
                                     std::initializer_list<std::string_view> values) {
  return table.intern(family, {values.begin(), values.size()});
}

}  // namespace

TEST_CASE("the writer turns each kind of value into a number", "[metrics]") {
  CHECK(written([](Writer& w) { w.write(kBare, {}, known(2.5)); }) == "keelwatch_test_bare 2.5\n");
  CHECK(written([](Writer& w) { w.write(kBare, {}, known(true)); }) == "keelwatch_test_bare 1\n");
  CHECK(written([](Writer& w) { w.write(kBare, {}, known(std::uint64_t{7})); }) ==
        "keelwatch_test_bare 7\n");
  CHECK(written([](Writer& w) { w.write(kBare, {}, known(Duration(1500ms))); }) ==
        "keelwatch_test_bare 1.5\n");
  CHECK(written([](Writer& w) { w.write(kBare, {}, known(WallTime(1764040000s))); }) ==
        "keelwatch_test_bare 1764040000\n");
  CHECK(written([](Writer& w) { w.write(kBare, {}, known(std::optional<Duration>(2s))); }) ==
        "keelwatch_test_bare 2\n");
}

TEST_CASE("what is not known is no sample, never a zero", "[metrics]") {
  CHECK(written([](Writer& w) { w.write(kBare, {}, unknown<double>()); }).empty());
  CHECK(written([](Writer& w) { w.write(kBare, {}, known(std::optional<int>())); }).empty());
  CHECK(written([](Writer& w) { w.write(kBare, {}, known(std::nan(""))); }).empty());
  CHECK(written([](Writer& w) {
          w.write(kBare, {}, Observed<int>::not_installed("no such API", "kubernetes"));
        }).empty());
  const std::string_view phases[] = {"a", "b"};
  CHECK(written([&](Writer& w) {
          w.write_states(kPhase, {"pg"}, phases, unknown<std::string>());
        }).empty());
}

TEST_CASE("families come in the order of declaration, series in the order of writing",
          "[metrics]") {
  CHECK(written([](Writer& w) {
          w.write(kBare, {}, known(1));
          w.write(kErrors, {"timeout"}, known(1));
          w.write(kUp, {"db", "pg-2"}, known(true));
          w.write(kErrors, {"forbidden"}, known(2));
          w.write(kUp, {"db", "pg-1"}, known(false));
        }) ==
        "keelwatch_test_up{namespace=\"db\",pod=\"pg-2\"} 1\n"
        "keelwatch_test_up{namespace=\"db\",pod=\"pg-1\"} 0\n"
        "keelwatch_test_errors_total{reason=\"timeout\"} 1\n"
        "keelwatch_test_errors_total{reason=\"forbidden\"} 2\n"
        "keelwatch_test_bare 1\n");
}

TEST_CASE("a state set has one 1, and an unheard-of state gets a series of its own", "[metrics]") {
  const std::string_view phases[] = {"healthy", "switchover"};
  CHECK(written([&](Writer& w) {
          w.write_states(kPhase, {"a"}, phases, known<std::string>("healthy"));
          w.write_states(kPhase, {"b"}, phases, known<std::string>("on fire"));
        }) ==
        "keelwatch_test_phase{cluster=\"a\",phase=\"healthy\"} 1\n"
        "keelwatch_test_phase{cluster=\"a\",phase=\"switchover\"} 0\n"
        "keelwatch_test_phase{cluster=\"b\",phase=\"healthy\"} 0\n"
        "keelwatch_test_phase{cluster=\"b\",phase=\"switchover\"} 0\n"
        "keelwatch_test_phase{cluster=\"b\",phase=\"on fire\"} 1\n");
}

TEST_CASE("programming errors are refused and name the family", "[metrics]") {
  using Catch::Matchers::Message;
  SeriesTable table;
  Writer writer(table, kDeclared);
  CHECK_THROWS_MATCHES(writer.write(kForeign, {}, known(1)), std::logic_error,
                       Message("keelwatch_test_foreign: not declared"));
  CHECK_THROWS_MATCHES(writer.write(kUp, {"db"}, known(1)), std::logic_error,
                       Message("keelwatch_test_up: wrong number of label values"));
  const std::string_view states[] = {"a"};
  CHECK_THROWS_MATCHES(writer.write_states(kPhase, {}, states, known<std::string>("a")),
                       std::logic_error,
                       Message("keelwatch_test_phase: wrong number of label values"));
  writer.write(kUp, {"db", "pg"}, known(1));
  CHECK_THROWS_MATCHES(writer.write(kUp, {"db", "pg"}, known(1)), std::logic_error,
                       Message("keelwatch_test_up{namespace=\"db\",pod=\"pg\"} is written twice"));
  Writer next(table, kDeclared);
  CHECK_NOTHROW(next.write(kUp, {"db", "pg"}, known(1)));

  constexpr Family kSameInOpenMetrics("keelwatch_test_errors", Type::kGauge, "Clash.", {});
  const Family* const clash[] = {&kErrors, &kSameInOpenMetrics};
  CHECK_THROWS_MATCHES(Writer(table, clash), std::logic_error,
                       Message("keelwatch_test_errors: declared twice"));
  constexpr Family kHistogram("keelwatch_test_seconds", Type::kHistogram, "Not here.", {});
  const Family* const histogram[] = {&kHistogram};
  CHECK_THROWS_AS(Writer(table, histogram), std::logic_error);
}

TEST_CASE("two values that read the same on the page are one series, so no page has it twice",
          "[metrics]") {
  SeriesTable table;
  Writer writer(table, kDeclared);
  writer.write(kErrors, {"bad \xFF"}, known(1));
  CHECK_THROWS_AS(writer.write(kErrors, {"bad \xFE"}, known(1)), std::logic_error);
}

TEST_CASE("a series is rendered once and found again whatever its values hold", "[metrics]") {
  struct Case {
    const char* name;
    std::vector<std::string> values;
    const char* prefix;
  };
  const Case cases[] = {
      {"plain", {"db", "pg-1"}, "keelwatch_test_up{namespace=\"db\",pod=\"pg-1\"} "},
      {"longer than a word",
       {"a-namespace-name", "x"},
       "keelwatch_test_up{namespace=\"a-namespace-name\",pod=\"x\"} "},
      {"first empty", {"", "pg-1"}, "keelwatch_test_up{pod=\"pg-1\"} "},
      {"last empty", {"db", ""}, "keelwatch_test_up{namespace=\"db\"} "},
      {"all empty", {"", ""}, "keelwatch_test_up "},
      {"quote", {"a\"", "b"}, "keelwatch_test_up{namespace=\"a\\\"\",pod=\"b\"} "},
      {"backslash", {"a\\", "b"}, "keelwatch_test_up{namespace=\"a\\\\\",pod=\"b\"} "},
      {"newline", {"a\nb", "b"}, "keelwatch_test_up{namespace=\"a\\nb\",pod=\"b\"} "},
      {"backslash n", {"a\\nb", "b"}, "keelwatch_test_up{namespace=\"a\\\\nb\",pod=\"b\"} "},
      {"a label in a value",
       {"a\",pod=\"b", ""},
       "keelwatch_test_up{namespace=\"a\\\",pod=\\\"b\"} "},
      {"UTF-8", {"größe", "日本"}, "keelwatch_test_up{namespace=\"größe\",pod=\"日本\"} "},
  };
  SeriesTable table;
  std::vector<std::shared_ptr<const Series>> first;
  const auto get = [&](const Case& c) {
    const std::vector<std::string_view> views(c.values.begin(), c.values.end());
    return table.intern(kUp, views);
  };
  for (const Case& c : cases) {
    INFO(c.name);
    first.push_back(get(c));
    CHECK(first.back()->prefix == c.prefix);
    CHECK(first.back()->labels() == Labels{{"namespace", c.values[0]}, {"pod", c.values[1]}});
  }
  CHECK(table.size() == std::size(cases));
  for (std::size_t i = std::size(cases); i-- > 0;) {
    INFO(cases[i].name);
    CHECK(get(cases[i]) == first[i]);
  }
  CHECK(table.size() == std::size(cases));
  CHECK(intern(table, kErrors, {"db"}) != intern(table, kErrors, {"dc"}));
}

TEST_CASE("invalid UTF-8 is replaced byte by byte", "[metrics]") {
  struct Case {
    const char* name;
    std::string value;
    std::string printed;
  };
  const std::string r = "\xEF\xBF\xBD";
  const Case cases[] = {
      {"stray continuation", "a\x80z", "a" + r + "z"},
      {"overlong slash", "\xC0\xAF", r + r},
      {"overlong three bytes", "\xE0\x80\xAF", r + r + r},
      {"surrogate", "\xED\xA0\x80", r + r + r},
      {"beyond Unicode", "\xF4\x90\x80\x80", r + r + r + r},
      {"cut at the end", "a\xE6\x97", "a" + r + r},
      {"cut before ASCII", "\xF0\x9F\x98!", r + r + r + "!"},
      {"valid four bytes", "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    SeriesTable table;
    CHECK(intern(table, kErrors, {c.value})->labels().get("reason") == c.printed);
  }
}

TEST_CASE("a series that no step wrote for a while is forgotten, one in use is not", "[metrics]") {
  SeriesTable table;
  const auto kept = intern(table, kErrors, {"kept"});
  {
    const auto gone = intern(table, kErrors, {"gone"});
    CHECK(gone->prefix == "keelwatch_test_errors_total{reason=\"gone\"} ");
  }
  for (std::uint32_t step = 0; step <= SeriesTable::kKeepSteps; ++step) {
    CHECK(table.size() == 2);
    CHECK(intern(table, kErrors, {"kept"}) == kept);
    table.end_step();
  }
  CHECK(table.size() == 1);
  CHECK(intern(table, kErrors, {"kept"}) == kept);
}

TEST_CASE("thousands of series come and go without being confused", "[metrics]") {
  SeriesTable table;
  for (int step = 0; step < 30; ++step) {
    for (int i = step * 100; i < step * 100 + 1000; ++i) {
      const std::string pod = "pg-" + std::to_string(i);
      const std::string expected = "keelwatch_test_up{namespace=\"db\",pod=\"" + pod + "\"} ";
      if (intern(table, kUp, {"db", pod})->prefix != expected) FAIL(pod);
    }
    table.end_step();
  }
  CHECK(table.size() == 1000 + (SeriesTable::kKeepSteps - 1) * 100);
}

}  // namespace keelwatch::metrics
