#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "base/base64.h"
#include "sources/kubernetes/credentials.h"
#include "sources/kubernetes/exec_plugin.h"
#include "sources/kubernetes/kubeconfig.h"
#include "tests/contract/kubernetes_reader.h"

using namespace std::chrono_literals;

namespace keelwatch::testing {
namespace {

namespace fs = std::filesystem;
using sources::ApiAccess;
using sources::Credentials;

// A folder of files and a clock of its own, and the credentials that are found there.
class Fixture {
 public:
  Fixture() : resolver_(loop_), http_(loop_, resolver_) {
    std::string pattern = (fs::temp_directory_path() / "keelwatch-cred-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp");
    folder_ = pattern;
  }
  ~Fixture() { fs::remove_all(folder_); }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
  void write(const std::string& name, std::string_view text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  void script(const std::string& name, std::string_view body) const {
    write(name, std::string("#!/bin/sh\n") + std::string(body));
    fs::permissions(folder_ / name, fs::perms::owner_all);
  }

  void open(config::Kubernetes settings,
            std::vector<std::pair<std::string, std::string>> variables = {}) {
    credentials_ = std::make_unique<Credentials>(
        sources::SourceContext{loop_, resolver_, http_, clock_, log_}, std::move(settings),
        process_environment(std::move(variables), folder_ / "sa"));
  }
  [[nodiscard]] Credentials& credentials() { return *credentials_; }
  [[nodiscard]] Result<ApiAccess> current(Duration within = 10s) {
    return loop_.block_on(credentials_->current(loop_.after(within)));
  }
  [[nodiscard]] EventLoop& loop() { return loop_; }
  [[nodiscard]] std::string error() {
    const auto access = current();
    return access ? "" : access.error().message();
  }

 private:
  fs::path folder_;
  EventLoop loop_;
  Resolver resolver_;
  HttpClient http_;
  SystemClock clock_;
  Logger log_{LogLevel::kError};
  std::unique_ptr<Credentials> credentials_;
};

std::string kubeconfig(std::string_view cluster, std::string_view user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: main\ncontexts:\n"
         "- name: main\n  context: {cluster: c, user: u}\n"
         "clusters:\n- name: c\n  cluster: " +
         std::string(cluster) + "\nusers:\n- name: u\n  user: " + std::string(user) + "\n";
}

config::Kubernetes settings_with(std::string file) {
  config::Kubernetes settings;
  settings.kubeconfig = std::move(file);
  return settings;
}

std::string exec_user(const std::string& command, const std::string& more = "") {
  return "{exec: {apiVersion: client.authentication.k8s.io/v1, command: " + command +
         ", interactiveMode: Never" + more + "}}";
}

constexpr const char* kServer = "{server: 'https://192.0.2.1:6443/'}";

}  // namespace

TEST_CASE("a Pod's service account is used, and its token read anew each time", "[credentials]") {
  Fixture f;
  f.write("sa/token", "first\n");
  f.write("sa/ca.crt", "CA");
  f.open({}, {{"KUBERNETES_SERVICE_HOST", "fd00::1"}, {"KUBERNETES_SERVICE_PORT", "443"}});
  REQUIRE(f.credentials().set_up());
  auto access = f.current();
  REQUIRE(access);
  CHECK(access->server == "https://[fd00::1]:443");
  CHECK(access->bearer_token->reveal() == "first");
  CHECK(access->tls.ca_pem == "CA");
  f.write("sa/token", "second");
  access = f.current();
  REQUIRE(access);
  CHECK(access->bearer_token->reveal() == "second");
  fs::remove(f.path("sa/token"));
  // Once there, it stays set up: a vanished token is an error.
  CHECK(f.credentials().set_up());
  CHECK_FALSE(f.current());
}

TEST_CASE("without kubeconfig and service account nothing is set up", "[credentials]") {
  Fixture f;
  f.open({}, {{"HOME", f.path("home")}});
  CHECK_FALSE(f.credentials().set_up());
  f.write("home/.kube/config", kubeconfig(kServer, "{token: abc}"));
  CHECK(f.credentials().set_up());
  REQUIRE(f.current());
}

TEST_CASE("everything a kubeconfig says of a cluster and a user arrives", "[credentials]") {
  Fixture f;
  f.write("conf/ca.pem", "CA-FILE");
  f.write("conf/token", "from-file\n");
  f.write("conf/config",
          kubeconfig("{server: https://192.0.2.1:6443, certificate-authority: ca.pem, "
                     "tls-server-name: kube, proxy-url: 'http://proxy:3128', "
                     "insecure-skip-tls-verify: true}",
                     "{token: ignored, tokenFile: token, client-certificate-data: " +
                         base64_encode("CERT") + ", client-key-data: " + base64_encode("KEY") +
                         ", username: me, password: pw}"));
  f.open(settings_with(f.path("conf/config")));
  const auto access = f.current();
  INFO((access ? "" : access.error().message()));
  REQUIRE(access);
  CHECK(access->server == "https://192.0.2.1:6443");
  CHECK(access->tls.ca_pem == "CA-FILE");
  CHECK(access->tls.server_name == "kube");
  CHECK(access->tls.skip_verify);
  CHECK(access->proxy_url == "http://proxy:3128");
  CHECK(access->bearer_token->reveal() == "from-file");
  CHECK(access->tls.certificate_pem == "CERT");
  CHECK(access->tls.key_pem.reveal() == "KEY");
  REQUIRE(access->basic_auth);
  CHECK(access->basic_auth->first == "me");
  CHECK(access->basic_auth->second.reveal() == "pw");
}

TEST_CASE("a changed kubeconfig is picked up, and another context can be chosen", "[credentials]") {
  Fixture f;
  f.write("config", kubeconfig(kServer, "{token: one}"));
  f.open(settings_with(f.path("config")));
  CHECK(f.current()->bearer_token->reveal() == "one");
  f.write("config", kubeconfig(kServer, "{token: two}") + "- name: v\n  user: {token: three}\n");
  CHECK(f.current()->bearer_token->reveal() == "two");
}

TEST_CASE("of several files of $KUBECONFIG the first to define a name wins", "[credentials]") {
  Fixture f;
  f.write("a",
          "current-context: main\ncontexts:\n- name: main\n  context: {cluster: c, user: u}\n"
          "users:\n- name: u\n  user: {token: from-a}\n");
  f.write("b", kubeconfig(kServer, "{token: from-b}"));
  f.open({}, {{"KUBECONFIG", f.path("missing") + ":" + f.path("a") + ":" + f.path("b")}});
  const auto access = f.current();
  INFO((access ? "" : access.error().message()));
  REQUIRE(access);
  CHECK(access->server == "https://192.0.2.1:6443");
  CHECK(access->bearer_token->reveal() == "from-a");
}

TEST_CASE("a broken kubeconfig says where and what, and never shows its text", "[credentials]") {
  struct Case {
    const char* name;
    std::string text;
    const char* context;
    const char* message;
  };
  const Case cases[] = {
      {"not YAML", "users: [secret-token", "", "config:1"},
      {"no current context", "apiVersion: v1\n", "", "no current-context"},
      {"no such context", kubeconfig(kServer, "{}"), "other",
       "there is no context named \"other\" under contexts"},
      {"no such user",
       "current-context: m\ncontexts:\n- name: m\n  context: {cluster: c, user: w}\n"
       "clusters:\n- name: c\n  cluster: {server: https://h}\n",
       "", "config:4:31: contexts: m: user: there is no user named \"w\" under users"},
      {"no server", kubeconfig("{}", "{}"), "", "expected an https:// URL"},
      {"wrong type", kubeconfig("{server: [1]}", "{}"), "", "clusters: c: server: expected a text"},
      {"not base64", kubeconfig(kServer, "{client-key-data: 'secret-token!'}"), "",
       "users: u: client-key-data: is not base64"},
      {"old auth provider", kubeconfig(kServer, "{auth-provider: {name: gcp}}"), "",
       "auth-provider was removed from Kubernetes 1.26: use an exec plugin"},
      {"unknown exec version", kubeconfig(kServer, "{exec: {apiVersion: v9, command: x}}"), "",
       "apiVersion \"v9\" is neither"},
      {"exec without command",
       kubeconfig(kServer, "{exec: {apiVersion: client.authentication.k8s.io/v1}}"), "",
       "command is missing"},
      {"missing token file", kubeconfig(kServer, "{tokenFile: nowhere/token}"), "",
       "config:12: users: u: tokenFile: "},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    Fixture f;
    f.write("config", c.text);
    config::Kubernetes settings = settings_with(f.path("config"));
    settings.context = c.context;
    f.open(settings);
    const std::string message = f.error();
    CHECK_THAT(message, Catch::Contains(c.message));
    CHECK_THAT(message, !Catch::Contains("secret-token"));
  }
}

TEST_CASE("an exec plugin gives a token, which is kept until it is about to expire",
          "[credentials]") {
  Fixture f;
  f.script("plugin",
           "echo run >> \"$LOG\"\necho \"$KUBERNETES_EXEC_INFO\" > \"$LOG.info\"\n"
           "cat \"$REPLY\"\n");
  f.write("reply", R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",
                       "status":{"token":"t1"}})");
  const std::string env = ", provideClusterInfo: true, env: [{name: LOG, value: '" + f.path("log") +
                          "'}, {name: REPLY, value: '" + f.path("reply") + "'}]";
  f.write("config", kubeconfig(kServer, exec_user("./plugin", env)));
  f.open(settings_with(f.path("config")));
  const auto runs = [&] {
    std::ifstream log(f.path("log"));
    return std::count(std::istreambuf_iterator<char>(log), {}, '\n');
  };
  for (int i = 0; i < 3; ++i) {
    const auto access = f.current();
    INFO((access ? "" : access.error().message()));
    REQUIRE(access);
    CHECK(access->bearer_token->reveal() == "t1");
  }
  CHECK(runs() == 1);
  std::ifstream info(f.path("log.info"));
  const std::string told(std::istreambuf_iterator<char>(info), {});
  CHECK_THAT(told,
             Catch::Contains(
                 R"("apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false,)"
                 R"("cluster":{"server":"https://192.0.2.1:6443"}})"));
  // The server refuses the token: it is got anew. That one has expired already, so is the next.
  f.credentials().refused();
  f.write("reply", R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",
      "status":{"clientCertificateData":"CERT","clientKeyData":"KEY","expirationTimestamp":"2100-01-01T00:00:00Z"}})");
  const auto renewed = f.current();
  REQUIRE(renewed);
  CHECK(renewed->tls.certificate_pem == "CERT");
  CHECK(runs() == 2);
}

TEST_CASE("what an exec plugin does wrong is said, and does not stop the loop", "[credentials]") {
  struct Case {
    const char* name;
    const char* body;
    const char* message;
  };
  const Case cases[] = {
      {"fails", "echo first >&2; echo 'log in first' >&2; exit 3", "exit status 3: log in first"},
      {"is killed", "kill -9 $$", "killed by signal 9"},
      {"prints nothing", "exit 0", "prints no ExecCredential"},
      {"prints another kind", R"(echo '{"kind":"Pod","apiVersion":"v1"}')",
       "prints kind \"Pod\" of \"v1\", not ExecCredential of \"client.authentication.k8s.io/v1\""},
      {"gives nothing",
       R"(echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{}}')",
       "gives neither a token nor a client certificate"},
      {"leaves a child behind that holds the pipe", "sleep 1000 & echo '{}'", "prints kind"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    Fixture f;
    f.script("plugin", c.body);
    f.write("config", kubeconfig(kServer, exec_user("./plugin")));
    f.open(settings_with(f.path("config")));
    CHECK_THAT(f.error(), Catch::Contains(c.message));
  }
  Fixture f;
  f.write("config", kubeconfig(kServer, exec_user("./nowhere", ", installHint: 'apt install it'")));
  f.open(settings_with(f.path("config")));
  CHECK_THAT(f.error(), Catch::Contains("No such file or directory; apt install it"));
}

TEST_CASE("a hanging exec plugin costs its caller only the deadline, and dies at its own",
          "[credentials]") {
  Fixture f;
  f.script("plugin", "exec sleep 1000");
  f.write("config", kubeconfig(kServer, exec_user("./plugin")));
  f.open(settings_with(f.path("config")));
  const auto access = f.current(50ms);
  REQUIRE_FALSE(access);
  CHECK(access.error().code() == ErrorCode::kTimeout);
  sources::ExecPlugin plugin;
  plugin.api_version = "client.authentication.k8s.io/v1";
  plugin.command = f.path("plugin");
  const auto made =
      f.loop().block_on(sources::run_exec_plugin(f.loop(), plugin, {}, f.loop().after(50ms)));
  REQUIRE_FALSE(made);
  CHECK(made.error().code() == ErrorCode::kTimeout);
}

TEST_CASE("base64 encodes and decodes, and refuses what it is not", "[credentials]") {
  for (const char* text : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) {
    CHECK(base64_decode(base64_encode(text)) == text);
  }
  CHECK(base64_encode("fooba") == "Zm9vYmE=");
  CHECK(base64_decode("Zm9v\nYmE") == "fooba");
  for (const char* text : {"Z", "Zm9vY", "Zm=9", "Zm9v====", "Zg=", "Zm9*"}) {
    INFO(text);
    CHECK_FALSE(base64_decode(text));
  }
}

}  // namespace keelwatch::testing
