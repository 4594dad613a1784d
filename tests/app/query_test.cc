// What `keelwatch query` asks and how it prints answers. The I/O between is HttpClient's.
#include "app/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "app/terminal.h"

namespace keelwatch::app {
namespace {

constexpr WallTime kNow = WallTime(std::chrono::seconds(1'700'000'000));

std::string form_of(const QueryOptions& options) {
  const Result<QueryRequest> request = query_request(options, kNow);
  return request ? request->path + "?" + request->form : "error: " + request.error().message();
}

std::string printed(const QueryOutput& output) {
  return output.line + (output.table.empty() ? "" : output.table.text());
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
      {"a time before all clocks", instant("-1e300"),
       "error: --time -1e300: out of range, the years 1700 to 2200 are in"},
      {"a year that no time has", instant("9999-01-01T00:00:00Z"),
       "error: --time 9999-01-01T00:00:00Z: not a time, write RFC 3339, Unix seconds, now or "
       "now-1h"},
      {"now and 290 years", instant("now+290y"),
       "error: --time now+290y: out of range, the years 1700 to 2200 are in"},
      {"no step", range("", "", "-5s"),
       "error: --step -5s: not a step, write 15s or seconds above 0"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    CHECK(form_of(c.options) == c.asked);
  }
}

TEST_CASE("a server without a scheme is told how to write it", "[app]") {
  QueryOptions options;
  options.expression = "up";
  options.server = "localhost:18999";
  CHECK(form_of(options) ==
        "error: --server localhost:18999: not an address, write http://localhost:18999");
  options.server = "https://prometheus.example/prefix";
  CHECK(form_of(options).starts_with("/api/v1/query?"));
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
    CHECK(printed(*output) == c.table);
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
       "HTTP 404: this server has no query API; name a Prometheus (or Thanos, Mimir) with "
       "--server"},
      {401, "", ErrorCode::kUnauthorized,
       "HTTP 401, give --user with --password-file, or --bearer-token-file"},
      {502, "<html>", ErrorCode::kUnavailable,
       "HTTP 502 with an answer that is not the query API's"},
      {200, "[]", ErrorCode::kMalformed, "HTTP 200 with an answer that is not the query API's"},
      {400, R"({"status":"error","errorType":"bad\u001b","error":"x\u009b31m\ny"})",
       ErrorCode::kInvalid, "bad\\x1b: x\\u009b31m\\x0ay"},
      {200, R"({"status":"success","data":{"resultType":"\u001b","result":[]}})",
       ErrorCode::kMalformed, "an answer of type \\x1b"},
      {200, R"({"status":"success","data":{"resultType":"scalar","result":[1]}})",
       ErrorCode::kMalformed, "a point that is not [time, \"value\"]"},
      {200, R"({"status":"success","data":{"resultType":"scalar","result":["1","2"]}})",
       ErrorCode::kMalformed, "a point that is not [time, \"value\"]"},
      {200, R"({"status":"success","data":{"resultType":"string","result":[1,"2",3]}})",
       ErrorCode::kMalformed, "a point that is not [time, \"value\"]"},
      {200,
       R"({"status":"success","data":{"resultType":"matrix","result":[{"values":[[1,"2"],[2]]}]}})",
       ErrorCode::kMalformed, "a point that is not [time, \"value\"]"},
      {200, R"({"status":"success","data":{"resultType":"scalar","result":[1e300,"2"]}})",
       ErrorCode::kMalformed, "a time that is out of range"},
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

TEST_CASE("no control character of a server reaches the terminal", "[app]") {
  struct Case {
    const char* name;
    std::string text;
    const char* printed;
  };
  const Case cases[] = {
      {"plain", "lag > 5 é 漢", "lag > 5 é 漢"},
      {"C0", "a\x1b[31m\tb\r\n", "a\\x1b[31m\\x09b\\x0d\\x0a"},
      {"DEL", "\x7f", "\\x7f"},
      {"the first C1", "\xc2\x80", "\\u0080"},
      {"CSI as a C1",
       "\xc2\x9b"
       "31m",
       "\\u009b31m"},
      {"the last C1, and what follows", "\xc2\x9f\xc2\xa0", "\\u009f\xc2\xa0"},
      {"a bare CSI byte",
       "\x9b"
       "31m",
       "\\x9b31m"},
      {"a sequence cut short", "\xe6\xbc", "\\xe6\\xbc"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    CHECK(printable(c.text) == c.printed);
  }
  CHECK(printable_lines("a\n\tb\x1b\xc2\x9b") == "a\n\tb\\x1b\\u009b");

  const Result<QueryOutput> output =
      query_output(200, R"({"status":"success","data":{"resultType":"vector","result":[
        {"metric":{"l\u001b":"v\u009b"},"value":[1,"\u0007"]}]},
        "warnings":["w\u009b"],"infos":["i\u001b"]})");
  REQUIRE(output);
  CHECK(printed(*output) == "l\\x1b    value\nv\\u009b  \\x07\n");
  CHECK(output->notices == std::vector<std::string>{"warning: w\\u009b", "info: i\\x1b"});
}

TEST_CASE("a large answer costs a few bytes for each of its own", "[app]") {
  std::string labels = R"("__name__":"m")";
  for (int i = 0; i < 20; ++i) labels += fmt::format(R"(,"label_{}":"some text {}")", i, i);
  std::string points;
  for (int i = 0; i < 20'000; ++i) points += fmt::format(R"({}[{},"{}"])", i == 0 ? "" : ",", i, i);
  std::string series;
  for (int i = 0; i < 5000; ++i) series += R"({"metric":{"a":"b"},"values":[[1,"2"]]},)";
  const std::string body = fmt::format(
      R"({{"status":"success","data":{{"resultType":"matrix","result":[{}{{"metric":{{{}}},"values":[{}]}}]}}}})",
      series, labels, points);
  const Result<QueryOutput> output = query_output(200, body);
  REQUIRE(output);
  CHECK(output->table.heap_bytes() < 6 * body.size());
  std::size_t bytes = 0, largest = 0;
  REQUIRE(output->table.print([&](std::string_view piece) -> Result<void> {
    bytes += piece.size();
    largest = std::max(largest, piece.size());
    return {};
  }));
  CHECK(bytes > 10 * body.size());  // each row has all labels
  CHECK(largest < 100'000);
}

TEST_CASE("printing a table ends where it cannot be written", "[app]") {
  QueryTable table;
  table.begin_series();
  for (int i = 0; i < 100'000; ++i) table.add_point(0, "value");
  int calls = 0;
  const Result<void> printed = table.print([&](std::string_view) -> Result<void> {
    ++calls;
    return Error(ErrorCode::kUnavailable, "full");
  });
  CHECK_FALSE(printed);
  CHECK(calls == 1);
}

TEST_CASE("what is not JSON to the last character is found", "[app]") {
  struct Case {
    const char* text;
    bool good;
  };
  const Case cases[] = {
      {R"({"a":[1,-2.5e3,"x\u00e9",true,false,null,{}]})", true},
      {"", false},
      {"{", false},
      {"{} x", false},
      {R"({"a":1x})", false},
      {R"({"a":tru})", false},
      {R"({"a":nul})", false},
      {R"({"a":"\x"})", false},
      {R"({"\x":1})", false},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    CHECK(check_json(c.text).has_value() == c.good);
  }
}

}  // namespace
}  // namespace keelwatch::app
