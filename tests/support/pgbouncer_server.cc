#include "tests/support/pgbouncer_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tests/support/spawn.h"

using namespace std::chrono_literals;

namespace keelwatch::testing {
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(fd, generic, size) != 0 || getsockname(fd, generic, &size) != 0) {
    throw std::runtime_error("no free port");
  }
  close(fd);
  return ntohs(address.sin_port);
}

bool accepts(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(port);
  const bool connected =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return connected;
}

}  // namespace

PgBouncerServer::PgBouncerServer(const PostgresServer& server, const std::string& settings) {
  directory_ = "/tmp/keelwatch-pgbouncer-XXXXXX";
  if (mkdtemp(directory_.data()) == nullptr) throw std::runtime_error("mkdtemp " + directory_);
  port_ = free_port();
  const std::string to = "host=127.0.0.1 port=" + std::to_string(server.port()) +
                         " dbname=postgres user=keelwatch password=" + PostgresServer::kPassword;
  std::ofstream(directory_ + "/pgbouncer.ini")
      << "[databases]\napp = " << to << " pool_size=1\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
      << "listen_port = " << port_ << "\nunix_socket_dir =\nauth_type = scram-sha-256\n"
      << "auth_file = " << directory_ << "/users.txt\nstats_users = keelwatch\n"
      << "admin_users = admin\npool_mode = session\nserver_login_retry = 1\n"
      << settings << '\n';
  std::ofstream users(directory_ + "/users.txt");
  for (const char* user : {"keelwatch", "admin", "app"}) {
    users << '"' << user << "\" \"" << kPassword << "\"\n";
  }
  users.close();
  std::ofstream(directory_ + "/log").close();
  const passwd* account = getuid() == 0 ? getpwnam("postgres") : nullptr;
  if (account != nullptr) {
    for (const std::string file : {"", "/pgbouncer.ini", "/users.txt", "/log"}) {
      if (chown((directory_ + file).c_str(), account->pw_uid, account->pw_gid) != 0) fail("chown");
    }
  }
  start();
}

PgBouncerServer::~PgBouncerServer() {
  if (pid_ != 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void PgBouncerServer::start() {
  std::vector<std::string> argv = {"setpriv", "--pdeathsig", "KILL"};
  if (getuid() == 0) {
    argv.insert(argv.end(), {"--reuid=postgres", "--regid=postgres", "--init-groups"});
  }
  argv.insert(argv.end(), {"/usr/sbin/pgbouncer", directory_ + "/pgbouncer.ini"});
  pid_ = spawn(argv, directory_ + "/log");
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!accepts(port_)) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = 0;
      fail("PgBouncer ended");
    }
    if (std::chrono::steady_clock::now() > deadline) fail("PgBouncer does not accept connections");
    std::this_thread::sleep_for(10ms);
  }
}

void PgBouncerServer::stop() {
  kill(pid_, SIGTERM);  // at once, in 1.18
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void PgBouncerServer::freeze() { kill(pid_, SIGSTOP); }
void PgBouncerServer::thaw() { kill(pid_, SIGCONT); }

void PgBouncerServer::command(const std::string& command) {
  const pid_t psql = spawn({"psql", "-X", "-At", "-c", command,
                            "host=127.0.0.1 port=" + std::to_string(port_) +
                                " dbname=pgbouncer user=admin password=" + kPassword},
                           directory_ + "/psql.log");
  int status = 0;
  waitpid(psql, &status, 0);
  if (status != 0) fail(command);
}

std::vector<std::string> PgBouncerServer::client(const std::string& statement) const {
  return {"psql",
          "-X",
          "-At",
          "-c",
          statement,
          "host=127.0.0.1 port=" + std::to_string(port_) +
              " dbname=app user=app password=" + kPassword};
}

PgTarget PgBouncerServer::console() const {
  PgTarget target;
  target.host = "127.0.0.1";
  target.port = port_;
  target.dbname = "pgbouncer";
  target.user = "keelwatch";
  target.password = Secret(kPassword);
  target.sslmode = "disable";
  target.statement_timeout = Duration::zero();
  return target;
}

void PgBouncerServer::fail(const std::string& what) const {
  std::ostringstream log;
  log << what << ":\n";
  for (const char* file : {"/log", "/psql.log"}) {
    const std::ifstream in(directory_ + file);
    if (in) log << in.rdbuf();
  }
  throw std::runtime_error(log.str());
}

}  // namespace keelwatch::testing
