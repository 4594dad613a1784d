#include "rules/template.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace keelwatch::rules {
namespace {

TemplateData data() {
  TemplateData data;
  data.labels = Labels{{"__name__", "x"}, {"a", "1"}, {"instance", "db-1.example.org:9187"}};
  data.value = 1234567;
  data.external_labels = Labels{{"site", "home"}};
  data.external_url = "https://prom.example.org/prefix";
  return data;
}

TemplateEnvironment environment() {
  TemplateEnvironment environment;
  environment.name = "__alert_A";
  environment.at_ms = 1'500;
  environment.query = [](const std::string& expr) -> Result<std::vector<promql::VectorSample>> {
    std::vector<promql::VectorSample> samples;
    if (expr == "bad(") {
      return Error(ErrorCode::kInvalid, "1:5: unclosed left parenthesis\n  bad(\n     ^");
    }
    if (expr == "none") return samples;
    for (const char* pod : {"pg-2", "pg-1"}) {
      samples.push_back({std::make_shared<const Labels>(Labels{{"__name__", "m"}, {"pod", pod}}), 0,
                         pod[3] == '1' ? 10.0 : 20.5});
    }
    return samples;
  };
  return environment;
}

std::string expand(std::string_view text) {
  const Template::Parsed parsed = Template::parse(text);
  if (!parsed.value) return "PARSE " + parsed.error.problem;
  const Result<std::string> result = parsed.value->expand(data(), environment());
  return result ? *result : result.error().message();
}

struct Row {
  const char* text;
  const char* result;
};

constexpr const char* kError = "error executing template __alert_A: template: __alert_A:";

TEST_CASE("templates expand as Go's text/template does", "[rules][template]") {
  // Those of the first part were compared with promtool's output.
  const Row rows[] = {
      {"plain", "plain"},
      {"{{ $value }} {{ 1e6 }} {{ 1000000 }} {{ printf \"%v\" 1234567.0 }}",
       "1.234567e+06 1e+06 1000000 1.234567e+06"},
      {"{{ $labels }}", "map[__name__:x a:1 instance:db-1.example.org:9187]"},
      {"{{ $labels.a }}|{{ .Labels.a }}|{{ index $labels \"zz\" }}|{{ $labels.zz }}|{{ len $labels "
       "}}",
       "1|1|||3"},
      {"{{ print 1 2 \"a\" \"b\" 3.0 }}{{ println \"x\" }}", "1 2ab3x\n"},
      {"{{ slice \"hello\" 1 3 }}", "el"},
      {"{{ args 1 \"b\" }}{{ (args 1).arg7 }}", "map[arg0:1 arg1:b]<no value>"},
      {"{{ with query \"x\" }}{{ . | first }}{{ end }}", "{map[__name__:m pod:pg-2] 20.5}"},
      {"{{ range query \"x\" }}{{ .Labels.pod }}={{ .Value }};{{ end }}", "pg-2=20.5;pg-1=10;"},
      {"{{ range query \"x\" | sortByLabel \"pod\" }}{{ . | label \"pod\" }}={{ . | value }};{{ "
       "end }}",
       "pg-1=10;pg-2=20.5;"},
      {"{{ range $i, $s := query \"x\" }}{{ $i }}{{ $s.Value }} {{ end }}", "020.5 110 "},
      {"{{ range $k, $v := $labels }}{{ $k }}={{ $v }},{{ end }}",
       "__name__=x,a=1,instance=db-1.example.org:9187,"},
      {"{{ range query \"none\" }}x{{ else }}empty{{ end }}", "empty"},
      {"{{ range $i, $s := query \"x\" }}{{ if $i }}{{ break }}{{ end }}{{ $i }}{{ end }}", "0"},
      {"{{ range $i, $s := query \"x\" }}{{ if not $i }}{{ continue }}{{ end }}{{ $i }}{{ end }}",
       "1"},
      {"{{ if gt $value 5.0 }}big{{ else }}small{{ end }}", "big"},
      {"{{ if lt $value 5.0 }}a{{ else if eq $labels.a \"2\" \"1\" }}b{{ else }}c{{ end }}", "b"},
      {"{{ with $labels.zz }}x{{ else with $labels.a }}{{ . }}{{ end }}", "1"},
      {"{{ $x := \"a\" }}{{ if true }}{{ $x = \"b\" }}{{ end }}{{ $x }}", "b"},
      {"{{ $x := \"a\" }}{{ if true }}{{ $x := \"b\" }}{{ end }}{{ $x }}", "a"},
      {"a {{- /* comment */ -}} b{{/* x */}}", "ab"},
      {"a  {{- \" b\" -}}  c", "a bc"},
      {"{{ and 1 \"\" 2 }}|{{ or \"\" 0 \"x\" }}|{{ not true }}", "|x|false"},
      {"{{ or true (query \"bad(\") }}", "true"},
      {"{{ le 1 1 }}{{ ge 1 2 }}{{ ne \"a\" \"b\" }}", "truefalsetrue"},
      {"{{ true }} {{ 'a' }} {{ 0x10 }} {{ 1_000 }} {{ -3 }} {{ .5 }}", "true 97 16 1000 -3 0.5"},
      {"{{ \"tab\\t\\u00e9\\x41\" }}{{ `raw\\n` }}", "tab\t\u00e9Araw\\n"},
      {"{{ $externalLabels.site }} {{ .ExternalLabels.site }} {{ $externalURL }} {{ externalURL }} "
       "{{ pathPrefix }}",
       "home home https://prom.example.org/prefix https://prom.example.org/prefix /prefix"},
      {"{{ printf \"sum(%s{pod=%q})\" \"m\" $labels.a | query | first | value }}", "20.5"},
      {"{{ define \"x\" }}{{ end }}", "PARSE {{define}} is not supported in rules"},
      {"{{ template \"x\" }}", "PARSE {{template}} is not supported in rules"},
      {"{{ nosuch 1 }}", "PARSE function \"nosuch\" not defined"},
      {"{{ $nosuch }}", "PARSE undefined variable \"$nosuch\""},
      {"{{ if true }}", "PARSE {{if}} without {{end}}"},
      {"{{ end }}", "PARSE unexpected {{end}}"},
      {"{{ $value ", "PARSE unclosed action"},
      {"{{ }}", "PARSE missing value for command"},
      {"{{ ( $value }}", "PARSE unclosed left parenthesis"},
      {"{{ \"abc }}", "PARSE unterminated quoted string"},
      {"{{ break }}", "PARSE {{break}} outside {{range}}"},
      {"{{ 1 | 2 }}", "PARSE 2 cannot be called with what is before the \"|\""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(expand(row.text) == row.result);
  }
}

TEST_CASE("Prometheus' template functions give its texts", "[rules][template]") {
  const Row rows[] = {
      {"{{ humanize 1234567.0 }} {{ humanize 0.0123 }} {{ humanize 999.0 }} {{ humanize \"1e10\" "
       "}}",
       "1.235M 12.3m 999 10G"},
      {"{{ humanize 0.0 }} {{ humanize -1500.0 }} {{ humanize 1 }}", "0 -1.5k 1"},
      {"{{ humanize1024 1536.0 }} {{ humanize1024 1.0 }} {{ humanize1024 1073741824.0 }}",
       "1.5ki 1 1Gi"},
      {"{{ humanizeDuration 93784.5 }}|{{ humanizeDuration 3605.0 }}|{{ humanizeDuration 61.9 }}|"
       "{{ humanizeDuration 59.98765 }}|{{ humanizeDuration 0.0125 }}|{{ humanizeDuration -90.0 }}|"
       "{{ humanizeDuration 0.0 }}",
       "1d 2h 3m 4s|1h 0m 5s|1m 1s|59.99s|12.5ms|-1m 30s|0s"},
      {"{{ humanizePercentage 0.12345 }} {{ humanizePercentage 1.0 }}", "12.35% 100%"},
      {"{{ humanizeTimestamp 1435065584.128 }}", "2015-06-23 13:19:44.128 +0000 UTC"},
      {"{{ toTime 1435065584.0 }} {{ (toTime 1435065584.0).Format \"Mon Jan _2 15:04 2006\" }}",
       "2015-06-23 13:19:44 +0000 UTC Tue Jun 23 13:19 2015"},
      {"{{ toDuration 5400.5 }} {{ (toDuration 90.0).Minutes }}", "1h30m0.5s 1.5"},
      {"{{ parseDuration \"1h30m\" }} {{ now }}", "5400 1.5"},
      {"{{ title \"hello world_x don't\" }} {{ toUpper \"aB1\" }} {{ toLower \"Ab1\" }}",
       "Hello World_x Don't AB1 ab1"},
      {"{{ match \"a.c\" \"xabcx\" }} {{ match \"^b\" \"ab\" }}", "true false"},
      {"{{ reReplaceAll \"(.*):.*\" \"$1\" $labels.instance }} "
       "{{ reReplaceAll \"a*\" \"-\" \"baac\" }} {{ reReplaceAll \"(?P<n>b)\" \"<${n}$$>\" \"abc\" "
       "}}",
       "db-1.example.org -b-c- a<b$>c"},
      {"{{ stripPort $labels.instance }} {{ stripPort \"[::1]:80\" }} {{ stripPort \"x\" }}",
       "db-1.example.org ::1 x"},
      {"{{ stripDomain $labels.instance }} {{ stripDomain \"10.0.0.1:80\" }} {{ stripDomain "
       "\"a.b\" }}",
       "db-1:9187 10.0.0.1:80 a"},
      {"{{ graphLink \"up > 0\" }} {{ tableLink \"a b\" }} {{ urlQueryEscape \"a/b\" }}",
       "/graph?g0.expr=up+%3E+0&g0.tab=0 /graph?g0.expr=a+b&g0.tab=1 a%2Fb"},
      {"{{ html \"<a>\" }} {{ js \"<'\" }} {{ urlquery \"a b\" }} {{ safeHtml \"<b>\" }}",
       "&lt;a&gt; \\u003C\\' a+b <b>"},
      {"{{ printf \"%5d|%-5d|%05d|%+d|%x|%X|%c|%q|%U|%o|%b\" 42 42 42 42 255 255 65 65 65 8 5 }}",
       "   42|42   |00042|+42|ff|FF|A|'A'|U+0041|10|101"},
      {"{{ printf \"%.2f|%8.3f|%e|%g|%.3g|%6.1f%%\" 3.14159 3.14159 3.14159 1e21 123456.0 12.34 }}",
       "3.14|   3.142|3.141590e+00|1e+21|1.23e+05|  12.3%"},
      {"{{ printf \"%s|%10s|%-4s|%.2s|%q|%x|%t|%v|%T\" \"a\" \"b\" \"c\" \"defg\" \"h\\\"\" \"i\" "
       "true "
       "\"j\" 1.5 }}",
       "a|         b|c   |de|\"h\\\"\"|69|true|j|float64"},
      {"{{ printf \"%d %s %[1]v %z %d\" 1.5 2 }}",
       "%!d(float64=1.5) %!s(int=2) 1.5 %!z(int=2) "
       "%!d(MISSING)"},
      {"{{ printf \"%d\" }}|{{ printf \"x\" 1 \"b\" }}|{{ printf \"%\" }}|{{ printf \"%*d\" 4 7 }}",
       "%!d(MISSING)|x%!(EXTRA int=1, string=b)|%!(NOVERB)|   7"},
      {"{{ printf \"%v %s\" $labels $labels }}",
       "map[__name__:x a:1 instance:db-1.example.org:9187] map[__name__:x a:1 "
       "instance:db-1.example.org:9187]"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(expand(row.text) == row.result);
  }
}

TEST_CASE("a failing template says what Prometheus says", "[rules][template]") {
  const Row rows[] = {
      {"{{ query \"none\" | first | value }}",
       "1:130: executing \"__alert_A\" at <first>: error calling first: first() called on vector "
       "with "
       "no elements"},
      {"line1\n{{ humanize \"abc\" }}",
       "2:3: executing \"__alert_A\" at <humanize \"abc\">: error calling humanize: "
       "strconv.ParseFloat: parsing \"abc\": invalid syntax"},
      {"{{ $labels.foo.bar }}",
       "1:122: executing \"__alert_A\" at <$labels.foo.bar>: can't evaluate field bar in type "
       "string"},
      {"{{ gt $value 5 }}",
       "1:115: executing \"__alert_A\" at <gt $value 5>: error calling gt: incompatible types for "
       "comparison"},
      {"{{ toUpper 5 }}", "1:123: executing \"__alert_A\" at <5>: expected string; found 5"},
      {"{{ toUpper $value }}",
       "1:123: executing \"__alert_A\" at <$value>: wrong type for value; expected string; got "
       "float64"},
      {"{{ toUpper }}",
       "1:115: executing \"__alert_A\" at <toUpper>: wrong number of args for toUpper: want 1 got "
       "0"},
      {"{{ query \"bad(\" }}",
       "1:115: executing \"__alert_A\" at <query \"bad(\">: error calling query: 1:5: unclosed "
       "left "
       "parenthesis"},
      {"{{ reReplaceAll \"(\" \"a\" \"b\" }}",
       "1:115: executing \"__alert_A\" at <reReplaceAll \"(\" \"a\" \"b\">: error calling "
       "reReplaceAll: "
       "regexp: Compile(`(`): error parsing regexp: missing closing ): `(`"},
      {"{{ call $value }}",
       "1:115: executing \"__alert_A\" at <call $value>: error calling call: non-function of type "
       "float64"},
      {"{{ $value.Foo }}",
       "1:121: executing \"__alert_A\" at <$value.Foo>: can't evaluate field Foo in type float64"},
      {"{{ slice \"hello\" 9 }}",
       "1:115: executing \"__alert_A\" at <slice \"hello\" 9>: error calling slice: index out of "
       "range: "
       "9"},
      {"{{ (query \"x\" | first).Value.Foo }}",
       "1:128: executing \"__alert_A\" at <first>: can't evaluate field Foo in type float64"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(expand(row.text) == kError + std::string(row.result));
  }
}

TEST_CASE("a template's output and work are bounded", "[rules][template]") {
  const Row rows[] = {
      {"{{ printf \"%100000d\" 1 }}", "longer than"},
      {"{{ range 40000 }}xx{{ end }}", "longer than"},
      {"{{ range 99999 }}{{ range 99999 }}{{ end }}{{ end }}", "too much work"},
      {"{{ range 60 }}{{ $x := query \"x\" }}{{ end }}", "more than 50 queries"},
      {"{{ $x := \"aaaaaaaaaaaaaaaa\" }}{{ range 64 }}{{ $x = print $x $x }}{{ end }}",
       "too much work"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK_THAT(expand(row.text), Catch::Contains(row.result));
  }
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "{{ if true }}";
  CHECK_THAT(expand(deep), Catch::Contains("nested too deep"));
  CHECK_THAT(expand("{{ " + std::string(100, '(') + "1" + std::string(100, ')') + " }}"),
             Catch::Contains("nested too deep"));
}

TEST_CASE("a template knows which labels it asks for", "[rules][template]") {
  const Template::Parsed parsed = Template::parse(
      "{{ $labels.pod }} {{ if .Labels.node }}{{ index $labels \"zone\" }}{{ end }} {{ $value }}");
  REQUIRE(parsed.value);
  std::vector<std::string> names;
  for (const TemplateLabel& label : parsed.value->labels()) names.push_back(label.name);
  CHECK(names == std::vector<std::string>{"pod", "node", "zone"});
  CHECK(parsed.value->uses_value());
}

}  // namespace
}  // namespace keelwatch::rules
