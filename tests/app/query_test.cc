// What `keelwatch query` asks and how it prints answers. The I/O between is HttpClient's.
#include "app/query.h"

#include <catch2/catch.hpp>

namespace keelwatch::app {
namespace {

constexpr WallTime kNow = WallTime(std::chrono::seconds(1'700'000'000));

std::string form_of(const QueryOptions& options) {
  const Result<QueryRequest> request = query_request(options, kNow);
  return request ? request->path + "?" + request->form : "error: " + request.error().message();
}

TEST_CASE("a query asks at one time, or at steps between two", "[app]") {
  struct Case {
    const char* name;
    QueryOptions options;
    const char* asked;
  };
  const auto instant = [](const char* time) {
    QueryOptions options;
    options.expression = "up == 0";
    options.time = time;
    return options;
  };
  const auto range = [](const char* start, const char* end, const char* step) {
    QueryOptions options;
    options.expression = "up";
    options.range = true;
    options.start = start;
    options.end = end;
    options.step = step;
    return options;
  };
  const Case cases[] = {
      {"now", instant(""), "/api/v1/query?query=up%20%3D%3D%200&timeout=30s&time=1700000000.000"},
      {"Unix seconds", instant("1.5"),
       "/api/v1/query?query=up%20%3D%3D%200&timeout=30s&time=1.500"},
      {"RFC 3339", instant("1970-01-01T01:00:00+01:00"),
       "/api/v1/query?query=up%20%3D%3D%200&timeout=30s&time=0.000"},
      {"before now", instant("now-1h30m"),
       "/api/v1/query?query=up%20%3D%3D%200&timeout=30s&time=1699994600.000"},
      {"no time", instant("yesterday"),
       "error: --time yesterday: not a time, write RFC 3339, Unix seconds, now or now-1h"},
      {"the last hour", range("", "", ""),
       "/api/v1/query_range?query=up&timeout=30s&start=1699996400.000&end=1700000000.000&step=60"},
      {"given times", range("now-10m", "now-5m", "15s"),
       "/api/v1/query_range?query=up&timeout=30s&start=1699999400.000&end=1699999700.000&step=15"},
      {"fractions of a second", range("0", "1", "0.25"),
       "/api/v1/query_range?query=up&timeout=30s&start=0.000&end=1.000&step=0.25"},
      {"start after end", range("now", "now-5m", ""), "error: --start is after --end"},
      {"no step", range("", "", "-5s"),
       "error: --step -5s: not a step, write 15s or seconds above 0"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    CHECK(form_of(c.options) == c.asked);
  }
}

TEST_CASE("an answer is printed as a table with a column per label", "[app]") {
  struct Case {
    const char* name;
    const char* body;
    const char* table;
    std::vector<std::string> notices;
  };
  const Case cases[] = {
      {"vector",
       R"({"status":"success","data":{"resultType":"vector","result":[
         {"metric":{"__name__":"up","pod":"pg-1"},"value":[1.5,"1"]},
         {"metric":{"__name__":"up","zone":"é"},"value":[1.5,"NaN"]}]},
         "warnings":["w"],"infos":["i"]})",
       "metric  pod   zone  value\n"
       "up      pg-1        1\n"
       "up            é     NaN\n",
       {"warning: w", "info: i"}},
      {"vector without labels",
       R"({"status":"success","data":{"resultType":"vector","result":[
         {"metric":{},"value":[1,"3"]}]}})",
       "value\n3\n",
       {}},
      {"matrix",
       R"({"status":"success","data":{"resultType":"matrix","result":[
         {"metric":{"pod":"pg-1"},"values":[[0,"1"],[15.5,"2"]]}]}})",
       "time                      pod   value\n"
       "1970-01-01T00:00:00.000Z  pg-1  1\n"
       "1970-01-01T00:00:15.500Z  pg-1  2\n",
       {}},
      {"nothing",
       R"({"status":"success","data":{"resultType":"vector","result":[]}})",
       "",
       {"no series"}},
      {"scalar",
       R"({"status":"success","data":{"resultType":"scalar","result":[1,"+Inf"]}})",
       "+Inf\n",
       {}},
      {"string",
       R"({"status":"success","data":{"resultType":"string","result":[1,"a\u001bb"]}})",
       "a\\x1bb\n",
       {}},
      {"native histogram",
       R"({"status":"success","data":{"resultType":"vector","result":[
         {"metric":{"a":"b"},"histogram":[1,{"count":"4","sum":"2.5","buckets":[]}]}]}})",
       "a  value\nb  histogram(count=4, sum=2.5)\n",
       {}},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const Result<QueryOutput> output = query_output(200, c.body);
    INFO((output ? "" : output.error().message()));
    REQUIRE(output);
    CHECK(output->table == c.table);
    CHECK(output->notices == c.notices);
  }
}

TEST_CASE("a refused query says why", "[app]") {
  struct Case {
    int status;
    const char* body;
    ErrorCode code;
    const char* message;
  };
  const Case cases[] = {
      {400, R"({"status":"error","errorType":"bad_data","error":"1:2: parse error"})",
       ErrorCode::kInvalid, "bad_data: 1:2: parse error"},
      {503, R"({"status":"error","errorType":"timeout","error":"query timed out"})",
       ErrorCode::kTimeout, "timeout: query timed out"},
      {404, "404 page not found\n", ErrorCode::kNotInstalled,
       "HTTP 404: this server has no query API, name one that has with --server (a Prometheus, "
       "Thanos or Mimir)"},
      {401, "", ErrorCode::kUnauthorized,
       "HTTP 401, give --user with --password-file, or --bearer-token-file"},
      {502, "<html>", ErrorCode::kUnavailable,
       "HTTP 502 with an answer that is not the query API's"},
      {200, "[]", ErrorCode::kMalformed, "HTTP 200 with an answer that is not the query API's"},
      {200, R"({"status":"success","data":{"resultType":"streams","result":[]}})",
       ErrorCode::kMalformed, "an answer of type streams"},
  };
  for (const Case& c : cases) {
    INFO(c.message);
    const Result<QueryOutput> output = query_output(c.status, c.body);
    REQUIRE(!output);
    CHECK(output.error().code() == c.code);
    CHECK(output.error().message() == c.message);
  }
}

}  // namespace
}  // namespace keelwatch::app
