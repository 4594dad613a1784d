// Holds the source tree to src/layers.txt and to the rule of one door per library.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace keelwatch {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = fs::path(KEELWATCH_SOURCE_DIR) / "src";

std::string read(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::map<std::string, std::set<std::string>> allowed_includes() {
  std::map<std::string, std::set<std::string>> allowed;
  std::istringstream lines(read(kSource / "layers.txt"));
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    const std::size_t colon = line.find(':');
    const std::string folder = line.substr(0, colon);
    std::istringstream others(line.substr(colon + 1));
    allowed[folder].insert(folder);
    for (std::string other; others >> other;) allowed[folder].insert(other);
  }
  return allowed;
}

struct Include {
  std::string file;  // relative to src/
  std::string folder;
  std::string target;
};

std::vector<Include> all_includes() {
  static const std::regex kInclude(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  std::vector<Include> includes;
  for (const auto& entry : fs::recursive_directory_iterator(kSource)) {
    const fs::path path = entry.path();
    if (path.extension() != ".h" && path.extension() != ".cc") continue;
    const fs::path relative = fs::relative(path, kSource);
    std::istringstream lines(read(path));
    for (std::string line; std::getline(lines, line);) {
      std::smatch match;
      if (!std::regex_search(line, match, kInclude)) continue;
      includes.push_back({relative.string(), relative.begin()->string(), match[2]});
    }
  }
  return includes;
}

}  // namespace

TEST_CASE("every folder includes only what its layer may", "[tree]") {
  const auto allowed = allowed_includes();
  REQUIRE(allowed.size() >= 10);
  const auto includes = all_includes();
  REQUIRE(includes.size() > 100);
  for (const Include& include : includes) {
    const std::string target = include.target.substr(0, include.target.find('/'));
    if (!allowed.contains(target)) continue;  // a library or the standard
    if (include.folder == "main.cc") {
      CHECK(target == "app");
      continue;
    }
    INFO(include.file << " includes " << include.target);
    REQUIRE(allowed.contains(include.folder));
    CHECK(allowed.at(include.folder).contains(target));
  }
}

TEST_CASE("the sample store and the PromQL engine need nothing else of the program", "[tree]") {
  const auto allowed = allowed_includes();
  const std::set<std::string> library = {"base", "metrics", "store", "promql"};
  for (const std::string& folder : library) {
    REQUIRE(allowed.contains(folder));
    for (const std::string& other : allowed.at(folder)) {
      INFO(folder << " may include " << other);
      CHECK(library.contains(other));
    }
  }
  CHECK(!allowed.at("store").contains("promql"));
}

TEST_CASE("each costly library has one door", "[tree]") {
  struct Door {
    const char* prefix;  // of the included header
    std::set<std::string> files;
  };
  const Door doors[] = {
      {"simdjson", {"base/json.cc"}},
      {"yaml-cpp/", {"base/yaml.cc"}},
      {"pugixml", {"base/xml.cc"}},
      {"curl/",
       {"base/http_client.cc", "base/http_multi.cc", "base/http_target.cc", "base/http_transfer.cc",
        "base/http_transfer.h"}},
      {"libpq-fe.h", {"base/pg_client.cc", "base/pg_connect.cc"}},
      {"ares.h", {"base/resolver.cc"}},
      {"spdlog/", {"base/log.cc"}},
      {"prometheus/", {"metrics/self.cc"}},
      {"boost/", {"http/channel.h", "http/connection.cc", "http/server.cc", "http/server_impl.h"}},
      {"CLI/", {"app/cli.cc"}},
      {"libdeflate.h", {"metrics/exposition.cc"}},
      {"sqlite3.h", {"state/sqlite.cc"}},
  };
  for (const Include& include : all_includes()) {
    for (const Door& door : doors) {
      if (!include.target.starts_with(door.prefix)) continue;
      INFO(include.file << " includes " << include.target);
      CHECK(door.files.contains(include.file));
    }
  }
}

}  // namespace keelwatch
