#include "tests/bench/common/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <spawn.h>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>

extern char** environ;

namespace keelwatch::bench {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

// "Rss:       1234 kB" of a file in /proc.
double kilobytes(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    double value = 0;
    if (word == name && file >> value) return value;
  }
  fail("no " + name + " in " + path);
}

}  // namespace

Process::Process(std::vector<std::string> command, std::vector<std::string> environment) {
  command.insert(command.begin(), {"setpriv", "--pdeathsig", "KILL"});
  std::vector<char*> argv, envp;
  for (std::string& a : command) argv.push_back(a.data());
  for (std::string& e : environment) envp.push_back(e.data());
  for (char** e = environ; *e != nullptr; ++e) envp.push_back(*e);
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) fail("pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  const int error = posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  out_ = pipe[0];
  if (error != 0) fail("cannot run " + command[3] + ": " + std::strerror(error));
}

Process::~Process() {
  ::close(out_);
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::string Process::first_line() {
  std::string line;
  for (char c = 0; ::read(out_, &c, 1) == 1;) {
    if (c == '\n') return line;
    line += c;
  }
  fail("a server ended before it served");
}

double cpu_ms(pid_t pid) {
  clockid_t clock{};
  timespec time{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) {
    fail("no CPU clock of process " + std::to_string(pid));
  }
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

Memory memory_of(pid_t pid) {
  const std::string proc = "/proc/" + std::to_string(pid);
  return {.rss_mb = kilobytes(proc + "/smaps_rollup", "Rss:") / 1e3,
          .peak_mb = kilobytes(proc + "/status", "VmHWM:") / 1e3,
          .private_dirty_mb = kilobytes(proc + "/smaps_rollup", "Private_Dirty:") / 1e3};
}

int free_port() {
  const int s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = ::bind(s, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
                     ::getsockname(s, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(s);
  if (!bound) fail("no free port");
  return ntohs(address.sin_port);
}

}  // namespace keelwatch::bench
