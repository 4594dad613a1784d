#include <catch2/catch.hpp>
#include <cmath>
#include <string>

#include "metrics/exposition.h"

namespace keelwatch::metrics {
namespace {

constexpr std::string_view kOpen = "application/openmetrics-text; version=1.0.0; charset=utf-8";

std::string error_of(std::string_view text, std::string_view type = {}, std::size_t max = 100) {
  const auto parsed = parse_page(text, type, max);
  return parsed ? "no error" : parsed.error().message();
}

}  // namespace

TEST_CASE("a page as exporters write it is read", "[metrics]") {
  const auto parsed = parse_page(
      "# HELP http_requests_total Total \\\\ \\n \"requests\".\n"
      "# TYPE http_requests_total counter\n"
      "http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n"
      "http_requests_total { method = \"post\" , code = \"400\" , }  3\t1395066363000\n"
      "\n"
      "# a comment, HELP and TYPE in it\n"
      "#\n"
      "  \t\n"
      "msdos_path{path=\"C:\\\\DIR\\\\A.TXT\",error=\"a \\\"b\\\"\\nc\\q\"} +1.458255915e9\n"
      "no_labels{} -Inf\n"
      "nan NaN -5\n"
      ":colons:5m 0x\n",
      "text/plain", 100);
  CHECK_FALSE(parsed);
  CHECK(parsed.error().message() == "line 12: not a number");

  const auto good = parse_page(
      "# HELP http_requests_total Total \\\\ \\n \"requests\".\n"
      "# TYPE http_requests_total counter\n"
      "http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n"
      "http_requests_total { method = \"post\" , code = \"400\" , }  3\t1395066363000\n"
      "\n"
      "# a comment, HELP and TYPE in it\n"
      "#\n"
      "  \t\n"
      "msdos_path{path=\"C:\\\\DIR\\\\A.TXT\",error=\"a \\\"b\\\"\\nc\\q\"} +1.458255915e9\n"
      "no_labels{} -Inf\n"
      "nan NaN -5\n"
      ":colons:5m 1e-400\n"
      "empty{a=\"\",b=\"x\"} 1\n"
      "# TYPE rpc summary\n"
      "rpc{quantile=\"0.5\"} 4773\n"
      "rpc_sum 1.7560473e+07\n"
      "{\"utf8.name\",\"label.x\"=\"1\"} 2\n",
      "text/plain", 100);
  REQUIRE(good);
  const auto& s = good->samples;
  REQUIRE(s.size() == 10);
  CHECK(s[0].labels ==
        Labels{{"__name__", "http_requests_total"}, {"method", "post"}, {"code", "200"}});
  CHECK(s[0].value == 1027);
  CHECK(s[1].labels.get("code") == "400");
  CHECK(s[1].value == 3);
  CHECK(s[2].labels.get("path") == "C:\\DIR\\A.TXT");
  CHECK(s[2].labels.get("error") == "a \"b\"\nc\\q");
  CHECK(s[2].value == 1458255915);
  CHECK((std::isinf(s[3].value) && s[3].value < 0));
  CHECK(std::isnan(s[4].value));
  CHECK(s[5].labels.get("__name__") == ":colons:5m");
  CHECK(s[5].value == 0);
  CHECK(s[6].labels == Labels{{"__name__", "empty"}, {"b", "x"}});
  CHECK(s[7].labels == Labels{{"__name__", "rpc"}, {"quantile", "0.5"}});
  CHECK(s[9].labels == Labels{{"__name__", "utf8.name"}, {"label.x", "1"}});
  REQUIRE(good->metadata.size() == 2);
  CHECK(good->metadata[0].name == "http_requests_total");
  CHECK(good->metadata[0].type == "counter");
  CHECK(good->metadata[0].help == "Total \\ \n \"requests\".");
  CHECK(good->metadata[1].type == "summary");
}

TEST_CASE("OpenMetrics is read with timestamps and exemplars ignored", "[metrics]") {
  const auto parsed = parse_page(
      "# TYPE foo histogram\n"
      "# UNIT foo seconds\n"
      "foo_bucket{le=\"0.1\"} 8 # {trace_id=\"a # b\"} 0.054\n"
      "foo_bucket{le=\"+Inf\"} 17 1520879607.789 # {} 9.8 1520879607.789\n"
      "foo_created 1520430000.123\n"
      "# HELP foo Quoted \\\"x\\\".\n"
      "# EOF",
      "Application/OpenMetrics-text; version=1.0.0", 100);
  REQUIRE(parsed);
  REQUIRE(parsed->samples.size() == 3);
  CHECK(parsed->samples[0].value == 8);
  CHECK(parsed->samples[1].labels == Labels{{"__name__", "foo_bucket"}, {"le", "+Inf"}});
  CHECK(parsed->samples[1].value == 17);
  REQUIRE(parsed->metadata.size() == 1);
  CHECK(parsed->metadata[0].help == "Quoted \"x\".");
}

TEST_CASE("what is wrong with a page is told with its line", "[metrics]") {
  struct Case {
    const char* name;
    std::string text;
    const char* error;
  };
  const Case cases[] = {
      {"html", "<html>\n", "line 1: not a metric name"},
      {"a digit first", "a 1\n1a 1\n", "line 2: not a metric name"},
      {"a dash in a name", "a-b 1\n", "line 1: not a metric name"},
      {"no value", "a\n", "line 1: not a number"},
      {"no value after labels", "a{b=\"c\"}\n", "line 1: not a number"},
      {"words", "a one\n", "line 1: not a number"},
      {"trailing letters", "a 1s\n", "line 1: not a number"},
      {"two signs", "a +-1\n", "line 1: not a number"},
      {"plus plus", "a ++1\n", "line 1: not a number"},
      {"a NaN with payload", "a nan(2)\n", "line 1: not a number"},
      {"too large", "a 1e999\n", "line 1: not a number"},
      {"carriage return", "a 1\r\n", "line 1: not a number"},
      {"bad timestamp", "a 1 soon\n", "line 1: not a timestamp"},
      {"more", "a 1 2 3\n", "line 1: text after the value"},
      {"an exemplar in 0.0.4", "a 1 # {} 1\n", "line 1: text after the value"},
      {"open braces", "a{b=\"c\" 1\n", "line 1: expected , or } after a label"},
      {"open braces at the end", "a{\n", "line 1: not a label name"},
      {"open quote", "a{b=\"c 1\n", "line 1: a quote is not closed"},
      {"escaped end", "a{b=\"c\\\n", "line 1: a quote is not closed"},
      {"no quotes", "a{b=c} 1\n", "line 1: expected a quoted label value"},
      {"no equals", "a{b} 1\n", "line 1: expected = after a label name"},
      {"no label name", "a{=\"c\"} 1\n", "line 1: not a label name"},
      {"two commas", "a{b=\"c\",,} 1\n", "line 1: not a label name"},
      {"a colon in a label name", "a{b:c=\"d\"} 1\n", "line 1: expected = after a label name"},
      {"twice", "a{b=\"c\",b=\"d\"} 1\n", "line 1: a label is given twice"},
      {"a second name", "a{__name__=\"c\"} 1\n", "line 1: __name__ is not a label"},
      {"a second quoted name", "a{\"b\"} 1\n", "line 1: a label is given twice"},
      {"no name", "{b=\"c\"} 1\n", "line 1: a sample without a metric name"},
      {"invalid UTF-8", "a{b=\"\xFF\"} 1\n", "line 1: invalid UTF-8"},
      {"invalid UTF-8 in help", "# HELP a \xFF\n", "line 1: invalid UTF-8"},
      {"a type unheard of", "# TYPE a number\n", "line 1: not a metric type"},
      {"two types", "# TYPE a gauge counter\n", "line 1: not a metric type"},
      {"a type of nothing", "# TYPE\n", "line 1: not a metric name"},
      {"cut short", "a 1\nb 12", "line 2: the page ends within a line"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    CHECK(error_of(c.text) == c.error);
  }
  CHECK(error_of("a 1\n", kOpen) == "line 2: the page ends without # EOF");
  CHECK(error_of("", kOpen) == "line 1: the page ends without # EOF");
  CHECK(error_of("# EOF\na 1\n", kOpen) == "line 2: text after # EOF");
  CHECK(error_of("# EOF\n\n", kOpen) == "line 2: text after # EOF");
  CHECK(error_of("a 1 junk # {} 1\n# EOF\n", kOpen) == "line 1: not a timestamp");
  CHECK(error_of("", {}) == "no error");
  CHECK(error_of("# EOF\na 1\n", {}) == "no error");
}

TEST_CASE("a page is bounded in samples, families and labels", "[metrics]") {
  CHECK(error_of("a 1\nb 1\n", {}, 2) == "no error");
  const auto parsed = parse_page("a 1\nb 1\nc 1\nd 1\n", {}, 2);
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error() == Error(ErrorCode::kTooLarge, "line 3: more than 2 samples"));
  CHECK(error_of("# HELP a x\n# HELP b x\n# HELP c x\n", {}, 2) == "line 3: more than 2 samples");
  std::string labels = "a{";
  for (int i = 0; i < 64; ++i) labels += "l" + std::to_string(i) + "=\"x\",";
  CHECK(error_of(labels + "} 1\n") == "line 1: too many labels");
}

TEST_CASE("metadata of a quoted family is found again", "[metrics]") {
  const auto parsed =
      parse_page("# HELP \"a\\\"b\" One.\n# HELP c Two.\n# TYPE \"a\\\"b\" gauge\n", {}, 100);
  REQUIRE(parsed);
  REQUIRE(parsed->metadata.size() == 2);
  CHECK(parsed->metadata[0].name == "a\"b");
  CHECK(parsed->metadata[0].help == "One.");
  CHECK(parsed->metadata[0].type == "gauge");
}

}  // namespace keelwatch::metrics
