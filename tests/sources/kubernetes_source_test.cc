// The Kubernetes source against an API server that misbehaves: what only the stand-in can do. What
// every API server does is in tests/contract/kubernetes_source_test.cc.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>

#include "tests/contract/kubernetes_reader.h"
#include "tests/standins/kube_api.h"

using namespace std::chrono_literals;

namespace keelwatch::testing {
namespace {

using model::KubernetesSlice;
using standins::KubeApi;
using standins::KubeFault;
using standins::KubeRef;

struct Fixture {
  explicit Fixture(KubeApi::Options options = plain()) : api(std::move(options)) {
    settings.health_interval = 100ms;
    settings.health_timeout = 200ms;
    settings.kubeconfig = write_kubeconfig();
  }
  ~Fixture() { std::remove(settings.kubeconfig.c_str()); }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  static KubeApi::Options plain() {
    KubeApi::Options options;
    options.plain_http = true;
    return options;
  }
  [[nodiscard]] KubernetesReader reader() const {
    return {settings, process_environment({}, "/nonexistent"), timing};
  }
  std::string write_kubeconfig() const {
    char path[] = "/tmp/keelwatch-kubeconfig-XXXXXX";
    const int fd = mkstemp(path);
    const std::string text =
        "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: '" +
        api.url() + "'}}]\nusers: [{name: u, user: {token: '" + api.token() + "'}}]\n";
    if (fd < 0 || write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      throw std::runtime_error("mkstemp");
    }
    close(fd);
    return path;
  }
  void put_pod(const std::string& name, const std::string& more = "") {
    api.put(R"({"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"db","name":")" + name +
            R"("},"spec":{"nodeName":"n1"},"status":{"phase":"Running"})" + more + "}");
  }

  KubeApi api;
  config::Kubernetes settings;
  sources::ReflectorTiming timing = quick_timing();
};

std::string pods_text(const KubernetesSlice& slice) {
  const auto* pods = slice.pods.if_known();
  if (!pods) return "unknown";
  std::string out;
  for (const auto& pod : *pods) out += pod->meta.name + " ";
  return out;
}

KubernetesReader::Wanted pods_are(std::string text) {
  return [text = std::move(text)](const KubernetesSlice& s) { return pods_text(s) == text; };
}

}  // namespace

TEST_CASE("however a watch ends, no change is lost and none is made up", "[kubernetes]") {
  struct Case {
    const char* name;
    KubeApi::Cut cut;
  };
  const Case cases[] = {{"clean end", KubeApi::Cut::kClean},
                        {"reset", KubeApi::Cut::kAbrupt},
                        {"in the middle of an event", KubeApi::Cut::kMidEvent},
                        {"history expired", KubeApi::Cut::kExpired}};
  Fixture f;
  f.put_pod("a");
  KubernetesReader reader = f.reader();
  REQUIRE(reader.until(pods_are("a ")));
  std::string expected = "a ";
  for (const Case& c : cases) {
    INFO(c.name);
    for (int round = 0; round < 5; ++round) {
      const std::string name = "b" + std::string(c.name).substr(0, 1) + std::to_string(round);
      f.put_pod(name);
      f.api.cut_watches(c.cut);
      REQUIRE(reader.until(pods_are("a " + name + " ")));
      f.api.cut_watches(c.cut);
      f.api.remove({"v1", "Pod", "db", name});
      REQUIRE(reader.until(pods_are("a ")));
    }
  }
}

TEST_CASE("a bad answer leaves the last good list and is counted by its code", "[kubernetes]") {
  struct Case {
    const char* name;
    KubeFault::Kind kind;
    int status;
    const char* code;
  };
  const Case cases[] = {{"no JSON", KubeFault::Kind::kGarbage, 0, "malformed"},
                        {"no HTTP", KubeFault::Kind::kNotHttp, 0, "malformed"},
                        {"half an answer", KubeFault::Kind::kTruncate, 0, "unavailable"},
                        {"reset", KubeFault::Kind::kReset, 0, "unavailable"},
                        {"500", KubeFault::Kind::kStatus, 500, "unavailable"},
                        {"429", KubeFault::Kind::kStatus, 429, "unavailable"}};
  for (const Case& c : cases) {
    INFO(c.name);
    Fixture f;
    f.put_pod("a");
    KubernetesReader reader = f.reader();
    REQUIRE(reader.until([&](const KubernetesSlice& s) {
      return pods_text(s) == "a " && f.api.open_watches("/api/v1/pods") == 1;
    }));
    KubeFault fault;
    fault.kind = c.kind;
    fault.status = c.status;
    fault.path_prefix = "/api/v1/pods";
    f.api.set_fault(fault);
    f.api.cut_watches(KubeApi::Cut::kExpired, "/api/v1/pods");
    f.put_pod("b");
    REQUIRE(reader.until([&](const KubernetesSlice&) {
      return reader.report("Pod").errors.contains(c.code) && !reader.report("Pod").up;
    }));
    CHECK(pods_text(reader.slice()) == "a ");
    CHECK_FALSE(reader.report("Pod").last_error.empty());
    CHECK(reader.report("Node").up);
    f.api.clear_faults();
    CHECK(reader.until(pods_are("a b ")));
    CHECK(reader.until([&](const KubernetesSlice&) { return reader.report("Pod").up; }));
  }
}

TEST_CASE("a watch that brings nothing but a web page is a failure, not a silent stream",
          "[kubernetes]") {
  struct Case {
    const char* name;
    KubeFault::Kind kind;
    const char* code;
  };
  const Case cases[] = {{"garbage", KubeFault::Kind::kGarbage, "malformed"},
                        {"reset", KubeFault::Kind::kReset, "unavailable"}};
  for (const Case& c : cases) {
    INFO(c.name);
    Fixture f;
    f.put_pod("a");
    KubeFault fault;
    fault.kind = c.kind;
    fault.path_prefix = "/api/v1/pods";
    fault.verb = "watch";
    f.api.set_fault(fault);
    KubernetesReader reader = f.reader();
    REQUIRE(reader.until([&](const KubernetesSlice&) {
      const auto& errors = reader.report("Pod").errors;
      return errors.contains(c.code) && errors.at(c.code) >= 3;
    }));
    CHECK(pods_text(reader.slice()) == "a ");
    f.api.clear_faults();
    f.put_pod("b");
    CHECK(reader.until(pods_are("a b ")));
  }
}

TEST_CASE("an object of a wrong type poisons only itself", "[kubernetes]") {
  Fixture f;
  f.put_pod("good");
  f.api.put(R"({"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"db","name":"odd"},
                "spec":{"nodeName":["n1"]},"status":{"phase":"Running"}})");
  KubernetesReader reader = f.reader();
  REQUIRE(reader.until(pods_are("good odd ")));
  const auto& pods = reader.slice().pods.known_value();
  CHECK(pods[0]->phase == "Running");
  CHECK(pods[1]->phase.empty());
  CHECK_FALSE(reader.report("Pod").up);
  CHECK_THAT(reader.report("Pod").last_error, Catch::StartsWith("db/odd: member \"nodeName\""));
  CHECK(reader.report("Pod").errors.at("malformed") == 1);
  f.api.patch({"v1", "Pod", "db", "odd"}, R"({"spec":{"nodeName":"n1"}})");
  REQUIRE(reader.until([&](const KubernetesSlice&) { return reader.report("Pod").up; }));
  CHECK(reader.slice().pods.known_value()[1]->phase == "Running");
}

TEST_CASE("a kind that hangs delays no other one", "[kubernetes]") {
  Fixture f;
  f.settings.request_timeout = 300ms;
  f.put_pod("a");
  KubeFault fault;
  fault.path_prefix = "/api/v1/nodes";
  f.api.set_fault(fault);
  KubernetesReader reader = f.reader();
  REQUIRE(reader.until(pods_are("a ")));
  CHECK_FALSE(reader.slice().nodes.is_known());
  REQUIRE(reader.until([&](const KubernetesSlice& s) {
    return !s.nodes.is_known() && s.nodes.why().error.code() == ErrorCode::kTimeout;
  }));
  f.api.clear_faults();
  CHECK(reader.until([](const KubernetesSlice& s) { return s.nodes.is_known(); }));
}

TEST_CASE("bookmarks move the resume point, and a stale one leads to a listing", "[kubernetes]") {
  Fixture f;
  f.put_pod("a");
  KubernetesReader reader = f.reader();
  REQUIRE(reader.until(
      [&](const KubernetesSlice& s) { return pods_text(s) == "a " && s.nodes.is_known(); }));
  REQUIRE(reader.until([&](const KubernetesSlice&) { return f.api.open_watches() >= 5; }));
  const std::size_t lists = f.api.requests("list", "/api/v1/nodes");
  f.put_pod("b");  // moves the resourceVersion on; Nodes hear of it by bookmark only
  f.api.send_bookmarks();
  REQUIRE(reader.until(pods_are("a b ")));
  reader.run_for(200ms);
  f.api.compact();
  f.api.cut_watches(KubeApi::Cut::kAbrupt, "/api/v1/nodes");
  reader.run_for(300ms);
  CHECK(f.api.requests("list", "/api/v1/nodes") == lists);
  f.put_pod("c");
  f.api.compact();
  f.api.cut_watches(KubeApi::Cut::kAbrupt, "/api/v1/nodes");
  REQUIRE(reader.until([&](const KubernetesSlice&) {
    return f.api.requests("list", "/api/v1/nodes") == lists + 1;
  }));
  CHECK(reader.until(pods_are("a b c ")));
}

TEST_CASE("a continue token that expires between pages starts the listing over", "[kubernetes]") {
  Fixture f;
  f.timing.page_size = 2;
  for (const char* name : {"a", "b", "c", "d", "e"}) f.put_pod(name);
  KubeFault gone;
  gone.kind = KubeFault::Kind::kStatus;
  gone.status = 410;
  gone.path_prefix = "/api/v1/pods";
  gone.verb = "list";
  gone.times = 2;
  f.api.set_fault(gone);
  KubernetesReader reader = f.reader();
  REQUIRE(reader.until(pods_are("a b c d e ")));
  // Twice in pages, then whole.
  const auto journal = f.api.journal();
  CHECK(std::count(journal.begin(), journal.end(), "GET /api/v1/pods?limit=2") == 2);
  CHECK(std::count(journal.begin(), journal.end(), "GET /api/v1/pods") == 1);
}

TEST_CASE("without credentials every kind is not set up, and unknown if it was asked for",
          "[kubernetes]") {
  config::Kubernetes settings;
  {
    KubernetesReader reader(settings, process_environment({}, "/nonexistent"));
    REQUIRE(reader.until([](const KubernetesSlice&) { return true; }));
    CHECK(reader.slice().pods.why().absence == Absence::kNotSetUp);
    CHECK_THAT(reader.slice().pods.why().error.message(), Catch::Contains("$KUBECONFIG"));
    CHECK(reader.report("Pod").not_set_up);
    std::size_t kinds = 0;
    KubernetesSlice::for_each_kind([&](auto) { ++kinds; });
    CHECK(reader.slice().reports.size() == kinds);
  }
  settings.enabled = config::Switch::kOn;
  KubernetesReader asked(settings, process_environment({}, "/nonexistent"));
  REQUIRE(asked.until([](const KubernetesSlice&) { return true; }));
  CHECK(asked.slice().pods.why().absence == Absence::kUnknown);
  CHECK_FALSE(asked.report("Pod").not_set_up);
  CHECK_FALSE(asked.report("Pod").last_error.empty());
}

TEST_CASE("the server's clock is compared with ours", "[kubernetes]") {
  Fixture f;
  f.api.set_clock_skew(-120s);
  KubernetesReader reader = f.reader();
  REQUIRE(reader.until([](const KubernetesSlice& s) { return s.nodes.is_known(); }));
  CHECK(reader.report("Node").clock_skew_seconds.value_or(0) == Approx(-120).margin(1.5));
}

TEST_CASE("10,000 Pods are listed and watched without a slip", "[kubernetes]") {
  Fixture f;
  for (int i = 0; i < 10'000; ++i) f.put_pod("p" + std::to_string(100'000 + i));
  KubernetesReader reader = f.reader();
  const auto has = [](std::size_t n) {
    return [n](const KubernetesSlice& s) {
      return s.pods.is_known() && s.pods.known_value().size() == n;
    };
  };
  REQUIRE(reader.until(has(10'000), 60s));
  const int before = reader.published();
  for (int i = 0; i < 1000; ++i) f.put_pod("q" + std::to_string(i));
  for (int i = 0; i < 1000; ++i) {
    f.api.remove({"v1", "Pod", "db", "p" + std::to_string(100'000 + i * 7)});
  }
  REQUIRE(reader.until(has(10'000), 60s));
  f.put_pod("zz");
  REQUIRE(reader.until(has(10'001), 60s));
  const auto& pods = reader.slice().pods.known_value();
  CHECK(pods.back()->meta.name == "zz");
  CHECK(std::is_sorted(pods.begin(), pods.end(),
                       [](const auto& a, const auto& b) { return a->meta.name < b->meta.name; }));
  CHECK(std::none_of(pods.begin(), pods.end(),
                     [](const auto& pod) { return pod->meta.name == "p100007"; }));
  // 2,001 changes, but a slice per 50 ms.
  CHECK(reader.published() - before < 500);
}

TEST_CASE("a kind that is polled is listed again and never watched", "[kubernetes]") {
  Fixture f;
  f.timing.poll = 50ms;
  f.api.install_group("longhorn.io");
  const auto put = [&](const std::string& name) {
    f.api.put(R"({"apiVersion":"longhorn.io/v1beta2","kind":"Snapshot","metadata":{"name":")" +
              name +
              R"(","namespace":"longhorn-system"},"spec":{"volume":"v"},
                 "status":{"size":5,"readyToUse":true}})");
  };
  const auto counted = [](std::int64_t count) {
    return [count](const KubernetesSlice& s) {
      const auto* sums = s.longhorn_snapshots.if_known();
      return sums != nullptr && sums->size() == 1 && sums->front()->count == count &&
             sums->front()->bytes == 5 * count;
    };
  };
  put("a");
  KubernetesReader reader = f.reader();
  REQUIRE(reader.until(counted(1)));
  CHECK(reader.slice().longhorn_snapshots.known_value()[0]->meta.name == "v");
  put("b");
  REQUIRE(reader.until(counted(2)));
  CHECK(f.api.open_watches("/apis/longhorn.io/v1beta2/snapshots") == 0);
  CHECK(f.api.open_watches("/apis/longhorn.io/v1beta2/volumes") == 1);
  CHECK(reader.report("LonghornSnapshot").up);
  f.api.remove({"longhorn.io/v1beta2", "Snapshot", "longhorn-system", "a"});
  CHECK(reader.until(counted(1)));
}

}  // namespace keelwatch::testing
