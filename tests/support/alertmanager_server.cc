#include "tests/support/alertmanager_server.h"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "base/event_loop.h"
#include "base/http_client.h"
#include "base/resolver.h"
#include "tests/support/scripted_server.h"
#include "tests/support/spawn.h"

namespace keelwatch::testing {

AlertmanagerServer::AlertmanagerServer(const std::string& config, const std::string& program)
    : program_(program), port_(unused_port()) {
  std::string pattern = std::filesystem::temp_directory_path() / "keelwatch-alertmanager.XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
  directory_ = pattern;
  std::ofstream(directory_ + "/alertmanager.yml") << config;
  start();
}

AlertmanagerServer::~AlertmanagerServer() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void AlertmanagerServer::start() {
  pid_ = spawn({program_, "--config.file=" + directory_ + "/alertmanager.yml",
                "--storage.path=" + directory_ + "/data", "--cluster.listen-address=",
                "--web.listen-address=127.0.0.1:" + std::to_string(port_)},
               directory_ + "/log");
  try {
    wait_ready();
  } catch (...) {
    kill();
    throw;
  }
}

void AlertmanagerServer::kill() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void AlertmanagerServer::wait_ready() {
  using namespace std::chrono_literals;
  const auto give_up = std::chrono::steady_clock::now() + 60s;
  EventLoop loop;
  Resolver resolver(loop);
  HttpClient http(loop, resolver);
  for (;;) {
    HttpRequest request;
    request.url = url() + "/-/ready";
    request.deadline = loop.after(5s);
    const auto response = loop.block_on(http.fetch(std::move(request)));
    if (response && response->status == 200) return;
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = 0;
    if (pid_ == 0 || std::chrono::steady_clock::now() > give_up) {
      throw std::runtime_error("Alertmanager did not start:\n" + log());
    }
    std::this_thread::sleep_for(10ms);
  }
}

std::string AlertmanagerServer::log() const {
  std::ifstream file(directory_ + "/log");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace keelwatch::testing
