#include "sources/kubernetes/exec_plugin.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/base64.h"
#include "base/json.h"
#include "base/time_text.h"

extern char** environ;

namespace keelwatch::sources {
namespace {

constexpr std::size_t kMaxOutput = std::size_t{1} << 20U;
constexpr const char* kInfoVariable = "KUBERNETES_EXEC_INFO";

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_ = -1;
};

struct Pipe {
  Descriptor read_end;
  Descriptor write_end;
};

std::optional<Pipe> make_pipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return std::nullopt;
  // Only our end: the plugin's must block.
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  return Pipe{Descriptor(fds[0]), Descriptor(fds[1])};
}

// A running plugin, in a process group of its own, which dies with this object.
class Child {
 public:
  Child(pid_t pid, Descriptor exit) : pid_(pid), exit_(std::move(exit)) {}
  Child(Child&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), exit_(std::move(other.exit_)) {}
  Child& operator=(Child&&) = delete;
  ~Child() {
    if (pid_ < 0) return;
    kill(-pid_, SIGKILL);
    (void)wait_status();
  }
  // Readable once it has ended.
  [[nodiscard]] int exit_descriptor() const { return exit_.get(); }
  // Only after that. Its own children, if it left any, are ended with it.
  [[nodiscard]] int take_status() {
    kill(-pid_, SIGKILL);
    const int status = wait_status();
    pid_ = -1;
    return status;
  }

 private:
  [[nodiscard]] int wait_status() const {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
  }
  pid_t pid_;
  Descriptor exit_;
};

// Environment of the plugin: ours, then the kubeconfig's, then the cluster.
std::vector<std::string> environment_of(const ExecPlugin& plugin, const ExecClusterInfo& cluster) {
  std::vector<std::pair<std::string, std::string>> own = plugin.env;
  own.emplace_back(kInfoVariable, exec_info(plugin, cluster));
  std::vector<std::string> out;
  for (char** variable = environ; *variable; ++variable) {
    const std::string_view text = *variable;
    const std::string_view name = text.substr(0, text.find('='));
    const bool replaced =
        std::any_of(own.begin(), own.end(), [&](const auto& o) { return o.first == name; });
    if (!replaced) out.emplace_back(text);
  }
  for (const auto& [name, value] : own) out.push_back(name + "=" + value);
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// posix_spawn's attributes and actions, undone at the end of the scope.
struct SpawnPlan {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;

  SpawnPlan(int out, int err) {
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_init(&actions);
    // The threads of this program block or ignore signals that the plugin must get.
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
};

Result<Child> start(const ExecPlugin& plugin, const ExecClusterInfo& cluster, const Pipe& out,
                    const Pipe& err) {
  std::vector<std::string> arguments = {plugin.command};
  arguments.insert(arguments.end(), plugin.args.begin(), plugin.args.end());
  std::vector<std::string> variables = environment_of(plugin, cluster);
  SpawnPlan plan(out.write_end.get(), err.write_end.get());
  pid_t pid = -1;
  const int problem = posix_spawnp(&pid, plugin.command.c_str(), &plan.actions, &plan.attributes,
                                   pointers(arguments).data(), pointers(variables).data());
  if (problem != 0) {
    std::string message = std::strerror(problem);
    if (!plugin.install_hint.empty()) message += "; " + plugin.install_hint;
    return Error(problem == ENOENT ? ErrorCode::kNotFound : ErrorCode::kInvalid,
                 std::move(message));
  }
  // glibc 2.36 declares pidfd_open() without C linkage.
  Child child(pid, Descriptor(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))));
  if (child.exit_descriptor() < 0) {
    return Error(ErrorCode::kUnsupported, "this kernel has no pidfd_open");
  }
  return child;
}

// Collects what comes until the other end closes; keeps at most kMaxOutput + 1 bytes of it.
Task<> drain(EventLoop& loop, int fd, std::string& into, SteadyTime deadline) {
  char buffer[4096];
  for (;;) {
    const Interest ready = co_await loop.wait_fd(fd, Interest::kRead, deadline);
    if (ready == Interest::kNone) co_return;
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) co_return;
    if (n > 0) {
      into.append(buffer, static_cast<std::size_t>(n));
      into.resize(std::min(into.size(), kMaxOutput + 1));
    }
  }
}

std::string last_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  const std::size_t from = text.rfind('\n');
  return std::string(text.substr(from == std::string_view::npos ? 0 : from + 1).substr(0, 300));
}

std::string how_it_ended(int status, std::string_view errors) {
  std::string text = WIFSIGNALED(status) ? fmt::format("killed by signal {}", WTERMSIG(status))
                                         : fmt::format("exit status {}", WEXITSTATUS(status));
  if (const std::string line = last_line(errors); !line.empty()) text += ": " + line;
  return text;
}

}  // namespace

Task<Result<ExecCredential>> run_exec_plugin(EventLoop& loop, ExecPlugin plugin,
                                             ExecClusterInfo cluster, SteadyTime deadline) {
  const std::string what = "exec plugin " + plugin.command;
  std::optional<Pipe> out = make_pipe();
  std::optional<Pipe> err = make_pipe();
  if (!out || !err) co_return Error(ErrorCode::kUnavailable, what + ": no descriptor left");
  std::string output;
  std::string errors;
  TaskScope readers;
  Result<Child> child = start(plugin, cluster, *out, *err);
  if (!child) co_return child.error().context(what);
  out->write_end = Descriptor();
  err->write_end = Descriptor();
  readers.spawn(drain(loop, err->read_end.get(), errors, deadline));
  readers.spawn(drain(loop, out->read_end.get(), output, deadline));
  const Interest ended = co_await loop.wait_fd(child->exit_descriptor(), Interest::kRead, deadline);
  if (ended == Interest::kNone) co_return Error(ErrorCode::kTimeout, what + ": no answer in time");
  const int status = child->take_status();
  // With its whole group gone the pipes are closed; what is still in them has to be read.
  while (readers.running() > 0) co_await loop.sleep_for(std::chrono::milliseconds(1));
  readers.rethrow_failure();
  if (status != 0) {
    std::string message = what + ": " + how_it_ended(status, errors);
    if (!plugin.install_hint.empty() && WIFEXITED(status) && WEXITSTATUS(status) == 127) {
      message += "; " + plugin.install_hint;
    }
    co_return Error(ErrorCode::kUnauthorized, std::move(message));
  }
  if (output.size() > kMaxOutput) co_return Error(ErrorCode::kTooLarge, what + ": prints too much");
  co_return parse_exec_credential(output, plugin.api_version).context(what);
}

Result<ExecCredential> parse_exec_credential(std::string_view output,
                                             std::string_view api_version) {
  JsonReader reader;
  const JsonValue root = reader.parse(output);
  const std::string kind(root["kind"].string().value_or(""));
  const std::string version(root["apiVersion"].string().value_or(""));
  const JsonValue status = root["status"];
  ExecCredential credential;
  credential.token = Secret(std::string(status["token"].string().value_or("")));
  credential.certificate_pem = status["clientCertificateData"].string().value_or("");
  credential.key_pem = Secret(std::string(status["clientKeyData"].string().value_or("")));
  const std::string expires(status["expirationTimestamp"].string().value_or(""));
  // The reader's complaint may quote a value: here that could be a secret.
  if (!reader.finish()) return Error(ErrorCode::kMalformed, "prints no ExecCredential");
  if (kind != "ExecCredential" || version != api_version) {
    return Error(ErrorCode::kMalformed,
                 fmt::format("prints kind \"{}\" of \"{}\", not ExecCredential of \"{}\"",
                             kind.substr(0, 64), version.substr(0, 64), api_version));
  }
  if (credential.token.empty() && credential.certificate_pem.empty()) {
    return Error(ErrorCode::kMalformed, "gives neither a token nor a client certificate");
  }
  if (credential.certificate_pem.empty() != credential.key_pem.empty()) {
    return Error(ErrorCode::kMalformed, "gives a client certificate without key, or the reverse");
  }
  if (!expires.empty()) {
    const auto time = parse_rfc3339(expires);
    if (!time) return Error(ErrorCode::kMalformed, "expirationTimestamp is not a time");
    credential.expires = *time;
  }
  return credential;
}

std::string exec_info(const ExecPlugin& plugin, const ExecClusterInfo& cluster) {
  JsonWriter out;
  out.begin_object().member("kind", "ExecCredential").member("apiVersion", plugin.api_version);
  out.key("spec").begin_object().member("interactive", false);
  if (plugin.provide_cluster_info) {
    out.key("cluster").begin_object().member("server", cluster.server);
    if (!cluster.tls_server_name.empty()) out.member("tls-server-name", cluster.tls_server_name);
    if (cluster.skip_tls_verify) out.member("insecure-skip-tls-verify", true);
    if (!cluster.ca_pem.empty()) {
      out.member("certificate-authority-data", base64_encode(cluster.ca_pem));
    }
    if (!cluster.proxy_url.empty()) out.member("proxy-url", cluster.proxy_url);
    out.end_object();
  }
  out.end_object().end_object();
  return out.take();
}

}  // namespace keelwatch::sources
