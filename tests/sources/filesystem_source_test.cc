// The filesystem source against kubelets that answer, refuse, misbehave and hang, and against paths
// of this machine.
#include "sources/filesystem/filesystem_source.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <thread>

#include "tests/contract/kubernetes_reader.h"
#include "tests/standins/kubelet.h"
#include "tests/support/certificates.h"
#include "tests/support/net_fixture.h"

using namespace std::chrono_literals;
using Catch::Contains;

namespace keelwatch::testing {
namespace {

using model::FilesystemSlice;
using sources::filesystem_usage;
using sources::PathProbe;
using Claims = Observed<std::vector<model::ClaimUsage>>;

constexpr standins::Kubelet::Volume kVolume = {10'434'699'264, 1'234'567'168, 655'360, 655'000};

class Fixture {
 public:
  Fixture() : folder_(make_folder()) {
    settings.interval = 100ms;
    settings.timeout = 2s;
  }
  ~Fixture() {
    source_.reset();
    std::filesystem::remove_all(folder_);
  }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  standins::Kubelet& add_kubelet(CertificateOptions certificate, const std::string& address) {
    const CertifiedKey key = ca.issue(certificate);
    standins::Kubelet::Options options;
    options.address = address;
    options.port = static_cast<std::uint16_t>(port_);
    options.tls = {key.certificate_pem, key.key_pem, ""};
    options.token = "secret-token";
    options.forbidden_token = "poor-token";
    kubelets_.push_back(std::make_unique<standins::Kubelet>(options));
    port_ = kubelets_.back()->port();
    kubelets_.back()->set_volume("db", "pg-1", kVolume);
    return *kubelets_.back();
  }
  standins::Kubelet& add_kubelet(const std::string& address = "127.0.0.1") {
    CertificateOptions certificate;
    certificate.ip_addresses = {address};
    return add_kubelet(certificate, address);
  }

  // Starts with a service account's credentials.
  void start(std::vector<discovery::KubeletTarget> targets, PathProbe::Ask ask = filesystem_usage) {
    testing::write_file(folder_ + "/token", token);
    testing::write_file(folder_ + "/ca.crt", api_ca.empty() ? ca.pem() : api_ca);
    settings.kubelet_port = port_ == 0 ? 1 : port_;
    const auto environment = process_environment(
        {{"KUBERNETES_SERVICE_HOST", "127.0.0.1"}, {"KUBERNETES_SERVICE_PORT", "1"}}, folder_);
    source_ = std::make_unique<Running>(*this, environment, std::move(ask));
    source_->source.set_targets({std::move(targets)});
    source_->scope.spawn(source_->source.run());
  }
  void write_token(const std::string& text) { testing::write_file(folder_ + "/token", text); }
  void set_targets(std::vector<discovery::KubeletTarget> targets) {
    source_->source.set_targets({std::move(targets)});
  }
  void stop() { source_.reset(); }

  using Wanted = std::function<bool(const FilesystemSlice&)>;
  bool until(Wanted wanted) {
    return net.loop.block_on(wait(std::move(wanted), net.loop.after(20s)));
  }
  // The claims of the node once an attempt has ended.
  Claims claims(const std::string& node) {
    REQUIRE(until([&](const auto&) { return report(node) && !report(node)->pending; }));
    return *find(node);
  }
  const Claims* find(const std::string& node) const {
    for (const auto& n : slice->nodes) {
      if (n->node == node) return &n->claims;
    }
    return nullptr;
  }
  const model::SourceReport* report(const std::string& target) const {
    for (const auto& r : slice->reports) {
      if (r.target == target) return &r;
    }
    return nullptr;
  }
  std::string error(const std::string& node) {
    const Claims answer = claims(node);
    REQUIRE_FALSE(answer.is_known());
    return answer.why().error.message();
  }

  NetFixture net;
  SystemClock clock;
  std::string lines;
  Logger log{LogLevel::kDebug, LogFormat::kLogfmt,
             [this](std::string_view line) { lines += std::string(line) + "\n"; }};
  CertificateAuthority ca;
  std::string api_ca;  // empty: ca's
  std::string token = "secret-token";
  config::Filesystems settings;
  std::shared_ptr<const FilesystemSlice> slice;

 private:
  struct Running {
    Running(Fixture& f, sources::ProcessEnvironment environment, PathProbe::Ask ask)
        : changed(f.net.loop),
          source(
              {f.net.loop, f.net.resolver, f.net.http, f.clock, f.log}, config::Kubernetes(),
              f.settings,
              [this, &f](std::shared_ptr<const FilesystemSlice> news) {
                f.slice = std::move(news);
                changed.notify_all();
              },
              std::move(environment), std::move(ask)) {}
    Signal changed;
    sources::FilesystemSource source;
    TaskScope scope;  // after the source: ends first
  };

  static std::string make_folder() {
    char path[] = "/tmp/keelwatch-filesystem-XXXXXX";
    if (mkdtemp(path) == nullptr) throw std::runtime_error("mkdtemp");
    return path;
  }

  Task<bool> wait(Wanted wanted, SteadyTime deadline) {
    for (;;) {
      if (slice && wanted(*slice)) co_return true;
      const bool notified = co_await source_->changed.wait_until(deadline);
      source_->scope.rethrow_failure();
      if (!notified) co_return false;
    }
  }

  std::string folder_;
  int port_ = 0;
  std::vector<std::unique_ptr<standins::Kubelet>> kubelets_;
  std::unique_ptr<Running> source_;
};

discovery::KubeletTarget node(std::string name, std::string address = "127.0.0.1") {
  return {std::move(name), std::move(address), ""};
}

}  // namespace

TEST_CASE("a kubelet tells how full the volumes of its Pods are", "[filesystem]") {
  Fixture f;
  standins::Kubelet& kubelet = f.add_kubelet();
  kubelet.set_other_lines(20'000);  // two megabytes of other things
  kubelet.set_volume("db", "pg-1-wal", {1000, 10, 0, 0});
  kubelet.set_volume("app", "files", {5000, 5, 7, 3});
  f.start({node("n1")});
  const Claims claims = f.claims("n1");
  REQUIRE(claims.is_known());
  REQUIRE(claims.known_value().size() == 3);
  const model::ClaimUsage& first = claims.known_value()[0];
  CHECK((first.ns == "app" && first.claim == "files"));
  const model::ClaimUsage& data = claims.known_value()[1];
  CHECK((data.ns == "db" && data.claim == "pg-1"));
  CHECK(data.usage.size_bytes == 10'434'699'264);
  CHECK(data.usage.available_bytes == 1'234'567'168);
  CHECK(data.usage.inodes == 655'360);
  CHECK(data.usage.inodes_free == 655'000);
  CHECK(claims.known_value()[2].usage.inodes == std::nullopt);  // not a fixed number of them
  CHECK(f.report("n1")->up);
  CHECK(f.report("n1")->source == "filesystem");
}

TEST_CASE("a kubelet is known by its address or by its node's name, and by nothing else",
          "[filesystem]") {
  struct Case {
    const char* name;
    std::vector<std::string> dns;
    std::vector<std::string> ips;
    bool believed;
  };
  const Case cases[] = {{"address", {}, {"127.0.0.1"}, true},
                        {"name and no address", {"n1", "localhost"}, {"10.0.0.9"}, true},
                        {"name alone", {"n1"}, {}, true},
                        {"another node's", {"n2"}, {"10.0.0.2"}, false}};
  for (const Case& c : cases) {
    INFO(c.name);
    Fixture f;
    CertificateOptions certificate;
    certificate.dns_names = c.dns;
    certificate.ip_addresses = c.ips;
    f.add_kubelet(certificate, "127.0.0.1");
    f.start({node("n1")});
    CHECK(f.claims("n1").is_known() == c.believed);
    if (!c.believed) CHECK_THAT(f.error("n1"), Contains("subject name"));
  }
}

TEST_CASE("a kubelet of another CA gets no token unless that CA is named", "[filesystem]") {
  const CertificateAuthority other("another");
  const std::string file = "/tmp/keelwatch-kubelet-ca-" + std::to_string(getpid());
  for (const char* how : {"nothing", "kubelet_ca", "skip_verify"}) {
    INFO(how);
    Fixture f;
    f.api_ca = other.pem();
    standins::Kubelet& kubelet = f.add_kubelet();
    if (how == std::string("kubelet_ca")) {
      write_file(file, f.ca.pem());
      f.settings.kubelet_ca = file;
    }
    f.settings.kubelet_insecure_skip_verify = how == std::string("skip_verify");
    f.start({node("n1")});
    const bool known = f.claims("n1").is_known();
    CHECK(known == (how != std::string("nothing")));
    if (!known) {
      CHECK(kubelet.requests() == 0);
      CHECK_THAT(f.error("n1"),
                 Contains("TLS with 127.0.0.1") && Contains("filesystems.kubelet_ca"));
    }
    const bool warned = f.lines.find("without a check of their certificates") != std::string::npos;
    CHECK(warned == (how == std::string("skip_verify")));
    std::remove(file.c_str());
  }
}

TEST_CASE("a refusal names the right that is missing, and a new token is taken up",
          "[filesystem]") {
  Fixture f;
  f.token = "poor-token";
  f.add_kubelet();
  f.start({node("n1")});
  CHECK_THAT(f.error("n1"),
             Contains("the right is missing to get nodes/metrics") && Contains("(403)"));
  CHECK(f.report("n1")->errors.at("forbidden") >= 1);
  f.write_token("unknown-token");
  REQUIRE(f.until([&](const auto&) { return f.report("n1")->errors.contains("unauthorized"); }));
  CHECK_THAT(f.error("n1"), Contains("nodes/metrics") && Contains("(401)"));
  f.write_token("secret-token\n");
  REQUIRE(f.until([&](const auto&) { return f.find("n1")->is_known(); }));
  CHECK(f.report("n1")->up);
  // A right that is taken away leaves nothing of what was read with it.
  f.write_token("poor-token");
  REQUIRE(f.until([&](const auto&) { return !f.find("n1")->is_known(); }));
}

TEST_CASE("no misbehaviour of a kubelet becomes a number", "[filesystem]") {
  using Fault = standins::Kubelet::Fault;
  struct Case {
    const char* name;
    Fault fault;
    const char* code;
    bool keeps;  // the last answer, until it is too old
  };
  const Case cases[] = {{"a page of something else", Fault::kGarbage, "malformed", false},
                        {"a line cut short", Fault::kCutLine, "malformed", false},
                        {"a reset in the middle", Fault::kTruncated, "unavailable", true},
                        {"silence", Fault::kSilent, "timeout", true}};
  for (const Case& c : cases) {
    INFO(c.name);
    Fixture f;
    f.settings.timeout = 300ms;
    standins::Kubelet& kubelet = f.add_kubelet();
    f.start({node("n1")});
    const Claims before = f.claims("n1");
    REQUIRE(before.is_known());
    kubelet.set_fault(c.fault);
    REQUIRE(f.until([&](const auto&) { return f.report("n1")->errors.contains(c.code); }));
    CHECK_FALSE(f.report("n1")->up);
    CHECK(f.find("n1")->is_known() == c.keeps);
    kubelet.set_fault(Fault::kNone);
    REQUIRE(f.until([&](const auto&) { return f.report("n1")->up; }));
    REQUIRE(f.find("n1")->is_known());
    CHECK(f.find("n1")->observed_at() > before.observed_at());
  }
}

TEST_CASE("a hung kubelet costs only its own facts, and a node that is no target is let go",
          "[filesystem]") {
  Fixture f;
  f.settings.timeout = 20s;
  standins::Kubelet& hung = f.add_kubelet("127.0.0.1");
  hung.set_fault(standins::Kubelet::Fault::kSilent);
  standins::Kubelet& fine = f.add_kubelet("127.0.0.2");
  f.start({node("n1"), node("n2", "127.0.0.2"), {"n3", "", "the Node has no InternalIP"}});
  REQUIRE(f.until([&](const auto&) { return fine.requests() > 3 && f.find("n2")->is_known(); }));
  CHECK(f.report("n1")->pending);
  CHECK_FALSE(f.find("n1")->is_known());
  CHECK(f.error("n3") == "the Node has no InternalIP");
  f.set_targets({node("n2", "127.0.0.2")});
  REQUIRE(f.until([&](const FilesystemSlice& s) { return s.nodes.size() == 1; }));
  CHECK(f.slice->reports.size() == 1);
}

TEST_CASE("a path tells what the kernel tells of it, and one that is not there nothing",
          "[filesystem]") {
  Fixture f;
  f.settings.paths = {{"/tmp", "", "bare", "a", "PG_DATA"},
                      {"/nowhere", "", "bare", "b", "PG_WAL"}};
  f.start({});
  REQUIRE(f.until([&](const auto&) {
    return f.report("/tmp") && !f.report("/tmp")->pending && !f.report("/nowhere")->pending;
  }));
  REQUIRE(f.slice->paths.size() == 2);
  const model::PathFilesystem& missing = *f.slice->paths[0];
  CHECK(missing.path == "/nowhere");
  REQUIRE_FALSE(missing.usage.is_known());
  CHECK(missing.usage.why().error.code() == ErrorCode::kNotFound);
  const model::PathFilesystem& tmp = *f.slice->paths[1];
  CHECK((tmp.cluster == "bare" && tmp.pod == "a" && tmp.role == "PG_DATA"));
  struct statvfs info{};
  REQUIRE(statvfs("/tmp", &info) == 0);
  REQUIRE(tmp.usage.is_known());
  CHECK(tmp.usage.known_value().size_bytes ==
        static_cast<std::int64_t>(info.f_blocks * info.f_frsize));
  CHECK_FALSE(sources::filesystem_usage("/proc"));
}

TEST_CASE("a path whose file system hangs is asked once, delays nobody and ends nothing",
          "[filesystem]") {
  // What hangs outlives the source that asked, as a thread in the kernel does.
  struct Gate {
    std::mutex mutex;
    std::condition_variable opened;
    bool open = false;
    int entered = 0;
    int left = 0;
  };
  const auto gate = std::make_shared<Gate>();
  const auto ask = [gate](const std::string& path) -> Result<model::FilesystemUsage> {
    if (path != "/hung") return model::FilesystemUsage{100, 50, std::nullopt, std::nullopt};
    std::unique_lock lock(gate->mutex);
    ++gate->entered;
    gate->opened.wait(lock, [&] { return gate->open; });
    ++gate->left;
    return model::FilesystemUsage{100, 7, std::nullopt, std::nullopt};
  };
  const auto set_open = [&gate](bool open) {
    const std::lock_guard lock(gate->mutex);
    gate->open = open;
    gate->opened.notify_all();
  };
  Fixture f;
  f.settings.timeout = 100ms;
  f.settings.paths = {{"/fine", "", "bare", "a", "PG_DATA"}, {"/hung", "", "bare", "b", "PG_DATA"}};
  f.start({}, ask);
  REQUIRE(f.until([&](const auto&) {
    const auto* report = f.report("/hung");
    return report && report->errors.contains("timeout") && report->errors.at("timeout") >= 3;
  }));
  CHECK(f.slice->paths[0]->usage.is_known());
  REQUIRE_FALSE(f.slice->paths[1]->usage.is_known());
  CHECK_THAT(f.slice->paths[1]->usage.why().error.message(), Contains("/hung"));
  {
    const std::lock_guard lock(gate->mutex);
    CHECK(gate->entered == 1);
  }
  set_open(true);
  REQUIRE(f.until([](const FilesystemSlice& s) { return s.paths[1]->usage.is_known(); }));
  CHECK(f.slice->paths[1]->usage.known_value().available_bytes == 7);
  set_open(false);
  REQUIRE(f.until([&](const auto&) {
    const std::lock_guard lock(gate->mutex);
    return gate->entered > gate->left;
  }));
  f.stop();  // does not wait for it
  set_open(true);
  std::unique_lock lock(gate->mutex);
  while (gate->left < gate->entered) {
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
  }
}

}  // namespace keelwatch::testing
