// `keelwatch query` and `keelwatch test promql` as a user runs them, the former against Debian's
// Prometheus.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/support/prometheus_server.h"

namespace keelwatch::testing {
namespace {

struct Outcome {
  int code = -1;
  std::string out;
  std::string err;
};

std::string take_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  unlink(path.c_str());
  return text.str();
}

Outcome keelwatch(const std::string& arguments) {
  char folder[] = "/tmp/keelwatch-query-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  const std::string out = std::string(folder) + "/out";
  const std::string err = std::string(folder) + "/err";
  const std::string command =
      "'" KEELWATCH_BINARY_DIR "/keelwatch' " + arguments + " >" + out + " 2>" + err;
  Outcome outcome;
  outcome.code = WEXITSTATUS(std::system(command.c_str()));
  outcome.out = take_file(out);
  outcome.err = take_file(err);
  rmdir(folder);
  return outcome;
}

TEST_CASE("keelwatch query prints what a Prometheus answers", "[app]") {
  if (access("/usr/bin/prometheus", X_OK) != 0) {
    WARN("skipped: no /usr/bin/prometheus");
    return;
  }
  PrometheusServer server("/usr/bin/prometheus");
  const RandomSeries series[] = {
      {{{"__name__", "lag"}, {"pod", "pg-1"}}, {{1'000'000, 0}, {1'060'000, 5}}},
      {{{"__name__", "lag"}, {"pod", "pg-2"}, {"stage", "replay"}}, {{1'000'000, 1.5}}},
  };
  server.write(series);
  const std::string ask = "query --server " + server.url() + "/ ";

  struct Case {
    const char* arguments;
    int code;
    std::string out;
    std::string err;
  };
  const Case cases[] = {
      {"--time 1000 'sort(lag)'", 0,
       "metric  pod   stage   value\n"
       "lag     pg-1          0\n"
       "lag     pg-2  replay  1.5\n",
       ""},
      {"--time 1970-01-01T00:16:40Z '1 + 1'", 0, "2\n", ""},
      {"--range --start 1000 --end 1060 --step 1m 'lag{pod=\"pg-1\"}'", 0,
       "time                      metric  pod   value\n"
       "1970-01-01T00:16:40.000Z  lag     pg-1  0\n"
       "1970-01-01T00:17:40.000Z  lag     pg-1  5\n",
       ""},
      {"--time 1000 none", 0, "", "no series\n"},
      {"--time 1000 --json 'vector(1)'", 0,
       "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},"
       "\"value\":[1000,\"1\"]}]}}\n",
       ""},
      {"--time 1000 --json 'sum('", 1,
       "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
       "\\\"query\\\": "
       "1:5: parse error: unclosed left parenthesis\"}\n",
       "keelwatch: " + server.url() +
           "/: bad_data: invalid parameter \"query\": 1:5: parse error: "
           "unclosed left parenthesis (invalid)\n"},
      {"--time yesterday none", 2, "",
       "keelwatch: --time yesterday: not a time, write RFC 3339, Unix seconds, now or now-1h "
       "(invalid)\n"},
  };
  for (const Case& c : cases) {
    INFO(c.arguments);
    const Outcome outcome = keelwatch(ask + c.arguments);
    CHECK(outcome.code == c.code);
    CHECK(outcome.out == c.out);
    CHECK(outcome.err == c.err);
  }
  const Outcome refused = keelwatch(ask + "'sum('");
  CHECK(refused.code == 1);
  CHECK(refused.out == "");
  CHECK(refused.err.find("bad_data: ") != std::string::npos);
  // A page that is no answer of the API: nothing that a JSON reader would choke on.
  const Outcome foreign = keelwatch("query --json --server " + server.url() + "/no-such-prefix up");
  CHECK(foreign.code == 1);
  CHECK(foreign.out == "");
  CHECK(foreign.err.find("HTTP 404: this server has no query API; name a Prometheus") !=
        std::string::npos);
  CHECK(keelwatch(ask + "--step 5s up").code == 2);  // without --range
  CHECK(keelwatch("query --server http://127.0.0.1:1 up").code == 1);
}

TEST_CASE("keelwatch test promql ends with 1 if a case fails", "[app]") {
  char file[] = "/tmp/keelwatch-script-XXXXXX";
  const int descriptor = mkstemp(file);
  REQUIRE(descriptor >= 0);
  close(descriptor);
  const std::string command = std::string("test promql ") + file;
  std::ofstream(file) << "eval instant at 0 1 + 1\n  2\n\neval instant at 0 limit_ratio(1, up)\n";
  const Outcome good = keelwatch(command);
  CHECK(good.code == 0);
  CHECK(good.out.ends_with(": 1 passed, 0 failed, 1 unsupported\n"));
  std::ofstream(file) << "eval instant at 0 1 + 1\n  3\n";
  const Outcome bad = keelwatch(command);
  CHECK(bad.code == 1);
  CHECK(bad.out.find(":1:19: failed: 1 + 1: expected 3, got the scalar 2\n") != std::string::npos);
  unlink(file);
  const Outcome missing = keelwatch(command);
  CHECK(missing.code == 1);
  CHECK(missing.out == "");
  CHECK(missing.err == std::string(file) + ": No such file or directory\n");
  CHECK(keelwatch("test promql").code == 2);
}

}  // namespace
}  // namespace keelwatch::testing
