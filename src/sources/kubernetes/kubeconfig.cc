#include "sources/kubernetes/kubeconfig.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/base64.h"
#include "base/yaml.h"

namespace keelwatch::sources {
namespace {

// One file while it is read.
struct File {
  Diagnostics problems;
  YamlNode root;
};

// A named entry of a list ("users: - name: admin, user: {...}") and the file that has it.
struct Named {
  File* file = nullptr;
  YamlNode body;
  std::string subject;  // "users: admin"
};

class Parser {
 public:
  explicit Parser(const std::vector<SourceFile>& sources) {
    files_.reserve(sources.size());
    for (const SourceFile& source : sources) files_.push_back({Diagnostics(source), YamlNode()});
  }

  Result<Kubeconfig> parse(std::string context_name);

 private:
  Result<std::string> current_context();
  Result<Named> find(std::string_view list, std::string_view member, std::string_view name,
                     const Named* referrer);
  void read_cluster(const Named& cluster);
  void read_user(const Named& user);
  void read_exec(const Named& user, const YamlNode& node);

  std::string text(const Named& of, const YamlNode& map, std::string_view key);
  bool boolean(const Named& of, const YamlNode& map, std::string_view key);
  KubeconfigData data(const Named& of, std::string_view key, std::string_view data_key,
                      bool is_base64);
  static void complain(const Named& of, const YamlNode& node, std::string_view key,
                       std::string problem, std::string remedy = {});
  std::optional<Error> first_problem();

  std::vector<File> files_;
  Kubeconfig out_;
  std::optional<Error> unsupported_;
};

void Parser::complain(const Named& of, const YamlNode& node, std::string_view key,
                      std::string problem, std::string remedy) {
  of.file->problems.error(node.span(), fmt::format("{}: {}", of.subject, key), std::move(problem),
                          std::move(remedy));
}

std::string Parser::text(const Named& of, const YamlNode& map, std::string_view key) {
  const YamlNode value = map[key];
  if (value.is_null()) return {};
  if (!value.is_scalar()) complain(of, value, key, "expected a text");
  return value.text();
}

bool Parser::boolean(const Named& of, const YamlNode& map, std::string_view key) {
  const YamlNode value = map[key];
  if (value.is_null() || value.text() == "false") return false;
  if (value.text() == "true") return true;
  complain(of, value, key, "expected true or false");
  return false;
}

// In kubectl, too, what is given in place counts before the file.
KubeconfigData Parser::data(const Named& of, std::string_view key, std::string_view data_key,
                            bool is_base64) {
  KubeconfigData out;
  const std::string in_place = text(of, of.body, data_key);
  if (!in_place.empty() && is_base64) {
    auto decoded = base64_decode(in_place);
    if (!decoded)
      complain(of, of.body[data_key], data_key, "is not base64");
    else
      out.in_place = Secret(*std::move(decoded));
    return out;
  }
  out.in_place = Secret(in_place);
  if (!in_place.empty()) return out;
  const std::string path = text(of, of.body, key);
  if (path.empty()) return out;
  const std::string& own = of.file->problems.source().name();
  out.file = (std::filesystem::path(own).parent_path() / path).string();
  out.where = fmt::format("{}:{}: {}: {}", own, of.body[key].span().line, of.subject, key);
  return out;
}

Result<std::string> Parser::current_context() {
  for (const File& file : files_) {
    const std::string& name = file.root["current-context"].text();
    if (!name.empty()) return name;
  }
  return Error(ErrorCode::kInvalid,
               fmt::format("{}: no current-context: set it, or kubernetes.context",
                           files_.front().problems.source().name()));
}

Result<Named> Parser::find(std::string_view list, std::string_view member, std::string_view name,
                           const Named* referrer) {
  for (File& file : files_) {
    for (const YamlNode& item : file.root[list].items()) {
      if (item["name"].text() == name) {
        return Named{&file, item[member], fmt::format("{}: {}", list, name)};
      }
    }
  }
  const std::string problem =
      fmt::format("there is no {} named \"{}\" under {}", member, name, list);
  if (!referrer) {
    return Error(ErrorCode::kInvalid,
                 fmt::format("{}: {}", files_.front().problems.source().name(), problem));
  }
  complain(*referrer, referrer->body[member], member, problem);
  return referrer->file->problems.to_error();
}

void Parser::read_cluster(const Named& cluster) {
  const YamlNode& body = cluster.body;
  out_.server = text(cluster, body, "server");
  while (out_.server.ends_with('/')) out_.server.pop_back();
  if (!out_.server.starts_with("https://") && !out_.server.starts_with("http://")) {
    complain(cluster, body["server"], "server", "expected an https:// URL");
  }
  out_.proxy_url = text(cluster, body, "proxy-url");
  out_.tls_server_name = text(cluster, body, "tls-server-name");
  out_.skip_tls_verify = boolean(cluster, body, "insecure-skip-tls-verify");
  out_.ca = data(cluster, "certificate-authority", "certificate-authority-data", true);
}

void Parser::read_user(const Named& user) {
  const YamlNode& body = user.body;
  out_.client_certificate = data(user, "client-certificate", "client-certificate-data", true);
  out_.client_key = data(user, "client-key", "client-key-data", true);
  // Here the file counts before the text (client-go's api types: "TokenFile ... takes precedence").
  out_.token = data(user, "tokenFile", body["tokenFile"].is_null() ? "token" : "", false);
  out_.username = text(user, body, "username");
  out_.password = Secret(text(user, body, "password"));
  if (!body["exec"].is_null()) read_exec(user, body["exec"]);
  if (!body["auth-provider"].is_null()) {
    unsupported_.emplace(
        ErrorCode::kUnsupported,
        fmt::format("{}:{}: {}: auth-provider was removed from Kubernetes 1.26: use an exec plugin",
                    user.file->problems.source().name(), body["auth-provider"].span().line,
                    user.subject));
  }
}

void Parser::read_exec(const Named& user, const YamlNode& node) {
  ExecPlugin plugin;
  plugin.api_version = text(user, node, "apiVersion");
  if (plugin.api_version != "client.authentication.k8s.io/v1" &&
      plugin.api_version != "client.authentication.k8s.io/v1beta1") {
    unsupported_.emplace(
        ErrorCode::kUnsupported,
        fmt::format("{}:{}: {}: exec: apiVersion \"{}\" is neither client.authentication.k8s.io/v1 "
                    "nor v1beta1",
                    user.file->problems.source().name(), node.span().line, user.subject,
                    plugin.api_version));
  }
  plugin.command = text(user, node, "command");
  if (plugin.command.empty()) complain(user, node, "exec", "command is missing");
  // As in client-go, a path with a slash is relative to the kubeconfig's folder.
  if (plugin.command.find('/') != std::string::npos) {
    const std::filesystem::path own(user.file->problems.source().name());
    plugin.command = (own.parent_path() / plugin.command).string();
  }
  for (const YamlNode& arg : node["args"].items()) plugin.args.push_back(arg.text());
  for (const YamlNode& variable : node["env"].items()) {
    plugin.env.emplace_back(variable["name"].text(), variable["value"].text());
  }
  plugin.install_hint = text(user, node, "installHint");
  plugin.provide_cluster_info = boolean(user, node, "provideClusterInfo");
  if (text(user, node, "interactiveMode") == "Always") {
    complain(user, node["interactiveMode"], "interactiveMode", "keelwatch has no terminal");
  }
  out_.exec = std::move(plugin);
}

std::optional<Error> Parser::first_problem() {
  for (const File& file : files_) {
    if (file.problems.has_errors()) return file.problems.to_error();
  }
  return unsupported_;
}

Result<Kubeconfig> Parser::parse(std::string context_name) {
  for (File& file : files_) {
    const auto root = parse_yaml(file.problems);
    if (!root) return file.problems.to_error();
    file.root = *root;
  }
  if (context_name.empty()) {
    Result<std::string> current = current_context();
    if (!current) return current.error();
    context_name = *std::move(current);
  }
  const Result<Named> context = find("contexts", "context", context_name, nullptr);
  if (!context) return context.error();
  const Result<Named> cluster =
      find("clusters", "cluster", context->body["cluster"].text(), &*context);
  if (!cluster) return cluster.error();
  read_cluster(*cluster);
  if (const std::string& name = context->body["user"].text(); !name.empty()) {
    const Result<Named> user = find("users", "user", name, &*context);
    if (!user) return user.error();
    read_user(*user);
  }
  if (auto problem = first_problem()) return *problem;
  return std::move(out_);
}

}  // namespace

Result<Kubeconfig> parse_kubeconfig(const std::vector<SourceFile>& files,
                                    const std::string& context) {
  return Parser(files).parse(context);
}

}  // namespace keelwatch::sources
