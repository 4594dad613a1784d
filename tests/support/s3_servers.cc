#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <thread>

#include "tests/contract/s3_server.h"
#include "tests/standins/s3_store.h"
#include "tests/support/raw_http.h"
#include "tests/support/scripted_server.h"
#include "tests/support/spawn.h"

namespace keelwatch::testing {

namespace {

using namespace std::chrono_literals;

class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "keelwatch-s3-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class StandIn final : public S3Server {
 public:
  std::string name() const override { return "stand-in"; }
  std::string url() const override { return store_.url(); }
  std::string root() const override { return folder_.path(); }
  std::string access_key() const override { return standins::S3Account().access_key; }
  std::string secret_key() const override { return standins::S3Account().secret_key; }

 private:
  static standins::S3Store::Options at(const std::string& root) {
    standins::S3Store::Options options;
    options.root = root;
    return options;
  }

  Folder folder_;
  standins::S3Store store_{at(folder_.path())};
};

// The path of the built program; nothing if it cannot be built here, which has been said then.
std::optional<std::string> versitygw_program() {
  const std::string command = KEELWATCH_SOURCE_DIR "/tests/peers/build versitygw";
  FILE* output = popen(command.c_str(), "r");
  if (output == nullptr) return std::nullopt;
  std::array<char, 4096> line{};
  const bool read = std::fgets(line.data(), line.size(), output) != nullptr;
  if (pclose(output) != 0 || !read) return std::nullopt;
  std::string path(line.data());
  path.erase(path.find_last_not_of('\n') + 1);
  return path;
}

class Versitygw final : public S3Server {
 public:
  explicit Versitygw(const std::string& program) : port_(unused_port()) {
    for (const char* name : {"/root", "/side"}) {
      std::filesystem::create_directories(folder_.path() + name);
    }
    // Metadata in files beside: not every file system has extended attributes.
    pid_ = spawn({"setpriv", "--pdeathsig", "KILL", program, "--access", access_key(), "--secret",
                  secret_key(), "--port", "127.0.0.1:" + std::to_string(port_), "posix",
                  "--sidecar", folder_.path() + "/side", root()},
                 folder_.path() + "/log");
    for (int i = 0; i < 200; ++i) {
      try {
        static_cast<void>(raw_get({url(), "", ""}, "/"));
        return;
      } catch (const RawHttpError&) {
        std::this_thread::sleep_for(50ms);
      }
    }
    stop();
    throw std::runtime_error("versitygw does not answer");
  }
  ~Versitygw() override { stop(); }

  std::string name() const override { return "versitygw"; }
  std::string url() const override { return "http://127.0.0.1:" + std::to_string(port_); }
  std::string root() const override { return folder_.path() + "/root"; }
  std::string access_key() const override { return "AKIDCONTRACT"; }
  std::string secret_key() const override { return "contract-secret-key"; }

 private:
  void stop() const {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  Folder folder_;
  int port_;
  pid_t pid_ = -1;
};

}  // namespace

std::vector<std::string> s3_server_names() {
  std::vector<std::string> names{"stand-in"};
  const char* peers = std::getenv("KEELWATCH_PEERS");
  if (peers == nullptr || std::string_view(peers) != "1") return names;
  static const bool there = versitygw_program().has_value();
  if (there) names.emplace_back("versitygw");
  return names;
}

std::unique_ptr<S3Server> start_s3_server(const std::string& name) {
  if (name == "stand-in") return std::make_unique<StandIn>();
  if (name == "versitygw") {
    static const std::optional<std::string> program = versitygw_program();
    if (program) return std::make_unique<Versitygw>(*program);
  }
  throw std::runtime_error("no such server: " + name);
}

}  // namespace keelwatch::testing
