#include "promql/engine.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <map>

#include "store/store.h"

namespace keelwatch::promql {
namespace {

constexpr std::int64_t kSecond = 1000;

// A store that counts how often its index is searched and how much is read at once.
class CountingStore final : public store::Queryable {
 public:
  explicit CountingStore(const store::Queryable& inner) : inner_(inner) {}

  std::uint64_t generation() const override { return inner_.generation(); }
  std::vector<store::SeriesRef> select(std::span<const store::Matcher> matchers) const override {
    ++searches;
    return inner_.select(matchers);
  }
  void read(std::span<const store::SeriesRef> refs, std::int64_t from, std::int64_t to,
            std::vector<Sample>& samples, std::vector<std::size_t>& offsets) const override {
    largest_read = std::max(largest_read, refs.size());
    series_read += refs.size();
    if (on_read) on_read();
    inner_.read(refs, from, to, samples, offsets);
  }
  void read_last(std::span<const store::SeriesRef> refs, std::int64_t from, std::int64_t to,
                 std::vector<Sample>& samples, std::vector<std::uint8_t>& found) const override {
    inner_.read_last(refs, from, to, samples, found);
  }

  mutable int searches = 0;
  mutable std::size_t largest_read = 0;
  mutable std::size_t series_read = 0;
  std::function<void()> on_read;

 private:
  const store::Queryable& inner_;
};

void append(store::Store& store, const Labels& labels, std::int64_t at, double value) {
  const auto id = store.series(labels);
  REQUIRE(id);
  store.append(*id, at, value);
}

Query compiled(std::string_view text, Options options = {}) {
  Result<Query> query = Query::compile(text, options);
  INFO((query ? "" : query.error().message()));
  REQUIRE(query);
  return *std::move(query);
}

std::map<std::string, double> values(const Result<Answer>& answer) {
  INFO((answer ? "" : answer.error().message()));
  REQUIRE(answer);
  std::map<std::string, double> out;
  for (const VectorSample& sample : answer->vector) out[sample.labels->text()] = sample.value;
  return out;
}

class FixedClock final : public Clock {
 public:
  WallTime wall() const override { return {}; }
  SteadyTime steady() const override { return now; }
  SteadyTime now{};
};

TEST_CASE("a selector searches the index again only after the set of series has changed",
          "[promql]") {
  store::Store store;
  for (const char* instance : {"a", "b"}) {
    append(store, {{"__name__", "m"}, {"instance", instance}}, kSecond, 1);
    append(store, {{"__name__", "m"}, {"instance", instance}}, 2 * kSecond, 3);
  }
  store.end_step(2 * kSecond);
  const CountingStore counting(store);
  Query query = compiled("sum by (instance) (m) + on(instance) rate(m[1m]) * 0");

  CHECK(values(query.instant(counting, 2 * kSecond)).size() == 2);
  CHECK(counting.searches == 2);
  append(store, {{"__name__", "m"}, {"instance", "a"}}, 3 * kSecond, 7);
  store.end_step(3 * kSecond);
  CHECK(values(query.instant(counting, 3 * kSecond)).at("{instance=\"a\"}") == 7);
  CHECK(counting.searches == 2);

  append(store, {{"__name__", "m"}, {"instance", "c"}}, 4 * kSecond, 5);
  append(store, {{"__name__", "m"}, {"instance", "c"}}, 5 * kSecond, 6);
  store.end_step(5 * kSecond);
  const auto after = values(query.instant(counting, 5 * kSecond));
  CHECK(after.size() == 3);
  CHECK(after.at("{instance=\"c\"}") == 6);
  CHECK(counting.searches == 4);
}

TEST_CASE("an unknown marker is no sample, and its series is told apart from a stale one",
          "[promql]") {
  store::Store store;
  const Labels silent{{"__name__", "m"}, {"i", "silent"}};
  const Labels ended{{"__name__", "m"}, {"i", "ended"}};
  for (const Labels& labels : {silent, ended}) append(store, labels, kSecond, 1);
  append(store, silent, 2 * kSecond, unknown_marker());
  append(store, ended, 2 * kSecond, stale_marker());
  store.end_step(2 * kSecond);
  Query query = compiled("m > 0");
  CHECK(values(query.instant(store, kSecond)).size() == 2);
  CHECK(values(query.instant(store, 2 * kSecond)).empty());

  for (const char* text : {"m > 0", "sum(rate(m[1m]))", "max_over_time(m[5s:1s])"}) {
    INFO(text);
    const auto unknown = compiled(text).unknown_series(store, 2 * kSecond);
    REQUIRE(unknown);
    REQUIRE(unknown->size() == 1);
    CHECK(*unknown->front().labels == silent);
    CHECK(unknown->front().since_ms == 2 * kSecond);
  }
  const auto before = query.unknown_series(store, kSecond);
  REQUIRE(before);
  CHECK(before->empty());
  CHECK(
      values(compiled("count_over_time(m[1m])").instant(store, 2 * kSecond)).at("{i=\"silent\"}") ==
      1);
}

TEST_CASE("a series stays unknown however long ago its source fell silent", "[promql]") {
  store::Store store;
  constexpr std::int64_t kMinute = 60 * kSecond;
  const Labels silent{{"__name__", "m"}, {"i", "silent"}};
  const Labels ended{{"__name__", "m"}, {"i", "ended"}};
  const Labels back{{"__name__", "m"}, {"i", "back"}};
  for (const Labels& labels : {silent, ended, back}) append(store, labels, kSecond, 1);
  append(store, silent, 2 * kSecond, unknown_marker());
  append(store, ended, 2 * kSecond, stale_marker());
  append(store, back, 2 * kSecond, unknown_marker());
  append(store, back, 3 * kSecond, 1);
  store.end_step(3 * kSecond);
  const auto unknown = [&](const char* text, std::int64_t at) {
    INFO(text);
    const auto found = compiled(text).unknown_series(store, at);
    INFO((found ? "" : found.error().message()));
    REQUIRE(found);
    return found->size() == 1 && *found->front().labels == silent &&
           found->front().since_ms == 2 * kSecond;
  };
  for (const std::int64_t later : {6 * kMinute, 600 * kMinute}) {
    const std::int64_t at = 3 * kSecond + later;
    CHECK(unknown("m > 0", at));
    CHECK(unknown("rate(m[5m])", at));
    CHECK(unknown("max_over_time(rate(m[1m])[5m:1m])", at));
  }
  // Where a selector looks is what its own modifiers and those around it say.
  CHECK(unknown("m offset 5m", 5 * kMinute + 3 * kSecond));
  CHECK(!unknown("m offset 6m", 5 * kMinute));
  CHECK(unknown("max_over_time(m[5m:1m] offset 5m)", 5 * kMinute + 3 * kSecond));
  CHECK(!unknown("max_over_time(m[5m:1m] offset 6m)", 5 * kMinute));
  CHECK(!unknown("max_over_time(rate(m[1m])[5m:1m] @ 1)", 5 * kMinute));
  CHECK(unknown("max_over_time(rate(m[1m] @ 3)[5m:1m] @ 1)", 5 * kMinute));

  const auto failed = [&](const char* text) {
    return compiled(text).unknown_series(store, kSecond).error().code();
  };
  CHECK(failed("m offset (1 / range())") == ErrorCode::kInvalid);
  CHECK(failed("rate(m[5m / range()])") == ErrorCode::kInvalid);
  CHECK(failed("max_over_time(m[5m:1m] offset (1 / range()))") == ErrorCode::kInvalid);
}

TEST_CASE("limits, a deadline and a stop end an evaluation", "[promql]") {
  store::Store store;
  for (int t = 1; t <= 100; ++t) append(store, {{"__name__", "m"}}, t * kSecond, t);
  store.end_step(100 * kSecond);

  Options options;
  options.max_samples = 50;
  options.max_steps = 10;
  Query narrow = compiled("sum_over_time(m[2m])", options);
  CHECK(narrow.instant(store, 100 * kSecond).error().code() == ErrorCode::kTooLarge);
  Query selector = compiled("m", options);
  CHECK(selector.instant(store, 100 * kSecond));
  CHECK(selector.range(store, 0, 10 * kSecond, kSecond).error().code() == ErrorCode::kTooLarge);
  CHECK(selector.range(store, 0, 9 * kSecond, kSecond));
  Query subquery = compiled("max_over_time(m[100d:1s])", options);
  CHECK(subquery.instant(store, kSecond).error().code() == ErrorCode::kTooLarge);

  Query query = compiled("m");
  std::stop_source stop;
  Context context;
  context.stop = stop.get_token();
  CHECK(query.instant(store, kSecond, context));
  stop.request_stop();
  CHECK(query.instant(store, kSecond, context).error().code() == ErrorCode::kCancelled);

  FixedClock clock;
  Context timed;
  timed.clock = &clock;
  timed.deadline = SteadyTime(std::chrono::seconds(1));
  CHECK(query.instant(store, kSecond, timed));
  clock.now = timed.deadline;
  CHECK(query.instant(store, kSecond, timed).error().code() == ErrorCode::kTimeout);
}

// Each look at it takes a millisecond.
class PassingClock final : public Clock {
 public:
  WallTime wall() const override { return {}; }
  SteadyTime steady() const override { return now += std::chrono::milliseconds(1); }
  mutable SteadyTime now{};
};

TEST_CASE("a deadline ends loops over windows, of which there may be far more than samples",
          "[promql]") {
  const store::Store store;
  const char* cases[] = {
      "sum_over_time(sum_over_time(vector(1)[50s:1ms])[50s:1ms])",
      "quantile_over_time(0.5, (sum_over_time(vector(time())[50s:1ms]) > 0)[50s:1ms])",
  };
  for (const char* text : cases) {
    INFO(text);
    const PassingClock clock;
    Context context;
    context.clock = &clock;
    context.deadline = SteadyTime(std::chrono::milliseconds(200));
    const auto begin = std::chrono::steady_clock::now();
    const Result<Answer> answer = compiled(text).instant(store, 100 * kSecond, context);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
    REQUIRE(!answer);
    CHECK(answer.error().code() == ErrorCode::kTimeout);
    CHECK(clock.now <= context.deadline + std::chrono::milliseconds(1));
  }
}

TEST_CASE("a selector reads some series at a time and stops between them", "[promql]") {
  store::Store store;
  for (int i = 0; i < 200; ++i) {
    const std::string number = std::to_string(i);
    for (int t = 1; t <= 10; ++t) {
      append(store, {{"__name__", "m"}, {"i", number}}, t * kSecond, t);
    }
  }
  store.end_step(10 * kSecond);
  const auto range = [&](const std::string& text, const store::Queryable& from,
                         const Options& options, const Context& context = {}) {
    return compiled(text, options).range(from, kSecond, 10 * kSecond, kSecond, context);
  };
  for (const char* text :
       {"m", "sum_over_time(m[5s])", "absent_over_time(m[5s])", "sum_over_time(m[5s:1s])"}) {
    INFO(text);
    CountingStore counting(store);
    const Result<Answer> all = range(text, counting, {});
    REQUIRE(all);
    CHECK(counting.series_read == 200);
    CHECK(counting.largest_read <= 64);

    CountingStore stopping(store);
    std::stop_source stop;
    stopping.on_read = [&] { stop.request_stop(); };
    Context context;
    context.stop = stop.get_token();
    const Result<Answer> stopped = range(text, stopping, {}, context);
    REQUIRE(!stopped);
    CHECK(stopped.error().code() == ErrorCode::kCancelled);
    CHECK(stopping.series_read == 64);
  }
  CountingStore counting(store);
  Options options;
  options.max_samples = 1000;
  const Result<Answer> limited = compiled("m[10s]", options).instant(counting, 10 * kSecond);
  REQUIRE(!limited);
  CHECK(limited.error().code() == ErrorCode::kTooLarge);
  CHECK(counting.series_read == 128);
}

TEST_CASE("scalars and pairs of series count against the limit", "[promql]") {
  store::Store store;
  for (int i = 0; i < 300; ++i) {
    append(store, {{"__name__", "many"}, {"i", std::to_string(i)}}, kSecond, 1);
    append(store, {{"__name__", "one"}, {"i", std::to_string(i)}}, kSecond, 1);
  }
  store.end_step(kSecond);
  Options options;
  options.max_samples = 20'000;
  for (const char* text :
       {"many * on() group_left() one", "many * on() one", "many * on() group_right() one"}) {
    INFO(text);
    CHECK(compiled(text).instant(store, kSecond).error().code() == ErrorCode::kInvalid);
    Query query = compiled(text, options);
    CHECK(query.instant(store, kSecond).error().code() == ErrorCode::kTooLarge);
    // Nothing half made is remembered.
    CHECK(query.instant(store, kSecond).error().code() == ErrorCode::kTooLarge);
  }
  options.max_samples = 25;
  for (const char* text : {"time() + time() + time()", "2 * end() * 3", "pi() + 1 + time()",
                           "max_of(1, max_of(2, time()))"}) {
    INFO(text);
    const Result<Answer> answer = compiled(text, options).range(store, 0, 9 * kSecond, kSecond);
    REQUIRE(!answer);
    CHECK(answer.error().code() == ErrorCode::kTooLarge);
  }
}

TEST_CASE("what functions write into labels is bounded", "[promql]") {
  store::Store store;
  append(store, {{"__name__", "m"}, {"a", "x"}}, kSecond, 1);
  store.end_step(kSecond);
  std::string replaced = "m";
  std::string joined = "m";
  for (int i = 0; i < 28; ++i) {
    replaced = "label_replace(" + replaced + R"q(, "a", "$1$1$1$1$1$1$1$1", "a", "(.*)"))q";
    joined = "label_join(" + joined + R"q(, "a", "", "a", "a", "a", "a"))q";
  }
  for (const std::string& text : {replaced, joined}) {
    const Result<Answer> answer = compiled(text).instant(store, kSecond);
    REQUIRE(!answer);
    CHECK(answer.error().code() == ErrorCode::kTooLarge);
    CHECK_THAT(answer.error().message(), Catch::Contains("a label's value of more than 65536"));
  }
  // Labels that are long but allowed count by their size.
  const std::string wide = "label_replace(label_replace(m, \"b\", \"" + std::string(60'000, 'x') +
                           R"q(", "", ""), "c", "$1$1", "a", "(.*)"))q";
  CHECK(values(compiled(wide).instant(store, kSecond)).size() == 1);
  Options options;
  options.max_samples = 1000;
  CHECK(compiled(wide, options).instant(store, kSecond).error().code() == ErrorCode::kTooLarge);

  // Also when they are remembered, each evaluation up to another call.
  Query again = compiled(wide, options);
  for (int i = 0; i < 5; ++i) {
    CHECK(again.instant(store, kSecond).error().code() == ErrorCode::kTooLarge);
  }
  options.max_samples = 5000;
  Query further = compiled(wide, options);
  for (int i = 0; i < 5; ++i) {
    const Result<Answer> answer = further.instant(store, kSecond);
    REQUIRE(!answer);
    CHECK(answer.error().code() == ErrorCode::kTooLarge);
  }
}

TEST_CASE("what is not evaluated is refused, with its place", "[promql]") {
  struct Case {
    const char* text;
    const char* first_line;
  };
  const Case cases[] = {
      {"sum(a + fill(0) b)", "1:5: unsupported: fill modifiers"},
      {"rate(a[5m] anchored)", "1:6: unsupported: the anchored modifier"},
      {"a smoothed", "1:1: unsupported: the smoothed modifier"},
      {"a </ 1", "1:1: unsupported: operator </ works on native histograms"},
      {"limit_ratio(0.5, a)",
       "1:1: unsupported: limit_ratio depends on Prometheus' own hash of labels"},
      {"a{__type__=\"counter\"}", "1:3: unsupported: type and unit labels"},
      {"sum by (__unit__) (a)", "1:1: unsupported: type and unit labels"},
      {"start_timestamp(a)", "1:1: unsupported: start timestamps"},
  };
  for (const Case& c : cases) {
    const Result<Query> query = Query::compile(c.text);
    REQUIRE(!query);
    CHECK(query.error().code() == ErrorCode::kUnsupported);
    CHECK(query.error().message().substr(0, query.error().message().find('\n')) == c.first_line);
  }
  CHECK(Query::compile("rate(a[-5m])")
            .error()
            .message()
            .starts_with("1:8: duration must be greater than 0"));
  CHECK(Query::compile("a offset (1/0)")
            .error()
            .message()
            .starts_with("1:10: division by zero in duration"));
}

TEST_CASE("names are dropped at once, or at the end if asked", "[promql]") {
  store::Store store;
  append(store, {{"__name__", "m"}, {"a", "1"}}, kSecond, 2);
  append(store, {{"__name__", "n"}, {"a", "1"}}, kSecond, 3);
  store.end_step(kSecond);
  const char* text = "sum by (__name__, a) (abs({a=\"1\"}))";
  // At once, two series of the same labels meet.
  CHECK(compiled(text).instant(store, kSecond).error().code() == ErrorCode::kInvalid);
  Options delayed;
  delayed.delayed_name_removal = true;
  CHECK(compiled(text, delayed).instant(store, kSecond).error().code() == ErrorCode::kInvalid);
  CHECK(values(compiled("sum(abs({a=\"1\"}))", delayed).instant(store, kSecond)).at("{}") == 5);
  CHECK(values(compiled("abs(m)").instant(store, kSecond)).at("{a=\"1\"}") == 2);
}

TEST_CASE("a range query's end may lie between its steps", "[promql]") {
  store::Store store;
  for (int t = 0; t <= 20; ++t) append(store, {{"__name__", "m"}}, t * kSecond, t);
  store.end_step(20 * kSecond);
  const Result<Answer> answer =
      compiled("m @ end() + range()").range(store, 0, 15 * kSecond, 10 * kSecond);
  REQUIRE(answer);
  REQUIRE(answer->matrix.size() == 1);
  REQUIRE(answer->matrix[0].samples.size() == 2);
  CHECK(answer->matrix[0].samples[1].timestamp_ms == 10 * kSecond);
  CHECK(answer->matrix[0].samples[1].value == 30);
  CHECK(compiled("\"text\"").range(store, 0, 1, 1).error().code() == ErrorCode::kInvalid);
}

}  // namespace
}  // namespace keelwatch::promql
