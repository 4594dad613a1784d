// README.md's tables are what the program says of itself.
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>
#include <string>

#include "app/describe.h"
#include "config/describe.h"

namespace keelwatch::app {
namespace {

std::string readme() {
  std::ifstream file(KEELWATCH_SOURCE_DIR "/README.md");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// What stands between <!-- name --> and <!-- /name -->, without the line breaks at the markers.
std::string region(const std::string& text, const std::string& name) {
  const std::string begin = "<!-- " + name + " -->\n";
  const std::size_t from = text.find(begin);
  const std::size_t to = text.find("<!-- /" + name + " -->");
  REQUIRE(from != text.npos);
  REQUIRE(to != text.npos);
  return text.substr(from + begin.size(), to - from - begin.size());
}

}  // namespace

TEST_CASE("README's metrics and rules tables are those of `keelwatch describe`", "[app]") {
  const std::string text = readme();
  CHECK(region(text, "metrics") == describe_metrics(DescribeFormat::kMarkdown));
  const auto rules = describe_rules(DescribeFormat::kMarkdown);
  REQUIRE(rules);
  CHECK(region(text, "rules") == *rules);
}

TEST_CASE("README's tables of settings are those of `keelwatch describe`", "[app]") {
  CHECK(region(readme(), "endpoints") == config::settings_markdown("endpoints."));
  CHECK(region(readme(), "placement") == config::settings_markdown("placement."));
}

}  // namespace keelwatch::app
