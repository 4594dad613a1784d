#include "app/cluster_rules.h"

#include <catch2/catch.hpp>

#include "base/clock.h"

namespace keelwatch::app {
namespace {

using Objects = model::ObjectList<model::PrometheusRule>;

std::shared_ptr<const model::PrometheusRule> object(std::string name, std::string spec) {
  auto made = std::make_shared<model::PrometheusRule>();
  made->meta.ns = "monitoring";
  made->meta.name = std::move(name);
  made->spec = std::move(spec);
  return made;
}

// As an API server writes it: one line, with escapes of Go's.
std::string spec_of(const std::string& expr) {
  return R"({"groups":[{"name":"g","interval":"10s","rules":[{"alert":"A","annotations":)"
         R"({"summary":"\u003cb\u003e {{ $labels.pod }}\n\"é\""},"expr":")" +
         expr + R"(","for":"1m","labels":{"severity":"warning"}},{"expr":5,"record":"r:five"}]}]})";
}

Observed<Objects> known(Objects objects) {
  return Observed<Objects>::known(std::move(objects), WallTime{});
}

std::string text(const ClusterRules& rules) {
  std::string out;
  for (const rules::RuleGroup& group : rules.groups()) {
    out += group.file + ";" + group.name + ":";
    for (const rules::Rule& rule : group.rules) out += " " + rule.name + "=" + rule.expr;
    out += "\n";
  }
  for (const std::string& problem : rules.problems()) out += problem + "\n";
  return out;
}

}  // namespace

TEST_CASE("rules come from objects, and go with them", "[app][rules]") {
  ClusterRules rules;
  CHECK_FALSE(rules.known());
  const auto a = object("a", spec_of("x \\u003e 1"));
  CHECK(rules.take(known({a})));
  CHECK(rules.known());
  CHECK(text(rules) == "PrometheusRule monitoring/a;g: A=x > 1 r:five=5\n");
  CHECK(rules.groups()[0].rules[0].annotations[0].text.text() == "<b> {{ $labels.pod }}\n\"é\"");
  CHECK_FALSE(rules.take(known({a})));
  // The API is silent: they stay. The kind is gone: so are they.
  CHECK_FALSE(
      rules.take(Observed<Objects>::unknown(Error(ErrorCode::kUnavailable, "x"), "kubernetes")));
  CHECK(text(rules) == "PrometheusRule monitoring/a;g: A=x > 1 r:five=5\n");
  CHECK(rules.take(known({})));
  CHECK(text(rules).empty());
}

TEST_CASE("an object that is wrong says where, and its last good rules stay", "[app][rules]") {
  ClusterRules rules;
  REQUIRE(rules.take(known({object("a", spec_of("x")), object("b", spec_of("y"))})));
  CHECK(rules.take(known({object("a", spec_of("tme()")), object("b", spec_of("z"))})));
  CHECK(text(rules) ==
        "PrometheusRule monitoring/a;g: A=x r:five=5\n"
        "PrometheusRule monitoring/b;g: A=z r:five=5\n"
        "PrometheusRule monitoring/a: group g: alert A: expr: unknown function \"tme\" "
        "(did you mean \"time\"?)\n");
  CHECK(rules.take(known({object("a", spec_of("x2")), object("b", "")})));
  CHECK(text(rules) ==
        "PrometheusRule monitoring/a;g: A=x2 r:five=5\n"
        "PrometheusRule monitoring/b;g: A=z r:five=5\n"
        "PrometheusRule monitoring/b: it has no spec, or one that cannot be decoded\n");
}

}  // namespace keelwatch::app
