#include "base/yaml.h"

#include <catch2/catch.hpp>
#include <string>

#include "base/mapping_reader.h"

using namespace std::chrono_literals;

namespace keelwatch {
namespace {

Diagnostics file(std::string text) { return Diagnostics(SourceFile("f.yaml", std::move(text))); }

// What parsing alone reports.
std::string problems_of(std::string text, const YamlLimits& limits = {}) {
  Diagnostics problems = file(std::move(text));
  const auto root = parse_yaml(problems, limits);
  CHECK((root || problems.has_errors()));
  return problems.text();
}

YamlNode tree(std::string text) {
  Diagnostics problems = file(std::move(text));
  const auto root = parse_yaml(problems);
  INFO(problems.text());
  REQUIRE(root);
  REQUIRE(problems.all().empty());
  return *root;
}

SourceSpan at(int line, int column, int length) { return {line, column, length}; }

}  // namespace

TEST_CASE("a tree knows kinds, texts and places", "[yaml]") {
  const YamlNode root = tree(
      "# comment\n"
      "name: pg-main\n"
      "port: \"5432\"\n"
      "list:\n"
      "  - 5\n"
      "  - [a, 'b c']\n"
      "none: ~\n"
      "empty:\n"
      "tagged: !!str 7\n"
      "anchored: &x value\n");
  REQUIRE(root.is_mapping());
  CHECK(root["name"].text() == "pg-main");
  CHECK_FALSE(root["name"].is_text());
  CHECK(root["name"].span() == at(2, 7, 7));
  CHECK(root.find("name")->key_span == at(2, 1, 4));
  CHECK(root["port"].text() == "5432");
  CHECK(root["port"].is_text());
  CHECK(root["port"].span() == at(3, 7, 6));
  REQUIRE(root["list"].items().size() == 2);
  CHECK(root["list"].items()[0].span() == at(5, 5, 1));
  CHECK(root["list"].items()[1].items()[1].text() == "b c");
  CHECK(root["list"].items()[1].items()[1].span() == at(6, 9, 5));
  CHECK(root["none"].is_null());
  CHECK(root["empty"].is_null());
  CHECK(root["tagged"].is_text());
  CHECK(root["tagged"].span() == at(9, 15, 1));
  CHECK(root["anchored"].span() == at(10, 14, 5));
  CHECK(root["absent"].is_null());
  CHECK(root["absent"]["below"].is_null());
}

TEST_CASE("an empty file, or one of comments, is a null", "[yaml]") {
  for (const char* text : {"", "\n", "# only this\n", "---\n", "\xEF\xBB\xBF"}) {
    INFO(text);
    CHECK(tree(text).is_null());
  }
}

TEST_CASE("a byte order mark and CRLF line ends do not move places", "[yaml]") {
  const YamlNode root = tree(
      "\xEF\xBB\xBF"
      "a: 1\r\nbb: two\r\n");
  CHECK(root["a"].span() == at(1, 4, 1));
  CHECK(root["bb"].text() == "two");
  CHECK(root["bb"].span() == at(2, 5, 3));
}

TEST_CASE("aliases stand for their anchor's value, and << merges", "[yaml]") {
  const YamlNode root = tree(
      "base: &base {a: 1, b: 2}\n"
      "again: *base\n"
      "more:\n"
      "  <<: *base\n"
      "  b: 3\n"
      "both:\n"
      "  <<: [{a: 7}, *base]\n");
  CHECK(root["again"]["b"].text() == "2");
  CHECK(root["again"].span() == root["base"].span());
  CHECK(root["more"]["a"].text() == "1");
  CHECK(root["more"]["b"].text() == "3");
  CHECK(root["both"]["a"].text() == "7");
  CHECK(root["both"]["b"].text() == "2");
}

TEST_CASE("what is wrong with a file is shown where it stands", "[yaml]") {
  struct Case {
    const char* name;
    std::string text;
    const char* problems;
  };
  const Case cases[] = {
      {"a key twice", "a: 1\nb: 2\na: 3\n",
       R"(f.yaml:3:1: yaml: key "a" is given twice, first in line 1
a: 3
^
)"},
      {"an open bracket", "a: [1, 2\n",
       R"(f.yaml:2:1: yaml: end of sequence flow not found
)"},
      {"a bad indentation", "a:\n    b: 1\n  c: 2\n",
       R"(f.yaml:3:3: yaml: end of map not found
  c: 2
  ^
)"},
      {"a further document", "a: 1\n---\nb: 2\n",
       R"(f.yaml:2:1: warning: yaml: only the first document of a file counts, this one is ignored
---
^^^
)"},
      {"text behind the value", "- a:\n    (x in\n\"b\",\n    )\n",
       R"(f.yaml:3:1: yaml: something is left over behind the end of the value
"b",
^ check quotes, brackets and indentation here and in the line above
)"},
      {"an unknown alias", "a: *b\n",
       R"(f.yaml:1:4: yaml: the referenced anchor is not defined
a: *b
   ^
)"},
      {"an alias of itself", "a: &a [1, *a]\n",
       R"(f.yaml:1:11: yaml: an alias stands inside the value that it names
a: &a [1, *a]
          ^
)"},
      {"a list as a key", "? [1, 2]\n: 3\n",
       R"(f.yaml:1:3: yaml: a key must be a text
? [1, 2]
  ^
)"},
      {"a merge of a text", "a:\n  <<: text\n",
       R"(f.yaml:2:7: yaml: "<<" merges mappings only
  <<: text
      ^^^^
)"},
      {"not UTF-8", "a: b\xFFs\n",
       "f.yaml:1:5: yaml: not UTF-8 text\n"
       "a: b\xFFs\n"
       "    ^\n"},
      {"an overlong UTF-8 form", "a: \xC0\xAF\n",
       "f.yaml:1:4: yaml: not UTF-8 text\n"
       "a: \xC0\xAF\n"
       "   ^\n"},
      {"yaml-cpp's end of input", "a: b\x04\nc: d\n",
       "f.yaml:1:5: yaml: control character 0x04\n"
       "a: b?\n"
       "    ^\n"},
      {"a NUL", std::string("a\0b", 3),
       "f.yaml:1:2: yaml: control character 0x00\n"
       "a?b\n"
       " ^\n"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    CHECK(problems_of(c.text) == c.problems);
  }
}

TEST_CASE("hostile files end at a bound", "[yaml]") {
  SECTION("of bytes") {
    CHECK(problems_of("a: 12345", {.max_bytes = 7}) == "f.yaml: yaml: larger than 7 bytes\n");
    CHECK(problems_of("a: 12345", {.max_bytes = 8}).empty());
  }
  SECTION("of depth, written out") {
    const std::string deep = std::string(100'000, '[');
    CHECK_THAT(problems_of(deep), Catch::Contains("yaml: nested deeper than 64 levels"));
    CHECK(problems_of("[[[1]]]", {.max_depth = 3}).empty());
    CHECK_FALSE(problems_of("[[[1]]]", {.max_depth = 2}).empty());
    std::string keys;
    for (int i = 0; i < 1000; ++i) keys += "? ";
    CHECK_FALSE(problems_of(keys).empty());
  }
  SECTION("of depth, through aliases") {
    std::string text = "a0: &a0 [x]\n";
    for (int i = 1; i < 100; ++i) {
      text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" +
              std::to_string(i - 1) + "]\n";
    }
    CHECK_THAT(problems_of(text), Catch::Contains("nested deeper than 64 levels"));
  }
  SECTION("of values, through aliases") {
    std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 9; ++i) {
      text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
      for (int k = 0; k < 10; ++k) text += (k ? ", *a" : "*a") + std::to_string(i - 1);
      text += "]\n";
    }
    CHECK_THAT(problems_of(text), Catch::Contains("more than 200000 values, aliases included"));
  }
}

TEST_CASE("all documents come when asked for", "[yaml]") {
  Diagnostics problems = file("# first\n---\na: 1\n---\n# nothing\n---\nb: 2\n...\n");
  const auto documents = parse_yaml_documents(problems);
  REQUIRE(documents);
  CHECK(problems.all().empty());
  REQUIRE(documents->size() == 2);
  CHECK((*documents)[1]["b"].span() == at(7, 4, 1));
}

TEST_CASE("a place inside a scalar is found in the source", "[yaml]") {
  struct Case {
    const char* name;
    const char* text;
    const char* word;  // of the value, to be found
    SourceSpan place;
  };
  const Case cases[] = {
      {"plain", "e: time() - tme(x) > 5\n", "tme", at(1, 13, 3)},
      {"plain over two lines", "e: time()\n   - tme(x)\n", "tme", at(2, 6, 3)},
      {"single quotes", "e: 'it''s tme'\n", "tme", at(1, 11, 3)},
      {"double quotes", "e: \"a{b=\\\"c\\\"} tme\"\n", "tme", at(1, 16, 3)},
      {"literal block", "e: |\n  up == 0\n    and\n  tme(x)\n", "tme", at(4, 3, 3)},
      {"literal block, deeper line", "e: |\n  up == 0\n    and tme\n", "tme", at(3, 9, 3)},
      {"literal block, empty line", "e: |-\n  up\n\n  tme\n", "tme", at(4, 3, 3)},
      {"folded block", "e: >-\n  up == 0 and\n  tme(x)\n", "tme", at(3, 3, 3)},
      {"folded block with paragraphs", "e: >\n  up\n\n  and\n  tme\n", "tme", at(5, 3, 3)},
      {"the start", "e: tme\n", "tme", at(1, 4, 3)},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    Diagnostics problems = file(c.text);
    const auto root = parse_yaml(problems);
    REQUIRE(root);
    const YamlNode value = (*root)["e"];
    CHECK(value.span_within(problems.source(), value.text().find(c.word), 3) == c.place);
  }
  Diagnostics problems = file("e: up ==\n");
  const YamlNode value = (*parse_yaml(problems))["e"];
  CHECK(value.span_within(problems.source(), value.text().size()) == at(1, 9, 1));
  CHECK(value.span_within(problems.source(), 1000) == value.span());
}

TEST_CASE("a mapping reader converts each type", "[yaml]") {
  Diagnostics problems = file(
      "text: 5\nflag: true\nnumber: 1e3\nhold: \"5m\"\nsize: 1.5KiB\ninteger: -7\nlist: [a, 2]\n"
      "one: a\nlabels: {severity: page, team: 5}\nmaybe: 3s\nchoice: off\nnothing:\n");
  const auto root = parse_yaml(problems);
  REQUIRE(root);
  MappingReader map(*root, problems);
  std::string text;
  bool flag = false;
  double number = 0, size = 0;
  Duration hold{};
  int integer = 0;
  std::vector<std::string> list, one;
  std::vector<std::pair<std::string, std::string>> labels;
  std::optional<Duration> maybe, nothing;
  int choice = 0;
  const std::pair<std::string_view, int> words[] = {{"on", 1}, {"off", 2}};
  CHECK(map.read("text", text));
  CHECK(map.read("flag", flag));
  CHECK(map.read("number", number));
  CHECK(map.read("hold", hold));
  CHECK(map.read_bytes("size", size));
  CHECK(map.read_integer("integer", integer));
  CHECK(map.read("list", list));
  CHECK(map.read("one", one));
  CHECK(map.read("labels", labels));
  CHECK(map.read("maybe", maybe));
  CHECK(map.read_choice<int>("choice", choice, words));
  CHECK_FALSE(map.read("nothing", nothing));
  CHECK_FALSE(map.read("absent", text));
  map.finish();
  CHECK(problems.text().empty());
  CHECK(text == "5");
  CHECK(flag);
  CHECK(number == 1000);
  CHECK(hold == 5min);
  CHECK(size == 1536);
  CHECK(integer == -7);
  CHECK(list == std::vector<std::string>{"a", "2"});
  CHECK(one == std::vector<std::string>{"a"});
  CHECK(labels ==
        std::vector<std::pair<std::string, std::string>>{{"severity", "page"}, {"team", "5"}});
  CHECK(maybe == 3s);
  CHECK_FALSE(nothing);
  CHECK(choice == 2);
}

TEST_CASE("a mapping reader reports every mistake at once", "[yaml]") {
  Diagnostics problems = file(R"(flag: yes
quoted: "true"
number: much
hold: 5
size: 5 apples
integer: 70000
whole: 1.5
list: {a: 1}
items: [a, [b]]
labels: [a]
choice: offf
replicaton_lag: 5s
somewhere: else
text: [a]
)");
  const auto root = parse_yaml(problems);
  REQUIRE(root);
  {
    MappingReader map(*root, problems, "thing");
    std::string text = "kept";
    bool flag = true;
    double number = 7, size = 7;
    Duration hold = 7s, lag{};
    std::uint16_t integer = 7;
    std::vector<std::string> list;
    std::vector<std::pair<std::string, std::string>> labels;
    int choice = 7;
    const std::pair<std::string_view, int> words[] = {{"on", 1}, {"off", 2}};
    CHECK_FALSE(map.read("flag", flag));
    CHECK_FALSE(map.read("quoted", flag));
    CHECK_FALSE(map.read("number", number));
    CHECK_FALSE(map.read("hold", hold));
    CHECK_FALSE(map.read_bytes("size", size));
    CHECK_FALSE(map.read_integer("integer", integer, {.min = 1}));
    CHECK_FALSE(map.read_integer("whole", integer));
    CHECK_FALSE(map.read("list", list));
    CHECK_FALSE(map.read("items", list));
    CHECK_FALSE(map.read("labels", labels));
    CHECK_FALSE(map.read_choice<int>("choice", choice, words));
    CHECK_FALSE(map.read("replication_lag", lag));
    CHECK_FALSE(map.read("text", text));
    CHECK_FALSE(map.require("name"));
    CHECK(text == "kept");
    CHECK(hold == 7s);
    CHECK(integer == 7);
  }
  CHECK(problems.text() == R"(f.yaml:1:1: thing: required key "name" is missing
flag: yes
^
f.yaml:1:7: thing: flag: "yes" is not a boolean
flag: yes
      ^^^ write true or false
f.yaml:2:9: thing: quoted: is a text in quotes
quoted: "true"
        ^^^^^^ write it without quotes
f.yaml:3:9: thing: number: "much" is not a number
number: much
        ^^^^
f.yaml:4:7: thing: hold: "5" is not a duration
hold: 5
      ^ write it like 30s, 5m or 1h30m
f.yaml:5:7: thing: size: "5 apples" is not a size
size: 5 apples
      ^^^^^^^^ write a number of bytes, or one like 512KiB, 256MiB or 1.5GiB
f.yaml:6:10: thing: integer: 70000 is out of range
integer: 70000
         ^^^^^ from 1 to 65535
f.yaml:7:8: thing: whole: "1.5" is not a whole number
whole: 1.5
       ^^^
f.yaml:8:7: thing: list: must be a list of texts, not a mapping
list: {a: 1}
      ^
f.yaml:9:12: thing: items: each item must be a text, not a list
items: [a, [b]]
           ^
f.yaml:10:9: thing: labels: must be a mapping of names to texts, not a list
labels: [a]
        ^
f.yaml:11:9: thing: choice: "offf" is not known here
choice: offf
        ^^^^ did you mean "off"?
f.yaml:12:1: thing: unknown key "replicaton_lag"
replicaton_lag: 5s
^^^^^^^^^^^^^^ did you mean "replication_lag"?
f.yaml:13:1: thing: unknown key "somewhere"
somewhere: else
^^^^^^^^^
f.yaml:14:7: thing: text: must be a text, not a list
text: [a]
      ^
)");
}

TEST_CASE("a file with secrets shows neither lines nor values", "[yaml]") {
  Diagnostics problems(
      SourceFile("kubeconfig", "flag: hunter2\nport: 99999\n", SourceFile::Text::kHidden));
  const auto root = parse_yaml(problems);
  REQUIRE(root);
  bool flag = false;
  int port = 0;
  MappingReader map(*root, problems);
  map.read("flag", flag);
  map.read_integer("port", port, {.min = 1, .max = 65535});
  CHECK(problems.text() ==
        "kubeconfig:1:7: flag: the value is not a boolean; write true or false\n"
        "kubeconfig:2:7: port: the value is out of range; from 1 to 65535\n");
  CHECK(problems.to_error().message() ==
        "kubeconfig:1:7: flag: the value is not a boolean; write true or false (and 1 more error)");
}

TEST_CASE("byte sizes read and print", "[yaml]") {
  struct Case {
    const char* text;
    double bytes;
    const char* printed;
  };
  const Case cases[] = {{"0", 0, "0"},
                        {"1000", 1000, "1kB"},
                        {"1023B", 1023, "1023"},
                        {"256MiB", 268435456, "256MiB"},
                        {"268435456", 268435456, "256MiB"},
                        {"1.5GiB", 1610612736, "1536MiB"},
                        {"10 GB", 1e10, "10GB"}};
  for (const Case& c : cases) {
    INFO(c.text);
    const auto parsed = parse_byte_size(c.text);
    REQUIRE(parsed);
    CHECK(*parsed == c.bytes);
    CHECK(format_byte_size(c.bytes) == c.printed);
  }
  for (const char* text : {"", "MiB", "-1", "1.2.3", "5mb", "1e3", "0.3B", "99999999TiB", "5 "}) {
    INFO(text);
    CHECK_FALSE(parse_byte_size(text));
  }
}

}  // namespace keelwatch
