#include "tests/standins/program.h"

#include <signal.h>

#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>

namespace keelwatch::standins {

namespace {

void parse(const Program& program, int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (const auto flag = program.flags.find(name); flag != program.flags.end()) {
      flag->second();
      continue;
    }
    const auto option = program.options.find(name);
    if (option == program.options.end()) throw std::invalid_argument(name + ": unknown");
    if (++i == argc) throw std::invalid_argument(name + ": its value is missing");
    option->second(argv[i]);
  }
}

}  // namespace

int run_program(const Program& program, int argc, char** argv,
                const std::function<void(const std::function<void()>& wait)>& serve) {
  if (argc == 2 && std::string(argv[1]) == "--help") {
    std::cout << program.usage;
    return 0;
  }
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);  // before the servers' threads start
  signal(SIGPIPE, SIG_IGN);
  try {
    parse(program, argc, argv);
    serve([&stop] {
      int signal_number = 0;
      sigwait(&stop, &signal_number);
    });
    return 0;
  } catch (const std::invalid_argument& error) {
    std::cerr << program.name << ": " << error.what() << "\n" << program.usage;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << program.name << ": " << error.what() << "\n";
    return 1;
  }
}

std::string contents_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) throw std::runtime_error(path + ": cannot be read");
  return text.str();
}

Program::Take into(std::string& place) {
  return [&place](const std::string& value) { place = value; };
}

Program::Take into(std::uint16_t& place) {
  return [&place](const std::string& value) {
    const int number = std::stoi(value);
    if (number < 0 || number > 65535) throw std::invalid_argument(value + ": not a port");
    place = static_cast<std::uint16_t>(number);
  };
}

Program::Take contents_into(std::string& place) {
  return [&place](const std::string& path) { place = contents_of(path); };
}

}  // namespace keelwatch::standins
