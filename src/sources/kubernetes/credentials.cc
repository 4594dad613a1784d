#include "sources/kubernetes/credentials.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

#include "sources/kubernetes/exec_plugin.h"
#include "sources/kubernetes/kubeconfig.h"

namespace keelwatch::sources {
namespace {

// A token that ends this soon is got anew first.
constexpr Duration kExpiryMargin = std::chrono::seconds(10);
constexpr Duration kExecTimeout = std::chrono::seconds(30);
constexpr Duration kExecPause = std::chrono::seconds(10);  // after a failure

bool exists(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0;
}

// These files are small and local, and their content is what counts: they are read every time.
Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (file) {
    std::string text(std::istreambuf_iterator<char>(file), {});
    if (!file.bad()) return text;
  }
  const int problem = errno;
  return Error(problem == ENOENT ? ErrorCode::kNotFound : ErrorCode::kInvalid,
               fmt::format("{}: {}", path, std::strerror(problem)));
}

std::string without_trailing_space(std::string text) {
  text.erase(text.find_last_not_of(" \t\r\n") + 1);
  return text;
}

std::vector<std::string> split_paths(const std::string& paths) {
  std::vector<std::string> out;
  for (std::size_t from = 0; from <= paths.size();) {
    const std::size_t to = std::min(paths.find(':', from), paths.size());
    if (to > from) out.push_back(paths.substr(from, to - from));
    from = to + 1;
  }
  return out;
}

}  // namespace

ProcessEnvironment ProcessEnvironment::real() {
  return {[](const char* name) {
            const char* value = std::getenv(name);
            return std::string(value ? value : "");
          },
          "/var/run/secrets/kubernetes.io/serviceaccount"};
}

struct Credentials::Impl {
  Impl(SourceContext the_context, config::Kubernetes the_settings,
       ProcessEnvironment the_environment)
      : context(the_context),
        settings(std::move(the_settings)),
        environment(std::move(the_environment)),
        exec_done(context.loop) {}

  // The kubeconfig files to read; empty: the service account is to be used, if there is one.
  std::vector<std::string> kubeconfig_files() const {
    if (!settings.kubeconfig.empty()) return {settings.kubeconfig};
    std::vector<std::string> named = split_paths(environment.variable("KUBECONFIG"));
    if (!named.empty()) return named;
    if (in_cluster()) return {};
    const std::string home = environment.variable("HOME");
    if (!home.empty() && exists(home + "/.kube/config")) return {home + "/.kube/config"};
    return {};
  }
  bool in_cluster() const {
    return !environment.variable("KUBERNETES_SERVICE_HOST").empty() &&
           exists(environment.service_account_dir + "/token");
  }

  Result<ApiAccess> from_service_account();
  Result<std::shared_ptr<const Kubeconfig>> read_kubeconfig(const std::vector<std::string>& paths);
  Task<Result<ApiAccess>> from_kubeconfig(std::vector<std::string> paths, SteadyTime deadline);
  bool exec_credential_usable() const;
  void start_exec_plugin(const Kubeconfig& config, const std::string& ca_pem);
  Task<> run_exec(ExecPlugin plugin, ExecClusterInfo cluster, std::uint64_t generation);
  Task<Result<void>> add_exec_credential(std::shared_ptr<const Kubeconfig> config,
                                         ApiAccess& access, SteadyTime deadline);
  Result<std::string> read(const KubeconfigData& data);

  SourceContext context;
  config::Kubernetes settings;
  ProcessEnvironment environment;
  bool was_set_up = false;
  std::shared_ptr<const Kubeconfig> kubeconfig;
  std::vector<std::string> kubeconfig_texts;  // that `kubeconfig` was made of
  // One run of the exec plugin serves all who wait. It is a task of its own, because a caller with
  // a short deadline must not end it.
  std::optional<ExecCredential> exec_credential;
  std::optional<Error> exec_error;  // of the last run
  SteadyTime exec_ended;
  std::uint64_t exec_generation = 0;  // a run for an older kubeconfig is of no use
  bool exec_running = false;
  Signal exec_done;
  TaskScope exec_scope;
};

Credentials::Credentials(SourceContext context, config::Kubernetes settings,
                         ProcessEnvironment environment)
    : impl_(std::make_unique<Impl>(context, std::move(settings), std::move(environment))) {}
Credentials::~Credentials() = default;

bool Credentials::set_up() {
  if (!impl_->was_set_up) {
    impl_->was_set_up = impl_->in_cluster() || !impl_->kubeconfig_files().empty();
  }
  return impl_->was_set_up;
}

std::string Credentials::how_to_set_up() {
  return "there is neither a kubeconfig nor a service account: name a file in "
         "kubernetes.kubeconfig or $KUBECONFIG, or run as a Pod whose service account may get, "
         "list "
         "and watch what keelwatch reads";
}

void Credentials::refused() { impl_->exec_credential.reset(); }

Task<Result<ApiAccess>> Credentials::current(SteadyTime deadline) {
  std::vector<std::string> paths = impl_->kubeconfig_files();
  if (paths.empty()) co_return impl_->from_service_account();
  co_return co_await impl_->from_kubeconfig(std::move(paths), deadline);
}

Result<ApiAccess> Credentials::Impl::from_service_account() {
  const std::string host = environment.variable("KUBERNETES_SERVICE_HOST");
  if (host.empty()) return Error(ErrorCode::kNotFound, how_to_set_up());
  std::string port = environment.variable("KUBERNETES_SERVICE_PORT");
  if (port.empty()) port = "443";
  ApiAccess access;
  const bool v6 = host.find(':') != std::string::npos;
  access.server = "https://" + (v6 ? "[" + host + "]" : host) + ":" + port;
  Result<std::string> token = read_file(environment.service_account_dir + "/token");
  if (!token) return token.error().context("service account");
  Result<std::string> ca = read_file(environment.service_account_dir + "/ca.crt");
  if (!ca) return ca.error().context("service account");
  access.bearer_token = Secret(without_trailing_space(*std::move(token)));
  access.tls.ca_pem = *std::move(ca);
  return access;
}

// Parsed again only when the text of one of the files has changed.
Result<std::shared_ptr<const Kubeconfig>> Credentials::Impl::read_kubeconfig(
    const std::vector<std::string>& paths) {
  std::vector<SourceFile> sources;
  std::vector<std::string> texts;
  for (const std::string& path : paths) {
    Result<std::string> text = read_file(path);
    // As in kubectl, a file of the list that does not exist is left out, unless all of them are.
    if (!text && text.error().code() == ErrorCode::kNotFound && paths.size() > 1) continue;
    if (!text) return text.error().context("kubeconfig");
    texts.push_back(path + "\n" + *text);
    sources.emplace_back(path, *std::move(text), SourceFile::Text::kHidden);
  }
  if (sources.empty())
    return Error(ErrorCode::kNotFound, "none of the files of $KUBECONFIG exists");
  if (kubeconfig && texts == kubeconfig_texts) return kubeconfig;
  kubeconfig.reset();
  exec_credential.reset();
  exec_error.reset();
  ++exec_generation;
  Result<Kubeconfig> parsed = parse_kubeconfig(sources, settings.context);
  if (!parsed) return parsed.error();
  kubeconfig = std::make_shared<const Kubeconfig>(*std::move(parsed));
  kubeconfig_texts = std::move(texts);
  return kubeconfig;
}

Result<std::string> Credentials::Impl::read(const KubeconfigData& data) {
  if (data.file.empty()) return data.in_place.reveal();
  return read_file(data.file).context(data.where);
}

Task<Result<ApiAccess>> Credentials::Impl::from_kubeconfig(std::vector<std::string> paths,
                                                           SteadyTime deadline) {
  const Result<std::shared_ptr<const Kubeconfig>> parsed = read_kubeconfig(paths);
  if (!parsed) co_return parsed.error();
  const Kubeconfig& config = **parsed;
  ApiAccess access;
  access.server = config.server;
  access.proxy_url = config.proxy_url;
  access.tls.server_name = config.tls_server_name;
  access.tls.skip_verify = config.skip_tls_verify;
  Result<std::string> ca = read(config.ca);
  if (!ca) co_return ca.error();
  access.tls.ca_pem = *std::move(ca);
  Result<std::string> certificate = read(config.client_certificate);
  if (!certificate) co_return certificate.error();
  access.tls.certificate_pem = *std::move(certificate);
  Result<std::string> key = read(config.client_key);
  if (!key) co_return key.error();
  access.tls.key_pem = Secret(*std::move(key));
  Result<std::string> token = read(config.token);
  if (!token) co_return token.error();
  if (!token->empty()) access.bearer_token = Secret(without_trailing_space(*std::move(token)));
  if (!config.username.empty()) access.basic_auth.emplace(config.username, config.password);
  if (config.exec) {
    const Result<void> added = co_await add_exec_credential(*parsed, access, deadline);
    if (!added) co_return added.error();
  }
  co_return access;
}

bool Credentials::Impl::exec_credential_usable() const {
  return exec_credential && (!exec_credential->expires ||
                             *exec_credential->expires - kExpiryMargin > context.clock.wall());
}

void Credentials::Impl::start_exec_plugin(const Kubeconfig& config, const std::string& ca_pem) {
  exec_running = true;
  exec_scope.spawn(run_exec(
      *config.exec,
      {config.server, ca_pem, config.tls_server_name, config.proxy_url, config.skip_tls_verify},
      exec_generation));
}

Task<> Credentials::Impl::run_exec(ExecPlugin plugin, ExecClusterInfo cluster,
                                   std::uint64_t generation) {
  Result<ExecCredential> made = co_await run_exec_plugin(
      context.loop, std::move(plugin), std::move(cluster), context.loop.after(kExecTimeout));
  exec_running = false;
  exec_ended = context.loop.now();
  if (generation == exec_generation) {
    exec_credential.reset();
    exec_error.reset();
    if (made)
      exec_credential = *std::move(made);
    else
      exec_error = made.error();
  }
  exec_done.notify_all();
}

Task<Result<void>> Credentials::Impl::add_exec_credential(std::shared_ptr<const Kubeconfig> config,
                                                          ApiAccess& access, SteadyTime deadline) {
  while (!exec_credential_usable()) {
    if (!exec_running) {
      if (exec_error && context.loop.now() < exec_ended + kExecPause) co_return *exec_error;
      exec_error.reset();
      start_exec_plugin(*config, access.tls.ca_pem);
      continue;  // it may have failed to start, and be over
    }
    const bool done = co_await exec_done.wait_until(deadline);
    if (!done) {
      co_return Error(ErrorCode::kTimeout,
                      "exec plugin " + config->exec->command + " has not answered yet");
    }
    if (exec_error) co_return *exec_error;
  }
  if (!exec_credential->token.empty()) access.bearer_token = exec_credential->token;
  if (!exec_credential->certificate_pem.empty()) {
    access.tls.certificate_pem = exec_credential->certificate_pem;
    access.tls.key_pem = exec_credential->key_pem;
  }
  co_return Result<void>();
}

}  // namespace keelwatch::sources
