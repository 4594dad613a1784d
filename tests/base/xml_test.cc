#include "base/xml.h"

#include <catch2/catch.hpp>

namespace keelwatch {

using Catch::Matchers::Contains;

TEST_CASE("an XML document is read as it is written", "[xml]") {
  const auto document = XmlDocument::parse(
      "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- a --><a xmlns=\"urn:x\">\n"
      "<b>1 &lt;&amp;&#x20;&#233; <!-- c -->2</b><c/><b> </b><d><![CDATA[<&]]></d></a>\n");
  REQUIRE(document);
  const XmlElement root = document->root();
  CHECK(root.name() == "a");
  CHECK(root.child("b").text() == "1 <& \xC3\xA9 2");
  CHECK(root.child("d").text() == "<&");
  REQUIRE(root.children().size() == 4);
  CHECK(root.children()[2].text() == " ");
  CHECK(root.child("c"));
  CHECK(root.child("c").text().empty());
  CHECK_FALSE(root.child("none"));
  CHECK(root.child("none").child("deeper").text().empty());
}

TEST_CASE("XML that is cut, doubtful or too much is refused with its place", "[xml]") {
  struct Case {
    const char* name;
    std::string text;
    ErrorCode code;
    const char* says;
  };
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "<a>";
  std::string deep_end;
  for (int i = 0; i < 40; ++i) deep_end += "</a>";
  std::string many = "<a>";
  for (int i = 0; i < 1001; ++i) many += "<b/>";
  const Case cases[] = {
      {"empty", "", ErrorCode::kMalformed, "XML"},
      {"no element", "hello", ErrorCode::kMalformed, "byte 0: text outside of the root"},
      {"cut in an element", "<a><b>1</b>", ErrorCode::kMalformed, "XML, byte "},
      {"cut in a tag", "<a><b", ErrorCode::kMalformed, "XML, byte "},
      {"cut in a declaration", "<?xml version", ErrorCode::kMalformed, "XML"},
      {"mismatch", "<a></b>", ErrorCode::kMalformed, "XML, byte "},
      {"text behind", "<a></a>x", ErrorCode::kMalformed, "text outside of the root"},
      {"two roots", "<a/><b/>", ErrorCode::kMalformed, "byte 5: a second root"},
      {"document type", "<!DOCTYPE a [<!ENTITY x \"y\">]><a>1</a>", ErrorCode::kMalformed,
       "document type"},
      {"entity", "<a>&x;</a>", ErrorCode::kMalformed, "byte 3: a reference to an entity"},
      {"surrogate", "<a>&#xD800;</a>", ErrorCode::kMalformed, "byte 3"},
      {"NUL reference", "<a>&#0;</a>", ErrorCode::kMalformed, "byte 3"},
      {"NUL", std::string("<a></a>\0<b>", 11), ErrorCode::kMalformed, "byte 7: control"},
      {"control character", "<a>\x01</a>", ErrorCode::kMalformed, "byte 3: control character 0x01"},
      {"not UTF-8", "<a>\xFF</a>", ErrorCode::kMalformed, "byte 3: not UTF-8"},
      {"too deep", deep + deep_end, ErrorCode::kMalformed, "nested deeper than 32 levels"},
      {"too many", many + "</a>", ErrorCode::kTooLarge, "more than 1000 elements"},
      {"too large", "<a>" + std::string(1 << 20, 'x') + "</a>", ErrorCode::kTooLarge,
       "larger than 100000 bytes"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const auto document =
        XmlDocument::parse(c.text, {.max_bytes = 100'000, .max_elements = 1000, .max_depth = 32});
    REQUIRE_FALSE(document);
    CHECK(document.error().code() == c.code);
    CHECK_THAT(document.error().message(), Contains(c.says));
  }
}

TEST_CASE("no beginning of an XML document is a document", "[xml]") {
  const std::string whole = "<?xml version=\"1.0\"?><r><k>a&amp;b</k><e/><s>1</s></r>";
  REQUIRE(XmlDocument::parse(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(whole.substr(0, size));
    CHECK_FALSE(XmlDocument::parse(std::string_view(whole).substr(0, size)));
  }
}

}  // namespace keelwatch
