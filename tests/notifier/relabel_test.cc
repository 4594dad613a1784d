#include "notifier/relabel.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace keelwatch::notifier {
namespace {

using config::Relabel;
using enum config::RelabelAction;

std::string relabelled(const std::vector<Relabel>& steps, const Labels& labels) {
  const Result<Relabelling> relabelling = Relabelling::compile(steps);
  REQUIRE(relabelling);
  const std::optional<Labels> out = relabelling->apply(labels);
  return out ? out->text() : "dropped";
}

}  // namespace

TEST_CASE("each action does what Prometheus' does", "[notifier]") {
  struct Case {
    const char* name;
    Relabel step;
    const char* expected;
  };
  const Labels labels = {{"a", "foo"}, {"b", "bar"}, {"c", "Baz"}, {"node_zone", "z1"}};
  const Case cases[] = {
      {"replace writes the groups into the target",
       {.source_labels = {"a", "b"},
        .regex = "f(.*);(.*)r",
        .replacement = "ch${1}-$2",
        .target_label = "d"},
       R"({a="foo",b="bar",c="Baz",d="choo-ba",node_zone="z1"})"},
      {"replace without a match changes nothing",
       {.source_labels = {"a"}, .regex = "x.*", .replacement = "y", .target_label = "d"},
       R"({a="foo",b="bar",c="Baz",node_zone="z1"})"},
      {"the expression must match as a whole",
       {.source_labels = {"a"}, .regex = "oo", .replacement = "y", .target_label = "d"},
       R"({a="foo",b="bar",c="Baz",node_zone="z1"})"},
      {"replace by nothing removes the target",
       {.source_labels = {"a"}, .replacement = "", .target_label = "b"},
       R"({a="foo",c="Baz",node_zone="z1"})"},
      {"the target may hold a group",
       {.source_labels = {"a"}, .regex = "(.)(.*)", .replacement = "x", .target_label = "${1}_$2"},
       R"({a="foo",b="bar",c="Baz",f_oo="x",node_zone="z1"})"},
      {"a target that is no label name is not written",
       {.source_labels = {"missing"}, .regex = "(.*)", .replacement = "x", .target_label = "$1"},
       R"({a="foo",b="bar",c="Baz",node_zone="z1"})"},
      {"a fixed value needs no source",
       {.replacement = "prod", .target_label = "env"},
       R"({a="foo",b="bar",c="Baz",env="prod",node_zone="z1"})"},
      {"an unknown group is empty, and two dollars are one",
       {.source_labels = {"a"}, .replacement = "$$1$9", .target_label = "d"},
       R"({a="foo",b="bar",c="Baz",d="$1",node_zone="z1"})"},
      {"keep keeps what matches",
       {.action = kKeep, .source_labels = {"a"}, .regex = "fo+"},
       R"({a="foo",b="bar",c="Baz",node_zone="z1"})"},
      {"keep drops the rest",
       {.action = kKeep, .source_labels = {"a"}, .regex = "ba.*"},
       "dropped"},
      {"drop drops what matches",
       {.action = kDrop, .source_labels = {"a", "b"}, .separator = "/", .regex = "foo/b.*"},
       "dropped"},
      {"drop keeps the rest",
       {.action = kDrop, .source_labels = {"a"}, .regex = "f"},
       R"({a="foo",b="bar",c="Baz",node_zone="z1"})"},
      {"keepequal drops what differs",
       {.action = kKeepEqual, .source_labels = {"a"}, .target_label = "b"},
       "dropped"},
      {"dropequal keeps what differs",
       {.action = kDropEqual, .source_labels = {"a"}, .target_label = "b"},
       R"({a="foo",b="bar",c="Baz",node_zone="z1"})"},
      {"hashmod is the last half of the MD5",
       {.action = kHashMod, .source_labels = {"a"}, .target_label = "d", .modulus = 1000},
       R"({a="foo",b="bar",c="Baz",d="696",node_zone="z1"})"},
      {"labelmap copies under the new name",
       {.action = kLabelMap, .regex = "node_(.+)", .replacement = "$1"},
       R"({a="foo",b="bar",c="Baz",node_zone="z1",zone="z1"})"},
      {"labeldrop removes what matches",
       {.action = kLabelDrop, .regex = "a|node_.*"},
       R"({b="bar",c="Baz"})"},
      {"labelkeep removes the rest",
       {.action = kLabelKeep, .regex = "a|node_.*"},
       R"({a="foo",node_zone="z1"})"},
      {"lowercase",
       {.action = kLowercase, .source_labels = {"c"}, .target_label = "c"},
       R"({a="foo",b="bar",c="baz",node_zone="z1"})"},
      {"uppercase joins its sources",
       {.action = kUppercase, .source_labels = {"a", "c"}, .target_label = "d"},
       R"({a="foo",b="bar",c="Baz",d="FOO;BAZ",node_zone="z1"})"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    CHECK(relabelled({c.step}, labels) == c.expected);
  }
}

TEST_CASE("keepequal and dropequal compare the joined sources with the target", "[notifier]") {
  const Labels same = {{"a", "x"}, {"b", "x"}};
  CHECK(relabelled({{.action = kKeepEqual, .source_labels = {"a"}, .target_label = "b"}}, same) ==
        same.text());
  CHECK(relabelled({{.action = kDropEqual, .source_labels = {"a"}, .target_label = "b"}}, same) ==
        "dropped");
}

TEST_CASE("letters of every script change their case", "[notifier]") {
  const Labels labels = {{"a", "Ärger ΣΊΓΜΑ ж"}};
  CHECK(relabelled({{.action = kUppercase, .source_labels = {"a"}, .target_label = "a"}}, labels) ==
        R"({a="ÄRGER ΣΊΓΜΑ Ж"})");
  CHECK(relabelled({{.action = kLowercase, .source_labels = {"a"}, .target_label = "a"}}, labels) ==
        R"({a="ärger σίγμα ж"})");
}

TEST_CASE("steps run in order, each on what the one before has left", "[notifier]") {
  CHECK(relabelled({{.source_labels = {"a"}, .target_label = "tmp"},
                    {.source_labels = {"tmp"}, .regex = "(.).*", .target_label = "first"},
                    {.action = kLabelDrop, .regex = "tmp"}},
                   {{"a", "foo"}}) == R"({a="foo",first="f"})");
}

}  // namespace keelwatch::notifier
