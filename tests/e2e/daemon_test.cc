// The program as a user runs it, against a real primary with two standbys and the Kubernetes API's
// stand-in: faults are seen in time, and nothing that hangs delays what does not.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/e2e/system.h"
#include "tests/support/certificates.h"
#include "tests/support/keelwatch_process.h"

using namespace std::chrono_literals;

namespace keelwatch::testing {
namespace {

using std::chrono::steady_clock;

standins::KubeFault fault(standins::KubeFault::Kind kind) {
  standins::KubeFault f;
  f.kind = kind;
  return f;
}

std::string instance(const std::string& family, const std::string& pod) {
  return family + "{namespace=\"default\",cluster=\"pg\",pod=\"" + pod + "\"}";
}
std::string replay_lag(const std::string& pod) {
  return "keelwatch_replication_lag_bytes{namespace=\"default\",cluster=\"pg\",pod=\"" + pod +
         "\",stage=\"replay\"}";
}

// The median of several scrapes: a busy machine delays single ones.
Duration scrape_time(const KeelwatchProcess& keelwatch) {
  std::vector<Duration> times;
  for (int i = 0; i < 21; ++i) {
    const auto start = steady_clock::now();
    REQUIRE(keelwatch.get("/metrics").status == 200);
    times.push_back(steady_clock::now() - start);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

// Stops one thread of the program, by its name, until destroyed.
class StoppedThread {
 public:
  StoppedThread(pid_t process, const std::string& name) {
    for (const auto& task :
         std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
      std::string comm;
      std::getline(std::ifstream(task.path() / "comm"), comm);
      if (comm == name) thread_ = std::stoi(task.path().filename());
    }
    REQUIRE(thread_ != 0);
    REQUIRE(ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr) == 0);
    REQUIRE(ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr) == 0);
    REQUIRE(waitpid(thread_, nullptr, __WALL) == thread_);
  }
  ~StoppedThread() { ptrace(PTRACE_DETACH, thread_, nullptr, nullptr); }
  StoppedThread(const StoppedThread&) = delete;
  StoppedThread& operator=(const StoppedThread&) = delete;

 private:
  pid_t thread_ = 0;
};

class Client {
 public:
  explicit Client(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int small = 4096;  // a reader that stops fills this at once
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    REQUIRE(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  void send_text(const std::string& text) const {
    REQUIRE(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(text.size()));
  }

 private:
  int fd_;
};

}  // namespace

TEST_CASE("a standby killed 100 times is on the page within 400 ms each time",
          "[.][e2e][long:kill-loop]") {
  System system;
  const Folder folder;
  const KeelwatchProcess keelwatch(system.config(folder.path));
  std::vector<double> milliseconds;
  for (int i = 0; i < 100; ++i) {
    INFO("kill " << i);
    REQUIRE(keelwatch.wait_for(state("pg-2", "streaming"), 1, 30s));
    // Every point of the second between two rounds has its turn. A server whose sessions end within
    // one interval is asked again only after a pause.
    std::this_thread::sleep_for(1s + 1ms * (37 * i % 1000));
    system.second->kill9();
    const auto took = keelwatch.wait_for(instance("keelwatch_instance_up", "pg-2"), 0, 5s);
    REQUIRE(took);
    CHECK(*took < 400ms);
    milliseconds.push_back(std::chrono::duration<double, std::milli>(*took).count());
    CHECK(keelwatch.value(instance("keelwatch_instance_up", "pg-3")) == 1);
    REQUIRE(system.second->wait_stopped(20s));
    system.second->start();
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  if (const char* figures = std::getenv("KEELWATCH_FIGURES")) {
    std::ofstream(figures, std::ios::app)
        << "median " << milliseconds[50] << " ms, longest " << milliseconds.back() << " ms\n";
  }
}

TEST_CASE("a healthy system shows so, and each of its faults", "[e2e]") {
  System system;
  const Folder folder;
  const KeelwatchProcess keelwatch(system.config(folder.path));
  REQUIRE(keelwatch.wait_for(state("pg-2", "streaming"), 1));
  REQUIRE(keelwatch.wait_for(state("pg-3", "streaming"), 1));
  REQUIRE(keelwatch.wait_for(
      "keelwatch_replication_standbys_expected{namespace=\"default\",cluster=\"pg\"}", 2));
  CHECK(keelwatch.value(
            "keelwatch_cluster_writable_primaries{namespace=\"default\",cluster=\"pg\"}") == 1);

  SECTION("a killed standby is on the page within 400 ms") {
    system.second->kill9();
    const auto took = keelwatch.wait_for(instance("keelwatch_instance_up", "pg-2"), 0, 5s);
    REQUIRE(took);
    CHECK(*took < 400ms);
    CHECK(keelwatch.value(state("pg-2", "unreachable")) == 1);
    CHECK(keelwatch.value(instance("keelwatch_instance_up", "pg-3")) == 1);
    system.second->start();
    CHECK(keelwatch.wait_for(state("pg-2", "streaming"), 1));
  }
  SECTION("a frozen standby costs only its own facts") {
    system.second->freeze();
    REQUIRE(keelwatch.wait_for(state("pg-2", "unreachable"), 1, 10s));
    CHECK(scrape_time(keelwatch) < 50ms);
    CHECK(keelwatch.value(instance("keelwatch_instance_up", "pg-3")) == 1);
    CHECK(keelwatch.value(instance("keelwatch_instance_up", "pg-1")) == 1);
    CHECK(keelwatch.value(state("pg-3", "streaming")) == 1);
    system.second->thaw();
    CHECK(keelwatch.wait_for(state("pg-2", "streaming"), 1));
  }
  SECTION("a hung API server takes the Cluster's facts away and leaves the databases'") {
    system.api.set_fault(fault(standins::KubeFault::Kind::kHang));
    REQUIRE(keelwatch.wait_for(
        "keelwatch_cluster_instances_ready{namespace=\"default\",cluster=\"pg\"}", std::nullopt,
        30s));
    CHECK(scrape_time(keelwatch) < 50ms);
    CHECK(keelwatch.value("keelwatch_source_up{source=\"kubernetes\",target=\"apiserver\"}") == 0);
    CHECK(keelwatch.value(state("pg-2", "streaming")) == 1);
    system.api.clear_faults();
    CHECK(keelwatch.wait_for(
        "keelwatch_cluster_instances_ready{namespace=\"default\",cluster=\"pg\"}", 3, 30s));
  }
  SECTION("a standby that is cut off never shows a lag of zero") {
    // Its receiver stops and finds no primary any more; the standby itself stays up.
    system.second->sql("alter system set primary_conninfo = 'host=127.0.0.1 port=1'");
    system.second->sql("select pg_reload_conf()");
    system.primary.sql("create table t as select generate_series(1, 100000) x");
    REQUIRE(keelwatch.wait_for(state("pg-2", "cut_off"), 1, 10s));
    const auto lag = keelwatch.value(replay_lag("pg-2"));
    REQUIRE(lag);
    CHECK(*lag > 1'000'000);
    system.primary.sql("insert into t select generate_series(1, 100000)");
    // On a busy machine an answer may come too late and leave a gap; what must not come is less.
    const auto give_up = steady_clock::now() + 20s;
    std::optional<double> later;
    std::optional<double> healthy;
    while (steady_clock::now() < give_up &&
           (!later || *later <= *lag || !healthy || *healthy >= *lag)) {
      later = keelwatch.value(replay_lag("pg-2"));
      healthy = keelwatch.value(replay_lag("pg-3"));
      if (later) REQUIRE(*later >= *lag);
    }
    REQUIRE(later);
    CHECK(*later > *lag);
    REQUIRE(healthy);
    CHECK(*healthy < *lag);
  }
  SECTION("with all sources dead the page still answers, and says so") {
    system.api.set_fault(fault(standins::KubeFault::Kind::kReset));
    system.second->kill9();
    system.third->kill9();
    system.primary.kill9();
    REQUIRE(keelwatch.wait_for(instance("keelwatch_instance_up", "pg-1"), 0));
    REQUIRE(keelwatch.wait_for(instance("keelwatch_instance_up", "pg-3"), 0));
    REQUIRE(keelwatch.wait_for("keelwatch_source_up{source=\"kubernetes\",target=\"apiserver\"}", 0,
                               30s));
    CHECK(scrape_time(keelwatch) < 50ms);
    CHECK_FALSE(keelwatch.value(replay_lag("pg-2")));
    CHECK(keelwatch.get("/-/healthy").status == 200);
  }
}

TEST_CASE("a hundred half-sent requests and a hundred stopped readers delay no scrape", "[e2e]") {
  const KeelwatchProcess keelwatch("kubernetes: {enabled: off}\n");
  REQUIRE(keelwatch.wait_for("keelwatch_config_last_reload_successful", 1));
  const Duration alone = scrape_time(keelwatch);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(std::make_unique<Client>(keelwatch.port()));
    clients.back()->send_text("GET /metrics HTTP/1.1\r\nHost: x\r\nX-Half");
    clients.push_back(std::make_unique<Client>(keelwatch.port()));
    for (int n = 0; n < 20; ++n) {
      clients.back()->send_text("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    }
  }
  CHECK(scrape_time(keelwatch) < std::max<Duration>(50ms, 5 * alone));
}

TEST_CASE("a step thread that stands still is never served as fresh", "[e2e]") {
  const KeelwatchProcess keelwatch("step_interval: 1s\nkubernetes: {enabled: off}\n");
  const std::string fact = "keelwatch_source_not_set_up{source=\"kubernetes\",target=\"Pod\"}";
  REQUIRE(keelwatch.wait_for(fact, 1));
  {
    const StoppedThread stopped(keelwatch.pid(), "step");
    CHECK(keelwatch.wait_for(fact, std::nullopt, 10s));
    const auto age = keelwatch.value("keelwatch_snapshot_age_seconds");
    REQUIRE(age);
    CHECK(*age > 3);
    CHECK(keelwatch.get("/-/healthy").status == 503);
    CHECK(keelwatch.get("/-/ready").status == 503);
    CHECK(keelwatch.get("/api/v1/explain?series=keelwatch_source_not_set_up").status == 503);
  }
  CHECK(keelwatch.wait_for(fact, 1, 10s));
  CHECK(keelwatch.get("/-/healthy").status == 200);
}

TEST_CASE("a reload takes a good file, refuses a bad one, and says so", "[e2e]") {
  const KeelwatchProcess keelwatch("step_interval: 2s\n");
  const std::string good = "keelwatch_config_last_reload_successful";
  REQUIRE(keelwatch.wait_for(good, 1));
  std::ofstream(keelwatch.config_file()) << "step_intervall: 2s\n";
  const RawResponse refused = keelwatch.post("/-/reload");
  CHECK(refused.status == 500);
  CHECK_THAT(refused.body, Catch::Contains("keelwatch.yaml:1:1") &&
                               Catch::Contains("did you mean \"step_interval\"?"));
  CHECK(keelwatch.wait_for(good, 0));
  std::ofstream(keelwatch.config_file()) << "step_interval: 1s\n";
  CHECK(keelwatch.post("/-/reload").status == 200);
  CHECK(keelwatch.wait_for(good, 1));
  // Without being told, by the content of the file.
  std::ofstream(keelwatch.config_file()) << "nonsense: true\n";
  CHECK(keelwatch.wait_for(good, 0, 15s));
  // And by SIGHUP.
  std::ofstream(keelwatch.config_file()) << "step_interval: 2s\n";
  keelwatch.signal(SIGHUP);
  CHECK(keelwatch.wait_for(good, 1));
  CHECK(keelwatch.get("/-/reload").status == 405);
}

TEST_CASE("files of rules that appear, change and go are noticed", "[e2e]") {
  const Folder folder;
  const auto write = [&](const std::string& name, const std::string& alert,
                         const std::string& expr = "vector(1)") {
    std::ofstream(folder.path + "/" + name)
        << "groups: [{name: g, interval: 1s, rules: [{alert: " << alert << ", expr: '" << expr
        << "'}]}]\n";
  };
  write("a.yaml", "A");
  const KeelwatchProcess keelwatch("kubernetes: {enabled: off}\nrules: {files: ['" + folder.path +
                                   "/*.yaml']}\n");
  const auto lists = [&](const std::string& text) {
    const auto patience = steady_clock::now() + 20s;
    while (steady_clock::now() < patience) {
      if (keelwatch.get("/api/v1/rules").body.find(text) != std::string::npos) return true;
      std::this_thread::sleep_for(100ms);
    }
    return false;
  };
  CHECK(lists("\"name\":\"A\""));
  write("b.yaml", "B");
  CHECK(lists("\"name\":\"B\""));
  // A bad file: those of before stay, and the mended file is noticed by itself.
  write("b.yaml", "C", "tme()");
  CHECK(lists("unknown function"));
  CHECK(lists("\"name\":\"B\""));
  CHECK(keelwatch.wait_for("keelwatch_rules_last_load_successful{origin=\"files\"}", 0));
  write("b.yaml", "C");
  CHECK(lists("\"name\":\"C\""));
  CHECK(keelwatch.wait_for("keelwatch_rules_last_load_successful{origin=\"files\"}", 1));
  std::filesystem::remove(folder.path + "/b.yaml");
  const auto patience = steady_clock::now() + 20s;
  while (keelwatch.get("/api/v1/rules").body.find("\"name\":\"C\"") != std::string::npos) {
    REQUIRE(steady_clock::now() < patience);
    std::this_thread::sleep_for(100ms);
  }
  CHECK(lists("\"name\":\"A\""));
}

TEST_CASE("a bad web configuration is a failed reload, and the good one stays in force", "[e2e]") {
  const Folder folder;
  const std::string web = folder.path + "/web.yml";
  const auto write_web = [&](const std::string& frame_options) {
    std::ofstream(web) << "http_server_config: {headers: {X-Frame-Options: " << frame_options
                       << "}}\n";
  };
  write_web("deny");
  const KeelwatchProcess keelwatch("kubernetes: {enabled: off}\n", {"--web.config.file", web});
  const auto header = [&] { return keelwatch.get("/-/healthy").header("x-frame-options"); };
  const std::string good = "keelwatch_config_last_reload_successful";
  const std::string good_time = "keelwatch_config_last_reload_success_timestamp_seconds";
  REQUIRE(keelwatch.wait_for(good, 1));
  const auto loaded_at = keelwatch.value(good_time);
  CHECK(header() == "deny");

  write_web("perhaps");
  for (int i = 0; i < 2; ++i) {  // it does not become good by being read twice
    const RawResponse refused = keelwatch.post("/-/reload");
    CHECK(refused.status == 500);
    CHECK_THAT(refused.body, Catch::Contains("web.yml:1:") && Catch::Contains("perhaps"));
  }
  CHECK(keelwatch.wait_for(good, 0));
  CHECK(keelwatch.value(good_time) == loaded_at);
  CHECK(header() == "deny");
  CHECK_THAT(keelwatch.log(), Catch::Contains("the new web configuration is invalid"));
  // A good file beside it does not hide it.
  std::ofstream(keelwatch.config_file()) << "step_interval: 2s\n";
  CHECK(keelwatch.post("/-/reload").status == 500);

  write_web("sameorigin");
  CHECK(keelwatch.post("/-/reload").status == 200);
  CHECK(keelwatch.wait_for(good, 1));
  CHECK(header() == "sameorigin");
  // And bad without being told, by the content of the file.
  write_web("perhaps");
  CHECK(keelwatch.wait_for(good, 0, 15s));
  CHECK(header() == "sameorigin");
}

TEST_CASE("a certificate that rotates is served without a signal", "[e2e]") {
  const Folder folder;
  const CertificateAuthority old_authority, new_authority;
  const auto write_pair = [&](const CertificateAuthority& authority) {
    const CertifiedKey pair = authority.issue_for_localhost();
    write_file(folder.path + "/tls.crt", pair.certificate_pem);
    write_file(folder.path + "/tls.key", pair.key_pem);
  };
  write_pair(old_authority);
  std::ofstream(folder.path + "/web.yml")
      << "tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n";
  const KeelwatchProcess keelwatch("kubernetes: {enabled: off}\n",
                                   {"--web.config.file", folder.path + "/web.yml"});
  const std::string url = "https://127.0.0.1:" + std::to_string(keelwatch.port());
  CHECK(raw_get({url, old_authority.pem(), ""}, "/-/healthy").status == 200);

  write_pair(new_authority);
  const auto served = [&] {
    try {
      return raw_get({url, new_authority.pem(), ""}, "/-/healthy").status == 200;
    } catch (const RawHttpError&) {
      return false;
    }
  };
  const auto give_up = steady_clock::now() + 20s;
  while (!served() && steady_clock::now() < give_up) std::this_thread::sleep_for(50ms);
  CHECK(served());
}

TEST_CASE("SIGTERM ends the program in order and within ten seconds", "[e2e]") {
  System system;
  const Folder folder;
  KeelwatchProcess keelwatch(system.config(folder.path));
  REQUIRE(keelwatch.wait_for(state("pg-2", "streaming"), 1));
  keelwatch.signal(SIGTERM);
  CHECK(keelwatch.wait_exit(10s) == 0);
  // A backend notices that its client has gone a moment later.
  const auto give_up = steady_clock::now() + 5s;
  std::string sessions;
  do {
    sessions =
        system.primary.sql("select count(*) from pg_stat_activity where usename = 'keelwatch'");
  } while (sessions != "0" && steady_clock::now() < give_up);
  CHECK(sessions == "0");
}

TEST_CASE("a bad configuration at the start is an error, or is tolerated and told", "[e2e]") {
  CHECK_THROWS_WITH(KeelwatchProcess("postgress: {}\n"),
                    Catch::Contains("did you mean \\\"postgres\\\"?"));
  const KeelwatchProcess tolerant("postgress: {}\n", {"--config.tolerate-invalid"});
  CHECK(tolerant.wait_for("keelwatch_config_last_reload_successful", 0));
  CHECK_FALSE(tolerant.value("keelwatch_config_last_reload_success_timestamp_seconds"));
}

TEST_CASE("every runbook that a bundled alert links to is served", "[e2e]") {
  const KeelwatchProcess keelwatch("kubernetes: {enabled: off}\n");
  CHECK(keelwatch.get("/runbooks/KeelwatchStandbyCutOff").status == 200);
  CHECK(keelwatch.get("/runbooks/NoSuchAlert").status == 404);
  CHECK(keelwatch.get("/").status == 200);
  CHECK(keelwatch.get("/-/ready").status == 200);
  CHECK(keelwatch.get("/api/v1/explain?series=keelwatch_instance_up").status == 200);
  CHECK(keelwatch.get("/api/v1/explain?series=keelwatch_instanc_up").status == 404);
}

}  // namespace keelwatch::testing
