// Answers of Prometheus' HTTP API as Grafana reads them.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <string>

#include "app/api_series.h"
#include "promql/parser.h"
#include "state/alert_file.h"
#include "store/store.h"
#include "tests/support/world_builder.h"

namespace keelwatch::app {
namespace {

using Query = std::vector<std::pair<std::string, std::string>>;

http::Request asked(Query query, std::string path = "/") {
  http::Request request;
  request.path = std::move(path);
  request.query = std::move(query);
  return request;
}

std::string success(const std::string& data) {
  return R"({"status":"success","data":)" + data + "}";
}

// x{a="1"}, x{a="2",b="3"}, y.
class Filled {
 public:
  Filled() {
    for (std::string_view text : {"x{a=\"1\"}", "x{a=\"2\",b=\"3\"}", "y"}) {
      store.append(*store.series(*promql::parse_series(text)), 1000, 1);
    }
    store.end_step(1000);
  }
  store::Store store;
};

}  // namespace

TEST_CASE("series, labels and their values are found by selectors", "[app][api]") {
  const Filled filled;
  const auto series = [&](Query query) { return *serve_series(filled.store, asked(query)).body; };
  CHECK(series({{"match[]", "x"}, {"match[]", "{a=\"1\"}"}}) ==
        success(R"([{"__name__":"x","a":"1"},{"__name__":"x","a":"2","b":"3"}])"));
  CHECK(series({{"match[]", "x"}, {"limit", "1"}}) == success(R"([{"__name__":"x","a":"1"}])"));
  CHECK(serve_series(filled.store, asked({})).status == 400);
  CHECK(serve_series(filled.store, asked({{"match[]", "x["}})).status == 400);
  CHECK(serve_series(filled.store, asked({{"match[]", "rate(x[1m])"}})).status == 400);
  CHECK(serve_series(filled.store, asked({{"match[]", "x"}, {"limit", "z"}})).status == 400);
  CHECK(*serve_labels(filled.store, asked({})).body == success(R"(["__name__","a","b"])"));
  CHECK(*serve_labels(filled.store, asked({{"match[]", "y"}})).body == success(R"(["__name__"])"));
  const auto values = [&](const std::string& name, Query query = {}) {
    return *serve_label_values(filled.store, asked(query, "/api/v1/label/" + name + "/values"))
                .body;
  };
  CHECK(values("a") == success(R"(["1","2"])"));
  CHECK(values("__name__") == success(R"(["x","y"])"));
  CHECK(values("a", {{"match[]", "x{b=\"3\"}"}}) == success(R"(["2"])"));
  CHECK(values("U__a") == success(R"(["1","2"])"));
  CHECK(values("none") == success("[]"));
  CHECK(serve_label_values(filled.store, asked({}, "/api/v1/label/a")).status == 404);
}

TEST_CASE("what the program is and asks is told in Prometheus' shapes", "[app][api]") {
  const std::string build = *serve_buildinfo().body;
  CHECK_THAT(build, Catch::StartsWith(R"({"status":"success","data":{"version":")"));
  CHECK(build.find("features") == std::string::npos);  // Grafana would look for a ruler's API
  CHECK(*serve_exemplars().body == success("[]"));
  CHECK(serve_unknown_path().status == 404);
  CHECK_THAT(*serve_unknown_path().body, Catch::StartsWith(R"({"status":"error","errorType":)"));
  CHECK(*serve_format_query(asked({{"query", "sum( x )by(a)"}})).body ==
        success("\"sum by (a) (x)\""));
  CHECK(serve_format_query(asked({{"query", "sum("}})).status == 400);
  CHECK_THAT(
      *serve_metadata(asked({{"metric", "keelwatch_rule_failing"}})).body,
      Catch::StartsWith(
          success(R"({"keelwatch_rule_failing":[{"type":"gauge","help":"1 for)").substr(0, 70)));
  CHECK(serve_targets(nullptr).status == 503);
  model::Slices slices = testing::slices({});
  auto postgres = std::make_shared<model::PostgresSlice>();
  model::SourceReport report;
  report.source = "postgres";
  report.target = "db/pg-1";
  report.last_error = "refused";
  postgres->reports.push_back(report);
  slices.postgres = std::move(postgres);
  Moment moment;
  moment.world = model::assemble(slices, model::Freshness{}, testing::kNow);
  CHECK_THAT(*serve_targets(&moment).body,
             Catch::Contains(R"("labels":{"instance":"db/pg-1","job":"postgres"})") &&
                 Catch::Contains(R"("lastError":"refused")") &&
                 Catch::Contains(R"("health":"down")"));
  notifier::Delivery delivery;
  delivery.alertmanagers.push_back({.name = "http://a:9093"});
  CHECK(*serve_alertmanagers(&delivery).body ==
        success(R"({"activeAlertmanagers":[{"url":"http://a:9093/api/v2/alerts"}],)"
                R"("droppedAlertmanagers":[]})"));
}

TEST_CASE("the history of alerts is read from the state file", "[app][api]") {
  CHECK(serve_history("", asked({})).status == 404);
  const std::string path = "/tmp/keelwatch-history-test-" + std::to_string(getpid()) + ".db";
  Logger log(LogLevel::kError, LogFormat::kLogfmt, [](std::string_view) {});
  auto file = state::AlertFile::open(path, testing::kNow, log);
  REQUIRE(file);
  const rules::Instant now{testing::kNow, SteadyTime{}};
  REQUIRE((*file)->write(now, nullptr,
                         {{Labels{{"alertname", "A"}}, rules::AlertState::kPending,
                           rules::AlertState::kFiring, testing::kNow, 2, "held"},
                          {Labels{{"alertname", "B"}}, rules::AlertState::kFiring,
                           rules::AlertState::kInactive, testing::kNow, 0, ""}}));
  CHECK_THAT(*serve_history(path, asked({{"alertname", "A"}})).body,
             Catch::Contains(R"("labels":{"alertname":"A"},"from":"pending","to":"firing",)"
                             R"("value":"2","reason":"held"}]})"));
  CHECK_THAT(*serve_history(path, asked({{"limit", "1"}})).body,
             Catch::Contains(R"("alertname":"B")") && !Catch::Contains(R"("alertname":"A")"));
  CHECK(serve_history(path, asked({{"start", "x"}})).status == 400);
  for (const char* end : {"", "-wal", "-shm", ".lock"}) std::remove((path + end).c_str());
}

}  // namespace keelwatch::app
