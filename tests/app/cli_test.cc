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
  std::string err;
};

// A stream of this process goes to a file meanwhile.
class Redirected {
 public:
  Redirected(int descriptor, std::FILE* stream, std::FILE* to)
      : descriptor_(descriptor), stream_(stream), file_(to) {
    REQUIRE(file_ != nullptr);
    std::fflush(stream_);
    before_ = ::dup(descriptor_);
    ::dup2(::fileno(file_), descriptor_);
  }
  std::string end() {
    std::fflush(stream_);
    ::dup2(before_, descriptor_);
    ::close(before_);
    std::rewind(file_);
    std::string text;
    for (int c = 0; (c = std::fgetc(file_)) != EOF;) text += static_cast<char>(c);
    std::fclose(file_);
    return text;
  }

 private:
  int descriptor_;
  std::FILE* stream_;
  std::FILE* file_;
  int before_ = -1;
};

// The command line in this process; stdout may be another file.
Ran run(std::vector<const char*> arguments, const char* stdout_to = nullptr) {
  arguments.insert(arguments.begin(), "keelwatch");
  Redirected out(STDOUT_FILENO, stdout,
                 stdout_to != nullptr ? std::fopen(stdout_to, "w") : std::tmpfile());
  Redirected err(STDERR_FILENO, stderr, std::tmpfile());
  Ran ran;
  ran.exit_code = run_command_line(static_cast<int>(arguments.size()), arguments.data());
  ran.out = out.end();
  ran.err = err.end();
  return ran;
}

// A file with this text for the life of the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view text) {
    const int descriptor = ::mkstemp(path_);
    REQUIRE(descriptor >= 0);
    REQUIRE(::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    ::close(descriptor);
  }
  ~TemporaryFile() { ::unlink(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const char* path() const { return path_; }

 private:
  char path_[32] = "/tmp/keelwatch-cli-XXXXXX";
};

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

TEST_CASE("output that cannot be written is exit code 1, small or large", "[app][cli]") {
  const TemporaryFile script("eval instant at 0 1 + 1\n  2\n");
  const TemporaryFile config("{}\n");
  const std::vector<std::vector<const char*>> commands = {
      {"describe", "metrics"},
      {"describe", "rules", "--json"},
      {"replay", kTape},
      {"check", "config", kTape},
      {"test", "promql", script.path()},
      {"test", "promql", script.path(), "--json"},
      {"--version"},
      {"query", "--help"},
  };
  for (const auto& command : commands) {
    INFO(command[0] << ' ' << command.back());
    const Ran ran = run(command, "/dev/full");
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err, Catch::Contains("keelwatch: cannot write to stdout"));
  }
  const Ran record = run({"record", "--duration", "1ms", "--out", "/dev/full"});
  CHECK(record.exit_code == 1);
  CHECK_THAT(record.err, Catch::Contains("keelwatch: cannot write the tape: No space left"));
}

TEST_CASE("wrong words on the command line say what to write instead", "[app][cli]") {
  struct Case {
    const char* name;
    std::vector<const char*> arguments;
    int exit_code;
    const char* err;
  };
  const Case cases[] = {
      {"a server without a scheme",
       {"query", "--server", "localhost:18999", "up"},
       2,
       "keelwatch: --server localhost:18999: not an address, write http://localhost:18999 "
       "(invalid)\n"},
      {"the same for explain",
       {"explain", "--server", "localhost:18999", "up"},
       2,
       "write http://localhost:18999 (invalid)\n"},
      {"no time at all", {"query", "--timeout", "0", "up"}, 2, "0 is not above 0"},
      {"an expression that looks like an option",
       {"query", "-up"},
       2,
       "keelwatch query -- '-up'\n"},
      {"a missing password",
       {"query", "--user", "u", "--password-file", "/nonexistent", "up"},
       1,
       "keelwatch: --password-file: /nonexistent: No such file or directory (not_found)\n"},
      {"a configuration that is not there",
       {"check", "config", "/nonexistent"},
       1,
       "keelwatch: /nonexistent: No such file or directory (not_found)\n"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const Ran ran = run(c.arguments);
    CHECK(ran.exit_code == c.exit_code);
    CHECK(ran.out == "");
    if (c.exit_code == 1) CHECK(ran.err == c.err);
    CHECK_THAT(ran.err, Catch::Contains(c.err));
  }
}

TEST_CASE("scripts that cannot be run are told on stderr, the others on stdout", "[app][cli]") {
  const TemporaryFile good("eval instant at 0 1 + 1\n  2\n");
  const TemporaryFile bad("evil instant at 0 1\n");
  const Ran ran = run({"test", "promql", good.path(), "/nonexistent.test", bad.path()});
  CHECK(ran.exit_code == 1);
  CHECK(ran.out == std::string(good.path()) + ": 1 passed, 0 failed, 0 unsupported\n");
  CHECK_THAT(ran.err, Catch::StartsWith("/nonexistent.test: No such file or directory\n"));
  CHECK_THAT(ran.err, Catch::Contains(std::string(bad.path()) + ":1:1: "));
}

}  // namespace keelwatch::app
