#include "app/cli.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace keelwatch::app {
namespace {

struct Ran {
  int exit_code = -1;
  std::string out;
};

// The command line in this process, with its stdout in a file meanwhile.
Ran run(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "keelwatch");
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  std::fflush(stdout);
  const int before = ::dup(STDOUT_FILENO);
  ::dup2(::fileno(file), STDOUT_FILENO);
  Ran ran;
  ran.exit_code = run_command_line(static_cast<int>(arguments.size()), arguments.data());
  std::fflush(stdout);
  ::dup2(before, STDOUT_FILENO);
  ::close(before);
  std::rewind(file);
  for (int c = 0; (c = std::fgetc(file)) != EOF;) ran.out += static_cast<char>(c);
  std::fclose(file);
  return ran;
}

constexpr const char* kTape = KEELWATCH_SOURCE_DIR "/tests/tapes/standby-kill.tape";

}  // namespace

TEST_CASE("every subcommand that prints a table or a verdict also prints JSON", "[app][cli]") {
  struct Case {
    const char* name;
    std::vector<const char*> arguments;
    std::vector<std::string> fields;  // of the first object
  };
  const Case cases[] = {
      {"describe metrics", {"describe", "metrics"}, {"name", "type", "labels", "help"}},
      {"describe rules",
       {"describe", "rules"},
       {"alert", "file", "severity", "for", "summary", "runbook_url"}},
      {"describe config", {"describe", "config"}, {"name", "type", "default", "doc"}},
      {"replay", {"replay", kTape}, {"after_seconds", "series", "value"}},
      {"check config",
       {"check", "config", kTape},
       {"file", "line", "column", "severity", "subject", "problem", "remedy"}},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    std::vector<const char*> arguments = c.arguments;
    arguments.push_back("--json");
    const Ran ran = run(arguments);
    INFO(ran.out);
    JsonReader reader;
    std::vector<std::string> fields;
    bool first = true;
    reader.parse(ran.out).for_each([&](JsonValue object) {
      if (!std::exchange(first, false)) return;
      object.for_each_member([&](std::string_view name, JsonValue) { fields.emplace_back(name); });
    });
    REQUIRE(reader.finish());
    CHECK(fields == c.fields);
  }
}

TEST_CASE("a replay as JSON tells the same as its text", "[app][cli]") {
  const Ran text = run({"replay", kTape});
  const Ran json = run({"replay", kTape, "--json"});
  REQUIRE(text.exit_code == 0);
  REQUIRE(json.exit_code == 0);
  std::size_t gone = 0, changes = 0;
  JsonReader reader;
  reader.parse(json.out).for_each([&](JsonValue change) {
    ++changes;
    const auto value = change["value"].string();
    if (!value) ++gone;
    const std::string end =
        " " + std::string(*change["series"].string()) + " " + std::string(value.value_or("gone"));
    CHECK_THAT(text.out, Catch::Contains(end + "\n"));
  });
  REQUIRE(reader.finish());
  CHECK(changes == static_cast<std::size_t>(std::count(text.out.begin(), text.out.end(), '\n')));
  CHECK(gone > 0);
}

TEST_CASE("wrong usage is exit code 2, a failure 1", "[app][cli]") {
  CHECK(run({"replay", "/nonexistent.tape"}).exit_code == 1);
  CHECK(run({"describe", "everything"}).exit_code == 2);
  CHECK(run({"describe", "metrics"}).exit_code == 0);
}

}  // namespace keelwatch::app
