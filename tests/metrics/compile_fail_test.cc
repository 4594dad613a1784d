// What must not compile: each file in compile_fail/ says in its first line what the compiler has to
// complain about ("// error: TEXT"), or that it compiles ("// compiles"), which keeps the others
// honest.
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace keelwatch::metrics {
namespace {

std::string configured_compiler() {
  std::ifstream cache(std::string(KEELWATCH_BINARY_DIR) + "/CMakeCache.txt");
  for (std::string line; std::getline(cache, line);) {
    if (line.starts_with("CMAKE_CXX_COMPILER:")) return line.substr(line.find('=') + 1);
  }
  FAIL("no CMAKE_CXX_COMPILER in the build folder's cache");
  return {};
}

struct Outcome {
  bool compiled;
  std::string output;
};

Outcome compile(const std::string& compiler, const std::filesystem::path& file) {
  const std::string command = compiler +
                              " -std=c++20 -fsyntax-only -I" KEELWATCH_SOURCE_DIR "/src " +
                              file.string() + " 2>&1";
  Outcome outcome{false, {}};
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer;
  while (const std::size_t size = fread(buffer.data(), 1, buffer.size(), pipe)) {
    outcome.output.append(buffer.data(), size);
  }
  outcome.compiled = pclose(pipe) == 0;
  return outcome;
}

}  // namespace

TEST_CASE("what could show an unknown as a value does not compile", "[metrics][compile]") {
  const std::string compiler = configured_compiler();
  int refused = 0;
  int accepted = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(KEELWATCH_SOURCE_DIR "/tests/metrics/compile_fail")) {
    std::ifstream in(entry.path());
    std::string first;
    std::getline(in, first);
    const Outcome outcome = compile(compiler, entry.path());
    INFO(entry.path().filename().string() << "\n" << outcome.output);
    if (first == "// compiles") {
      CHECK(outcome.compiled);
      ++accepted;
    } else {
      const std::string marker = "// error: ";
      REQUIRE(first.starts_with(marker));
      CHECK_FALSE(outcome.compiled);
      CHECK_THAT(outcome.output, Catch::Contains(first.substr(marker.size())));
      ++refused;
    }
  }
  CHECK(refused >= 7);
  CHECK(accepted == 1);
}

}  // namespace keelwatch::metrics
