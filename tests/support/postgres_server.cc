#include "tests/support/postgres_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace keelwatch::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error("postgres: " + what); }

bool is_root() { return geteuid() == 0; }

// argv in front of a command, so that it runs as an account that PostgreSQL accepts, and dies with
// us where it must.
std::vector<std::string> as_postgres(bool dies_with_us) {
  std::vector<std::string> wrapper = {"setpriv"};
  if (is_root()) {
    wrapper.insert(wrapper.end(), {"--reuid=postgres", "--regid=postgres", "--init-groups"});
  }
  if (dies_with_us) wrapper.insert(wrapper.end(), {"--pdeathsig", "QUIT"});
  return wrapper.size() > 1 ? wrapper : std::vector<std::string>{};
}

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();  // which, unlike an iterator, does not throw when a process ends meanwhile
  return text.str();
}

// New files belong to the account that PostgreSQL runs as.
void write_owned_file(const std::string& path, const std::string& text, mode_t mode = 0600) {
  std::ofstream(path) << text;
  if (chmod(path.c_str(), mode) != 0) fail("chmod " + path);
  if (is_root()) {
    const passwd* account = getpwnam("postgres");
    if (!account || chown(path.c_str(), account->pw_uid, account->pw_gid) != 0) {
      fail("chown " + path);
    }
  }
}

pid_t spawn(std::vector<std::string> argv, const std::string& in, const std::string& out) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, in.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  std::vector<char*> args;
  for (std::string& arg : argv) args.push_back(arg.data());
  args.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, args[0], &actions, nullptr, args.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) fail("cannot run " + argv[0] + ": " + std::strerror(error));
  return pid;
}

// Waits for a child without stealing CPU; true if it has ended and was reaped.
bool wait_for_exit(pid_t pid, Duration limit, int* status = nullptr) {
  // By number: glibc 2.36 declares pidfd_open without extern "C".
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) fail("pidfd_open");
  pollfd poller{fd, POLLIN, 0};
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(limit).count();
  const bool ended = poll(&poller, 1, static_cast<int>(ms)) > 0;
  close(fd);
  return ended && waitpid(pid, status, 0) == pid;
}

void run(std::vector<std::string> argv, const std::string& log,
         const std::string& in = "/dev/null") {
  const std::string name = argv[0];
  int status = 0;
  const pid_t pid = spawn(std::move(argv), in, log);
  if (!wait_for_exit(pid, 120s, &status)) {
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
  }
  if (status != 0) fail(name + " failed:\n" + read_file(log));
}

template <typename... Args>
std::vector<std::string> command_as_postgres(Args... args) {
  std::vector<std::string> argv = as_postgres(false);
  (argv.emplace_back(args), ...);
  return argv;
}

std::string make_temp_directory(const std::string& prefix) {
  std::string path = "/tmp/" + prefix + "XXXXXX";
  if (!mkdtemp(path.data())) fail("mkdtemp " + path);
  if (is_root()) {
    const passwd* account = getpwnam("postgres");
    if (!account) fail("no account postgres");
    if (chown(path.c_str(), account->pw_uid, account->pw_gid) != 0) fail("chown " + path);
  }
  return path;
}

void init_database(const std::string& bin, const std::string& directory) {
  const std::string data = directory + "/data";
  const std::string log = directory + "/initdb.log";
  run(command_as_postgres(bin + "/initdb", "--no-sync", "--username=postgres", "--auth=trust",
                          "--encoding=UTF8", "--locale=C", "--pgdata", data),
      log);
  write_owned_file(data + "/pg_hba.conf",
                   "local all all trust\n"
                   "host replication postgres 127.0.0.1/32 trust\n"
                   "host all postgres 127.0.0.1/32 trust\n"
                   "host all all 127.0.0.1/32 scram-sha-256\n");
  // PostgreSQL's single-user mode: one statement per line, no server needed.
  const std::string script = directory + "/roles.sql";
  write_owned_file(script, std::string("create role keelwatch login password '") +
                               PostgresServer::kPassword +
                               "'\n"
                               "grant pg_monitor to keelwatch\n");
  run(command_as_postgres(bin + "/postgres", "--single", "-D", data, "-c", "fsync=off", "-c",
                          "password_encryption=scram-sha-256", "postgres"),
      log, script);
}

// Makes /tmp/keelwatch-postgres-template-… once per server build; several tests may race for it.
std::string template_directory(const std::string& bin) {
  std::error_code error;
  const auto built = fs::last_write_time(bin + "/postgres", error);
  if (error) fail("no server in " + bin);
  // Not by its path: copies of one build share the template.
  const std::string build = std::to_string(built.time_since_epoch().count()) + "/" +
                            std::to_string(fs::file_size(bin + "/postgres")) + "/" +
                            std::to_string(geteuid());
  const std::size_t key = std::hash<std::string>()(build);
  const std::string path = "/tmp/keelwatch-postgres-template-" + std::to_string(key);
  const uid_t owner = is_root() ? getpwnam("postgres")->pw_uid : geteuid();
  struct stat info{};
  if (lstat(path.c_str(), &info) == 0) {
    if (!S_ISDIR(info.st_mode) || info.st_uid != owner) fail(path + " is not ours");
    return path;
  }
  const std::string made = make_temp_directory("keelwatch-postgres-making-");
  init_database(bin, made);
  fs::rename(made, path, error);
  if (error) fs::remove_all(made);  // another test was faster
  return path;
}

int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool ok = bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(fd);
  if (!ok) fail("no free port");
  return ntohs(address.sin_port);
}

// Parent and state of a process, from /proc/PID/stat: "pid (name) state ppid ...".
struct ProcessState {
  pid_t parent = 0;
  char state = 'X';
};
ProcessState process_state(pid_t pid) {
  const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  const auto name_end = stat.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream rest(stat.substr(name_end + 1));
  ProcessState result;
  rest >> result.state >> result.parent;
  return result;
}

// PostgreSQL's children are in sessions of their own: only their parent tells whose they are.
std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (!std::ranges::all_of(name, [](unsigned char c) { return std::isdigit(c); })) continue;
    const auto pid = static_cast<pid_t>(std::stol(name));
    if (process_state(pid).parent == parent) children.push_back(pid);
  }
  return children;
}

Task<PgResult<std::string>> run_sql(EventLoop& loop, Resolver& resolver, PgTarget target,
                                    std::string statement) {
  PgResult<std::unique_ptr<PgConnection>> conn =
      co_await PgConnection::connect(loop, resolver, std::move(target), loop.after(10s));
  if (!conn) co_return conn.failure();
  const PgResult<PgRows> result = co_await (*conn)->query(std::move(statement), loop.after(60s));
  if (!result) co_return result.failure();
  std::string text;
  for (std::size_t row = 0; row < result->rows(); ++row) {
    if (row > 0) text += '\n';
    for (std::size_t column = 0; column < result->columns(); ++column) {
      if (column > 0) text += '|';
      text += result->get(row, column).value_or("");
    }
  }
  co_return text;
}

PgResult<std::string> block_on_sql(PgTarget target, const std::string& statement) {
  EventLoop loop;
  Resolver resolver(loop);
  return loop.block_on(run_sql(loop, resolver, std::move(target), statement));
}

std::string slot_name(const std::string& pod) {
  std::string slot = "_cnpg_" + pod;
  for (char& c : slot) {
    const auto byte = static_cast<unsigned char>(c);
    c = std::isalnum(byte) ? static_cast<char>(std::tolower(byte)) : '_';
  }
  return slot;
}

}  // namespace

PostgresServer::PostgresServer(PostgresOptions options) : options_(std::move(options)) {
  make_directory();
  if (options_.fresh) {
    init_database(options_.bin, directory_);
  } else {
    run({"cp", "-a", template_directory(options_.bin) + "/data", data_directory()},
        directory_ + "/copy.log");
  }
  start();
}

PostgresServer::PostgresServer(FromBackup, PostgresOptions options) : options_(std::move(options)) {
  make_directory();
}

PostgresServer::~PostgresServer() {
  if (postmaster_ != 0) {
    const std::vector<pid_t> children = children_of(postmaster_);
    kill(postmaster_, SIGQUIT);
    if (frozen_) thaw();
    if (!wait_for_exit(postmaster_, 5s)) {
      kill(postmaster_, SIGKILL);
      waitpid(postmaster_, nullptr, 0);
    }
    children_.insert(children_.end(), children.begin(), children.end());
  }
  remove_leftovers();
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

void PostgresServer::make_directory() {
  directory_ = make_temp_directory("keelwatch-postgres-");
  port_ = free_port();
  if (options_.certificate_pem.empty()) return;
  write_owned_file(directory_ + "/server.crt", options_.certificate_pem);
  write_owned_file(directory_ + "/server.key", options_.key_pem);
}

// Children outlive a killed postmaster by a moment, and hold its shared memory and data folder.
void PostgresServer::remove_leftovers() {
  const auto gone = [](pid_t pid) {
    const char state = process_state(pid).state;
    return state == 'X' || state == 'Z';
  };
  const auto deadline = std::chrono::steady_clock::now() + 5s;
  while (!std::ranges::all_of(children_, gone) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(2ms);
  }
  for (const pid_t pid : children_) {
    if (!gone(pid)) kill(pid, SIGKILL);
  }
  children_.clear();
}

void PostgresServer::launch() {
  std::vector<std::string> argv = as_postgres(true);
  argv.insert(argv.end(),
              {options_.bin + "/postgres", "-D", data_directory(), "-p", std::to_string(port_),
               "-k", directory_, "-c", "listen_addresses=127.0.0.1"});
  std::vector<std::string> settings = {
      "fsync=off",      "shared_buffers=16MB", "max_connections=30",   "wal_level=replica",
      "hot_standby=on", "wal_keep_size=64MB",  "logging_collector=off"};
  if (!options_.certificate_pem.empty()) {
    settings.insert(settings.end(), {"ssl=on", "ssl_cert_file=" + directory_ + "/server.crt",
                                     "ssl_key_file=" + directory_ + "/server.key"});
  }
  settings.insert(settings.end(), options_.settings.begin(), options_.settings.end());
  for (const std::string& setting : settings) {
    argv.emplace_back("-c");
    argv.push_back(setting);
  }
  postmaster_ = spawn(std::move(argv), "/dev/null", directory_ + "/server.log");
}

void PostgresServer::start() {
  if (postmaster_ != 0) fail("is running already");
  remove_leftovers();
  launch();
  wait_accepting();
}

void PostgresServer::wait_accepting() {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  PgTarget target = this->target();
  target.host = directory_;
  target.user = "postgres";
  for (;;) {
    const PgResult<std::string> answer = block_on_sql(target, "select 1");
    if (answer) return;
    if (wait_for_exit(postmaster_, 5ms)) {
      postmaster_ = 0;
      fail("ended at its start:\n" + log());
    }
    if (std::chrono::steady_clock::now() > deadline) {
      fail("does not accept: " + answer.failure().error.message() + "\n" + log());
    }
  }
}

void PostgresServer::request_stop(StopMode mode) {
  if (postmaster_ == 0) fail("is not running");
  switch (mode) {  // pg_ctl's signals
    case StopMode::kSmart:
      kill(postmaster_, SIGTERM);
      break;
    case StopMode::kFast:
      kill(postmaster_, SIGINT);
      break;
    case StopMode::kImmediate:
      kill(postmaster_, SIGQUIT);
      break;
  }
}

bool PostgresServer::wait_stopped(Duration limit) {
  if (postmaster_ == 0) return true;
  if (!wait_for_exit(postmaster_, limit)) return false;
  postmaster_ = 0;
  return true;
}

void PostgresServer::stop(StopMode mode, Duration limit) {
  request_stop(mode);
  if (!wait_stopped(limit)) fail("does not stop:\n" + log());
}

void PostgresServer::kill9() {
  if (postmaster_ == 0) fail("is not running");
  children_ = children_of(postmaster_);
  kill(postmaster_, SIGKILL);
  waitpid(postmaster_, nullptr, 0);
  postmaster_ = 0;
  frozen_ = false;
}

void PostgresServer::freeze() {
  kill(postmaster_, SIGSTOP);
  for (const pid_t child : children_of(postmaster_)) kill(child, SIGSTOP);
  frozen_ = true;
}

void PostgresServer::thaw() {
  for (const pid_t child : children_of(postmaster_)) kill(child, SIGCONT);
  kill(postmaster_, SIGCONT);
  frozen_ = false;
}

void PostgresServer::promote() { sql("select pg_promote()"); }

std::string PostgresServer::sql(const std::string& statement) {
  PgTarget superuser = target();
  superuser.host = directory_;
  superuser.user = "postgres";
  superuser.statement_timeout = 60s;
  PgResult<std::string> result = block_on_sql(std::move(superuser), statement);
  if (!result) fail(statement + ": " + result.failure().error.message());
  return *std::move(result);
}

PgTarget PostgresServer::target() const {
  PgTarget target;
  target.host = "127.0.0.1";
  target.port = port_;
  target.user = "keelwatch";
  target.password = Secret(kPassword);
  target.sslmode = "disable";
  return target;
}

std::string PostgresServer::log() const { return read_file(directory_ + "/server.log"); }

namespace {

// A low-level base backup; it lasts as long as its session.
Task<PgResult<std::string>> copy_in_backup(EventLoop& loop, Resolver& resolver, PgTarget target,
                                           std::string from, std::string to, std::string log) {
  PgResult<std::unique_ptr<PgConnection>> conn =
      co_await PgConnection::connect(loop, resolver, std::move(target), loop.after(10s));
  if (!conn) co_return conn.failure();
  const bool renamed = (*conn)->server_version() >= 150000;
  const PgResult<PgRows> started =
      co_await (*conn)->query(renamed ? "select pg_backup_start('keelwatch', true)"
                                      : "select pg_start_backup('keelwatch', true, false)",
                              loop.after(60s));
  if (!started) co_return started.failure();
  run({"cp", "-a", from, to}, log);
  const PgResult<PgRows> label =
      co_await (*conn)->query(renamed ? "select labelfile from pg_backup_stop(false)"
                                      : "select labelfile from pg_stop_backup(false, false)",
                              loop.after(60s));
  if (!label) co_return label.failure();
  co_return std::string(label->get(0, 0).value_or(""));
}

}  // namespace

std::unique_ptr<PostgresServer> PostgresServer::make_standby(const std::string& name) {
  std::unique_ptr<PostgresServer> standby(new PostgresServer(FromBackup{}, options_));
  // The slot keeps the WAL since the backup's start: none has to be copied.
  const std::string slot = slot_name(name);
  sql("select pg_create_physical_replication_slot('" + slot + "', true)");
  PgTarget superuser = target();
  superuser.host = directory_;
  superuser.user = "postgres";
  superuser.statement_timeout = Duration::zero();
  EventLoop loop;
  Resolver resolver(loop);
  const std::string data = standby->data_directory();
  const PgResult<std::string> label =
      loop.block_on(copy_in_backup(loop, resolver, std::move(superuser), data_directory(), data,
                                   standby->directory_ + "/copy.log"));
  if (!label) fail("base backup: " + label.failure().error.message());
  for (const char* part : {"/postmaster.pid", "/postmaster.opts"}) fs::remove(data + part);
  for (const char* part : {"/pg_wal", "/pg_replslot"}) {
    for (const auto& entry : fs::directory_iterator(data + part)) fs::remove_all(entry.path());
  }
  write_owned_file(data + "/backup_label", *label);
  write_owned_file(data + "/standby.signal", "");
  write_owned_file(data + "/postgresql.auto.conf",
                   "primary_conninfo = 'host=127.0.0.1 port=" + std::to_string(port_) +
                       " user=postgres sslmode=prefer application_name=" + name +
                       "'\n"
                       "primary_slot_name = '" +
                       slot + "'\nrecovery_target_timeline = 'latest'\n");
  standby->start();
  return standby;
}

}  // namespace keelwatch::testing
