// The HTTP API about series and about the program itself, as a query editor asks it.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/api_series.h"
#include "app/api_status.h"
#include "base/log.h"
#include "base/time_text.h"
#include "model/assemble.h"
#include "state/alert_file.h"
#include "tests/support/world_builder.h"

using namespace keelwatch::testing;
using namespace std::chrono_literals;

namespace keelwatch::app {
namespace {

using Form = std::vector<std::pair<std::string, std::string>>;

http::Request ask(std::string path, Form query = {}) {
  http::Request request;
  request.method = "GET";
  request.path = std::move(path);
  request.query = std::move(query);
  return request;
}

std::string text_of(const http::Response& response) {
  return std::to_string(response.status) + " " + *response.body;
}

constexpr const char* kSuccess = R"(200 {"status":"success","data":)";
std::string data(const std::string& json) { return kSuccess + json + "}"; }

// up of two targets now, and down of one until an hour ago.
struct Series {
  Series() {
    const auto add = [&](const Labels& labels, WallTime at) {
      const Result<store::SeriesId> id = store.series(labels);
      REQUIRE(id);
      store.append(*id, to_unix_millis(at), 1);
    };
    add(Labels{{"__name__", "up"}, {"target", "a"}}, kNow);
    add(Labels{{"__name__", "up"}, {"target", "b"}}, kNow);
    add(Labels{{"__name__", "down"}, {"host", "c"}}, kNow - 1h);
    store.end_step(to_unix_millis(kNow));
  }
  store::Store store;
};

const Form kLately = {{"start", std::to_string(to_unix_millis(kNow - 1min) / 1000)}};

Form operator+(Form a, const Form& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

TEST_CASE("series are found by selectors and time", "[api]") {
  const Series s;
  const auto series = [&](Form form) {
    return text_of(serve_series(s.store, ask("/api/v1/series", std::move(form))));
  };
  CHECK(series({{"match[]", "up"}}) ==
        data(R"([{"__name__":"up","target":"a"},{"__name__":"up","target":"b"}])"));
  CHECK(series({{"match[]", "{target=~\"b|c\"}"}, {"match[]", "up{target=\"b\"}"}}) ==
        data(R"([{"__name__":"up","target":"b"}])"));
  CHECK(series(Form{{"match[]", "{__name__=~\"up|down\"}"}} + kLately) ==
        data(R"([{"__name__":"up","target":"a"},{"__name__":"up","target":"b"}])"));
  CHECK(series({{"match[]", "up"}, {"limit", "1"}}) ==
        R"(200 {"status":"success","data":[{"__name__":"up","target":"a"}],)"
        R"("warnings":["results truncated due to limit"]})");
  CHECK(series({{"match[]", "never"}}) == data("[]"));
}

TEST_CASE("labels and their values are those of all series, or of some", "[api]") {
  const Series s;
  const auto labels = [&](Form form) {
    return text_of(serve_labels(s.store, ask("/api/v1/labels", std::move(form))));
  };
  CHECK(labels({}) == data(R"(["__name__","host","target"])"));
  CHECK(labels(kLately) == data(R"(["__name__","target"])"));
  CHECK(labels({{"match[]", "down"}}) == data(R"(["__name__","host"])"));
  const auto values = [&](std::string name, Form form) {
    return text_of(serve_label_values(
        s.store, ask("/api/v1/label/" + std::move(name) + "/values", std::move(form))));
  };
  CHECK(values("__name__", {}) == data(R"(["down","up"])"));
  CHECK(values("__name__", kLately) == data(R"(["up"])"));
  CHECK(values("target", {{"match[]", "up{target!=\"a\"}"}}) == data(R"(["b"])"));
  CHECK(values("nobody", {}) == data("[]"));
  CHECK_THAT(values("9", {}), Catch::StartsWith("400 ") && Catch::Contains("invalid label name"));
  CHECK_THAT(text_of(serve_label_values(s.store, ask("/api/v1/label/x"))),
             Catch::StartsWith("404 ") && Catch::Contains("not_found"));
}

TEST_CASE("a bad parameter is named", "[api]") {
  const Series s;
  struct Case {
    Form form;
    const char* error;
  };
  const Case cases[] = {
      {{}, "no match[] parameter provided"},
      {{{"match[]", "{}"}}, "invalid parameter \\\"match[]\\\""},
      {{{"match[]", "up[5m]"}}, "not a series selector: up[5m]"},
      {{{"match[]", "up offset 5m"}}, "not a series selector"},
      {{{"match[]", "up @ 0"}}, "not a series selector"},
      {{{"match[]", "up"}, {"start", "yesterday"}}, "invalid parameter \\\"start\\\""},
      {{{"match[]", "up"}, {"limit", "-1"}}, "invalid parameter \\\"limit\\\": not a count"},
  };
  for (const Case& c : cases) {
    const std::string answer = text_of(serve_series(s.store, ask("/api/v1/series", c.form)));
    CHECK_THAT(answer,
               Catch::StartsWith(R"(400 {"status":"error","errorType":"bad_data","error":")") &&
                   Catch::Contains(c.error));
  }
}

TEST_CASE("every exported family has its metadata", "[api]") {
  const auto all = serve_metadata(ask("/api/v1/metadata"));
  CHECK_THAT(*all.body, Catch::Contains(R"("keelwatch_source_up":[{"type":"gauge","help":")"));
  CHECK_THAT(text_of(serve_metadata(ask("/api/v1/metadata", {{"limit", "1"}}))),
             Catch::Contains("\"type\"") && !Catch::Contains("keelwatch_source_last_success"));
  CHECK(text_of(serve_metadata(ask("/api/v1/metadata", {{"metric", "no_such"}}))) == data("{}"));
}

TEST_CASE("a target is up, down or unknown, and says why", "[api]") {
  CHECK_THAT(text_of(serve_targets(nullptr)), Catch::StartsWith("503 "));
  auto slice = std::make_shared<model::PostgresSlice>();
  const auto report = [&](const char* target, auto change) {
    model::SourceReport one;
    one.source = "postgres";
    one.target = target;
    change(one);
    slice->reports.push_back(std::move(one));
  };
  report("db/up", [](auto& r) { r.up = true; });
  report("db/down", [](auto& r) { r.last_error = "no answer"; });
  report("db/new", [](auto& r) { r.pending = true; });
  report("db/closed", [](auto& r) { r.not_set_up = true; });
  model::Slices all = slices({}, kubernetes_slice({}));
  all.postgres = std::move(slice);
  Moment moment;
  moment.world = model::assemble(all, {}, kNow);
  const std::string answer = text_of(serve_targets(&moment));
  for (const char* part :
       {R"("target":"db/up"},"scrapePool":"postgres")", R"("lastError":"no answer")",
        R"("lastError":"not set up")", R"("health":"up")", R"("health":"down")"}) {
    CHECK_THAT(answer, Catch::Contains(part));
  }
  CHECK_THAT(answer, Catch::EndsWith(R"("droppedTargets":[],"droppedTargetCounts":{}}})"));
}

TEST_CASE("Alertmanagers that answer are told from those that do not", "[api]") {
  CHECK(text_of(serve_alertmanagers(nullptr)) ==
        data(R"({"activeAlertmanagers":[],"droppedAlertmanagers":[]})"));
  notifier::Delivery delivery;
  delivery.alertmanagers.resize(2);
  delivery.alertmanagers[0].name = "http://a:9093";
  delivery.alertmanagers[0].up = true;
  delivery.alertmanagers[1].name = "http://b:9093";
  CHECK(text_of(serve_alertmanagers(&delivery)) ==
        data(R"({"activeAlertmanagers":[{"url":"http://a:9093"}],)"
             R"("droppedAlertmanagers":[{"url":"http://b:9093"}]})"));
}

TEST_CASE("a query is written as Prometheus writes it", "[api]") {
  const auto format = [](const char* query) {
    return text_of(serve_format_query(ask("/api/v1/format_query", {{"query", query}})));
  };
  CHECK(format("sum by(a)(rate(x[5m]))>1") == data(R"("sum by (a) (rate(x[5m])) > 1")"));
  CHECK_THAT(format("sum("), Catch::StartsWith("400 ") && Catch::Contains("1:5"));
  CHECK(text_of(serve_exemplars()) == data("[]"));
  CHECK_THAT(text_of(serve_build_info()), Catch::Contains(R"("application":"keelwatch")"));
  CHECK_THAT(text_of(serve_no_such_api(ask("/api/v1/nothing"))),
             Catch::StartsWith("404 ") && Catch::Contains("/api/v1/nothing"));
}

TEST_CASE("what became of alerts can be read", "[api]") {
  CHECK_THAT(text_of(serve_history("", ask("/api/v1/alerts/history"))),
             Catch::StartsWith("404 ") && Catch::Contains("alerts.state_file"));
  const std::string path = "/tmp/keelwatch-history-" + std::to_string(getpid());
  CHECK(text_of(serve_history(path, ask("/api/v1/alerts/history"))) == data("[]"));  // not yet
  Logger log{LogLevel::kError, LogFormat::kLogfmt, [](std::string_view) {}};
  {
    const auto file = state::AlertFile::open(path, kNow, log);
    REQUIRE(file);
    const rules::Transition fired{.labels = Labels{{"alertname", "A"}, {"pod", "pg-1"}},
                                  .from = rules::AlertState::kPending,
                                  .to = rules::AlertState::kFiring,
                                  .at = kNow,
                                  .value = 2,
                                  .reason = ""};
    REQUIRE((*file)->write({kNow, SteadyTime{1h}}, nullptr, {fired}));
  }
  const std::string entry =
      R"([{"at":")" + format_rfc3339(kNow) +
      R"(","labels":{"alertname":"A","pod":"pg-1"},"from":"pending","to":"firing","value":"2","reason":""}])";
  CHECK(text_of(serve_history(path, ask("/api/v1/alerts/history"))) == data(entry));
  CHECK(text_of(serve_history(path, ask("", {{"alertname", "B"}}))) == data("[]"));
  const auto later = std::to_string(to_unix_millis(kNow + 1s) / 1000);
  CHECK(text_of(serve_history(path, ask("", {{"start", later}}))) == data("[]"));
  CHECK(text_of(serve_history(path, ask("", {{"end", later}}))) == data(entry));
  for (const char* end : {"", "-wal", "-shm"}) std::remove((path + end).c_str());
}

}  // namespace keelwatch::app
