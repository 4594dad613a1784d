// A stand-in as a program, for the lab and for scripts: options by name, "url=..." once it serves,
// and it runs until SIGTERM or SIGINT.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace keelwatch::standins {

struct Program {
  using Take = std::function<void(const std::string& value)>;

  std::string name;                                         // "standin-s3"
  std::string usage;                                        // for --help and wrong usage
  std::map<std::string, Take> options;                      // "--port": each has a value; may throw
  std::map<std::string, std::function<void()>> flags = {};  // without a value
};

// Parses, calls `serve` with a function that waits for the signal, and returns the exit code: 2 for
// std::invalid_argument (the usage follows on stderr), 1 for any other exception.
int run_program(const Program& program, int argc, char** argv,
                const std::function<void(const std::function<void()>& wait)>& serve);

// The whole file; throws when it cannot be read.
[[nodiscard]] std::string contents_of(const std::string& path);

// The setters of a string and of a port.
[[nodiscard]] Program::Take into(std::string& place);
[[nodiscard]] Program::Take into(std::uint16_t& place);
// The setter of a string to what the file holds.
[[nodiscard]] Program::Take contents_into(std::string& place);

}  // namespace keelwatch::standins
