#include "tests/support/keelwatch_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/support/spawn.h"

namespace keelwatch::testing {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

std::string read_all(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The port after "address=127.0.0.1:" in the log; 0 while it is not there.
int port_in(const std::string& log) {
  const std::string mark = "msg=listening address=127.0.0.1:";
  const std::size_t at = log.find(mark);
  return at == log.npos ? 0 : std::atoi(log.c_str() + at + mark.size());
}

}  // namespace

KeelwatchProcess::KeelwatchProcess(const std::string& config, std::vector<std::string> arguments) {
  std::string pattern = std::filesystem::temp_directory_path() / "keelwatch-test.XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
  directory_ = pattern;
  std::ofstream(config_file()) << config;
  arguments_ = {KEELWATCH_BINARY_DIR "/keelwatch", "--config.file", config_file(),
                "--web.listen-address", "127.0.0.1:0"};
  arguments_.insert(arguments_.end(), arguments.begin(), arguments.end());
  start();
}

void KeelwatchProcess::start() {
  const std::size_t before = log().size();
  pid_ = spawn(arguments_, directory_ + "/log");
  const auto give_up = steady_clock::now() + 20s;
  while ((port_ = port_in(log().substr(before))) == 0) {
    if (wait_exit(0s) || steady_clock::now() > give_up) {
      throw std::runtime_error("keelwatch did not start:\n" + log());
    }
    std::this_thread::sleep_for(5ms);
  }
}

void KeelwatchProcess::kill_and_restart() {
  kill(pid_, SIGKILL);
  (void)wait_exit(5s);
  start();
}

KeelwatchProcess::~KeelwatchProcess() {
  if (pid_ != 0) {
    kill(pid_, SIGCONT);
    kill(pid_, SIGTERM);
    if (!wait_exit(12s)) {
      kill(pid_, SIGKILL);
      (void)wait_exit(5s);
    }
  }
  std::filesystem::remove_all(directory_);
}

std::string KeelwatchProcess::log() const { return read_all(directory_ + "/log"); }

RawResponse KeelwatchProcess::get(const std::string& path) const {
  return RawHttp({"http://127.0.0.1:" + std::to_string(port_), "", ""}).request("GET", path);
}

RawResponse KeelwatchProcess::post(const std::string& path) const {
  return RawHttp({"http://127.0.0.1:" + std::to_string(port_), "", ""}).request("POST", path);
}

std::optional<double> value_on(const std::string& page, const std::string& series) {
  const std::string line = "\n" + series + " ";
  const std::size_t at = page.find(line);
  if (at == page.npos) return std::nullopt;
  return std::strtod(page.c_str() + at + line.size(), nullptr);
}

std::optional<double> KeelwatchProcess::value(const std::string& series) const {
  return value_on(metrics(), series);
}

std::optional<Duration> KeelwatchProcess::wait_for(const std::string& series,
                                                   std::optional<double> wanted,
                                                   Duration limit) const {
  const auto start = steady_clock::now();
  while (value(series) != wanted) {
    if (steady_clock::now() - start > limit) return std::nullopt;
    std::this_thread::sleep_for(5ms);
  }
  return steady_clock::now() - start;
}

void KeelwatchProcess::signal(int number) const { kill(pid_, number); }

std::optional<int> KeelwatchProcess::wait_exit(Duration limit) {
  const auto give_up = steady_clock::now() + limit;
  for (;;) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = 0;
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    if (steady_clock::now() >= give_up) return std::nullopt;
    std::this_thread::sleep_for(5ms);
  }
}

}  // namespace keelwatch::testing
