// What a reader of the Kubernetes API may rely on, byte by byte, asserted of the stand-in and (with
// KEELWATCH_PEERS=1) of a real kube-apiserver. A difference is a bug of the stand-in.
#include "tests/contract/kube_reader.h"

using namespace std::chrono_literals;

namespace keelwatch::testing {

namespace {

std::unique_ptr<KubeServer> each_server() {
  auto server = start_kube_server(GENERATE(from_range(kube_server_names())));
  UNSCOPED_INFO("server: " << server->name());
  return server;
}

std::string maps_path(const std::string& space) {
  return "/api/v1/namespaces/" + space + "/configmaps";
}

constexpr const char* kCluster = R"({"apiVersion":"postgresql.cnpg.io/v1","kind":"Cluster",
  "metadata":{"namespace":"custom","name":"pg"},
  "spec":{"instances":3,"storage":{"size":"1Gi"}},"status":{"phase":"Cluster in healthy state"}})";
constexpr const char* kClusters = "/apis/postgresql.cnpg.io/v1/clusters";

}  // namespace

TEST_CASE("a list of built-in objects names the kind once and stamps every item", "[contract]") {
  const auto server = each_server();
  server->put(config_map("shape", "one"));
  const RawResponse response = raw_get(server->reader(), maps_path("shape"));
  CHECK(response.status == 200);
  CHECK(response.header("content-type") == "application/json");
  CHECK(response.header("cache-control") == "no-cache, private");
  CHECK(response.header("date").ends_with(" GMT"));
  CHECK(response.body.starts_with(
      R"({"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resour)"));
  const Json list = Json::parse(response.body);
  REQUIRE(list["items"].size() == 1);
  const Json& item = list["items"][0];
  CHECK_FALSE(item.contains("kind"));
  CHECK_FALSE(item.contains("apiVersion"));
  CHECK(item["metadata"]["uid"].get<std::string>().size() == 36);
  CHECK(item["metadata"]["creationTimestamp"].get<std::string>().ends_with("Z"));
  CHECK(std::stoull(version_of(item)) <= std::stoull(version_of(list)));
  CHECK(get_json(*server, "/api/v1/namespaces/nowhere/configmaps")["items"] == Json::array());
}

TEST_CASE("a list of custom objects has its metadata last and the kind in every item",
          "[contract]") {
  const auto server = each_server();
  server->install("postgresql.cnpg.io");
  server->put(kCluster);
  const RawResponse response = raw_get(server->reader(), kClusters);
  CHECK(response.body.starts_with(R"({"apiVersion":"postgresql.cnpg.io/v1","items":[{)"));
  const Json list = Json::parse(response.body);
  CHECK(list["kind"] == "ClusterList");
  REQUIRE(list["items"].size() == 1);
  CHECK(list["items"][0]["kind"] == "Cluster");
  CHECK(list["items"][0]["apiVersion"] == "postgresql.cnpg.io/v1");
  CHECK(list["items"][0]["status"]["phase"] == "Cluster in healthy state");
  const std::string tail = response.body.substr(response.body.rfind("\"kind\""));
  CHECK(tail.starts_with(R"("kind":"ClusterList","metadata":{)"));
}

TEST_CASE("pages of a list show one moment, whatever is written between them", "[contract]") {
  const auto server = each_server();
  for (const char* name : {"c", "a", "e", "b", "d"}) server->put(config_map("pages", name));
  const std::string path = maps_path("pages") + "?limit=2";
  const Json first = get_json(*server, path);
  CHECK(names_of(first) == std::vector<std::string>{"a", "b"});
  CHECK(first["metadata"]["remainingItemCount"] == 3);
  server->remove(config_map_ref("pages", "c"));
  server->put(config_map("pages", "cc"));
  server->put(config_map("pages", "d", "changed"));

  const std::string token = first["metadata"]["continue"];
  CHECK(token.find_first_of("+/=& ") == std::string::npos);
  const Json second = get_json(*server, path + "&continue=" + token);
  CHECK(names_of(second) == std::vector<std::string>{"c", "d"});
  CHECK(second["items"][1]["data"]["value"] == "1");
  CHECK(version_of(second) == version_of(first));
  CHECK(second["metadata"]["remainingItemCount"] == 1);
  const Json third =
      get_json(*server, path + "&continue=" + second["metadata"]["continue"].get<std::string>());
  CHECK(names_of(third) == std::vector<std::string>{"e"});
  CHECK_FALSE(third["metadata"].contains("continue"));
  CHECK_FALSE(third["metadata"].contains("remainingItemCount"));

  const Json now = get_json(*server, maps_path("pages"));
  CHECK(names_of(now) == std::vector<std::string>{"a", "b", "cc", "d", "e"});
  // resourceVersion=0 is answered from a cache that does not page.
  CHECK(get_json(*server, path + "&resourceVersion=0")["items"].size() == 5);
  // With a selector nobody counts what remains.
  const Json selected = get_json(*server, path + "&labelSelector=of%3Da");
  CHECK(selected["metadata"].contains("continue"));
  CHECK_FALSE(selected["metadata"].contains("remainingItemCount"));
}

TEST_CASE("an expired continue token is 410 and offers an inconsistent rest", "[contract]") {
  const auto server = each_server();
  for (const char* name : {"a", "b", "c", "d"}) server->put(config_map("expired", name));
  const std::string path = maps_path("expired") + "?limit=2";
  const Json first = get_json(*server, path);
  server->put(config_map("expired", "bb"));
  server->expire_history();
  const Json gone = get_json(
      *server, path + "&continue=" + first["metadata"]["continue"].get<std::string>(), 410);
  CHECK(gone["kind"] == "Status");
  CHECK(gone["reason"] == "Expired");
  CHECK(gone["code"] == 410);
  CHECK(gone["message"].get<std::string>().starts_with(
      "The provided continue parameter is too old to display a consistent list result."));
  const std::string rest = gone["metadata"]["continue"];
  CHECK(names_of(get_json(*server, path + "&continue=" + rest)) ==
        std::vector<std::string>{"bb", "c"});
}

TEST_CASE("a watch tells every change after its resourceVersion, in order", "[contract]") {
  const auto server = each_server();
  const std::string path = maps_path("watched");
  server->put(config_map("watched", "old"));
  const std::string version = version_of(get_json(*server, path));
  server->put(config_map("watched", "early"));
  WatchReader watch(*server, path + "?watch=true&resourceVersion=" + version);
  CHECK(watch.head().status == 200);
  CHECK(watch.head().header("transfer-encoding") == "chunked");
  CHECK(watch.head().header("content-type") == "application/json");
  CHECK_FALSE(watch.head().header("date").empty());
  server->put(config_map("elsewhere", "other"));
  server->patch(config_map_ref("watched", "old"), R"({"data":{"value":"2"}})");
  server->put(config_map("watched", "old", "2"));  // changes nothing: no event
  server->remove(config_map_ref("watched", "early"));

  std::uint64_t last = std::stoull(version);
  struct Expected {
    const char* type;
    const char* name;
  };
  for (const Expected& expected :
       {Expected{"ADDED", "early"}, Expected{"MODIFIED", "old"}, Expected{"DELETED", "early"}}) {
    const auto event = watch.next();
    REQUIRE(event);
    INFO(event->dump());
    CHECK((*event)["type"] == expected.type);
    const Json& object = (*event)["object"];
    CHECK(object["metadata"]["name"] == expected.name);
    CHECK(object["kind"] == "ConfigMap");
    CHECK(object["apiVersion"] == "v1");
    CHECK(std::stoull(version_of(object)) > last);
    last = std::stoull(version_of(object));
  }
  // One more, to see that nothing stood between.
  server->put(config_map("watched", "late"));
  CHECK(watch.next_brief() == "ADDED late");
}

TEST_CASE("a watch from resourceVersion 0 begins with what is there", "[contract]") {
  const auto server = each_server();
  server->put(config_map("begin", "a"));
  server->put(config_map("begin", "b"));
  WatchReader watch(*server, maps_path("begin") + "?watch=1&resourceVersion=0");
  CHECK(watch.next_brief() == "ADDED a");
  CHECK(watch.next_brief() == "ADDED b");
  server->remove(config_map_ref("begin", "a"));
  CHECK(watch.next_brief() == "DELETED a");
}

TEST_CASE("a selector makes changes of labels look like comings and goings", "[contract]") {
  const auto server = each_server();
  server->put(config_map("labels", "one", "1", "a"));
  const std::string path = maps_path("labels");
  const std::string version = version_of(get_json(*server, path));
  WatchReader watch(*server,
                    path + "?watch=1&labelSelector=of%20in%20(b%2Cc)&resourceVersion=" + version);
  for (const char* label : {"b", "c", "a"}) server->put(config_map("labels", "one", "1", label));
  CHECK(watch.next_brief() == "ADDED one");
  CHECK(watch.next_brief() == "MODIFIED one");
  const auto gone = watch.next();
  REQUIRE(gone);
  CHECK((*gone)["type"] == "DELETED");
  CHECK((*gone)["object"]["metadata"]["labels"]["of"] == "c");
  CHECK(version_of((*gone)["object"]) == version_of(get_json(*server, path)["items"][0]));
}

TEST_CASE("selectors pick objects", "[contract]") {
  const auto server = each_server();
  server->put(config_map("select", "one", "1", "a"));
  server->put(config_map("select", "two", "1", "b"));
  server->put(
      R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"select","name":"bare"}})");
  struct Case {
    const char* query;
    std::vector<std::string> names;
  };
  const Case cases[] = {
      {"labelSelector=of%3Da", {"one"}},
      {"labelSelector=of%3D%3Da", {"one"}},
      {"labelSelector=of!%3Da", {"bare", "two"}},
      {"labelSelector=of", {"one", "two"}},
      {"labelSelector=!of", {"bare"}},
      {"labelSelector=of%20in%20(a,b),of%20notin%20(b)", {"one"}},
      {"labelSelector=of%20notin%20(a)", {"bare", "two"}},
      {"fieldSelector=metadata.name%3Dtwo", {"two"}},
      {"fieldSelector=metadata.name!%3Dtwo", {"bare", "one"}},
  };
  for (const Case& c : cases) {
    INFO(c.query);
    CHECK(names_of(get_json(*server, maps_path("select") + "?" + c.query)) == c.names);
  }
}

TEST_CASE("bookmarks carry a resourceVersion and come before the stream's planned end",
          "[contract]") {
  const auto server = each_server();
  server->put(config_map("bookmarks", "one"));
  const std::string path = maps_path("bookmarks");
  const std::string version = version_of(get_json(*server, path));
  const auto start = std::chrono::steady_clock::now();
  WatchReader watch(*server, path + "?watch=1&allowWatchBookmarks=true&timeoutSeconds=5" +
                                 "&resourceVersion=" + version);
  server->put(config_map("bookmarks", "two"));
  const auto added = watch.next();
  REQUIRE(added);
  CHECK((*added)["object"]["metadata"]["name"] == "two");
  const auto bookmark = watch.next();
  REQUIRE(bookmark);
  CHECK((*bookmark)["type"] == "BOOKMARK");
  const Json& object = (*bookmark)["object"];
  CHECK(object["kind"] == "ConfigMap");
  CHECK(object["apiVersion"] == "v1");
  CHECK_FALSE(object["metadata"].contains("name"));
  // At least what was said; the kind's cache may be behind the newest change of other kinds.
  CHECK(std::stoull(version_of(object)) >= std::stoull(version_of((*added)["object"])));
  while (const auto event = watch.next()) CHECK((*event)["type"] == "BOOKMARK");
  const auto lasted = std::chrono::steady_clock::now() - start;
  CHECK(lasted > 4s);
  CHECK(lasted < 8s);
}

TEST_CASE("a watch from a forgotten resourceVersion is 200 with an ERROR event of code 410",
          "[contract]") {
  const auto server = each_server();
  const std::string path = maps_path("forgotten");
  server->put(config_map("forgotten", "one"));
  const std::string version = version_of(get_json(*server, path));
  server->put(config_map("forgotten", "two"));
  WatchReader before(*server, path + "?watch=1&resourceVersion=" + version);
  CHECK(before.next_brief() == "ADDED two");
  server->expire_history();
  WatchReader watch(*server, path + "?watch=1&resourceVersion=" + version);
  CHECK(watch.head().status == 200);
  const auto event = watch.next();
  REQUIRE(event);
  INFO(event->dump());
  CHECK((*event)["type"] == "ERROR");
  const Json& status = (*event)["object"];
  CHECK(status["kind"] == "Status");
  CHECK(status["code"] == 410);
  CHECK(status["reason"] == "Expired");
  CHECK(status["message"].get<std::string>().starts_with("too old resource version: " + version));
  CHECK_FALSE(watch.next());
  // And what a fresh list says can be watched.
  const std::string fresh = version_of(get_json(*server, path));
  WatchReader again(*server, path + "?watch=1&resourceVersion=" + fresh);
  server->put(config_map("forgotten", "three"));
  CHECK(again.next_brief() == "ADDED three");
}

TEST_CASE("a list at an exact version that is forgotten is 410", "[contract]") {
  const auto server = each_server();
  const std::string path = maps_path("exact");
  server->put(config_map("exact", "one"));
  const std::string version = version_of(get_json(*server, path));
  server->put(config_map("exact", "two"));
  const std::string at = path + "?resourceVersionMatch=Exact&limit=10&resourceVersion=" + version;
  const Json then = get_json(*server, at);
  CHECK(names_of(then) == std::vector<std::string>{"one"});
  CHECK(version_of(then) == version);
  server->expire_history();
  CHECK(get_json(*server, at, 410)["message"] ==
        "The resourceVersion for the provided list is too old.");
}

TEST_CASE("refused requests say why, in the API server's words", "[contract]") {
  const auto server = each_server();
  server->put(config_map("db", "any"));
  server->forbid("", "pods");
  server->forbid("postgresql.cnpg.io", "clusters");
  const std::string user = R"(User "system:serviceaccount:keelwatch:keelwatch" cannot )";
  struct Case {
    const char* target;
    std::string message;
    Json details;
  };
  const Case cases[] = {
      {"/api/v1/pods",
       "pods is forbidden: " + user +
           R"(list resource "pods" in API group "" at the cluster scope)",
       {{"kind", "pods"}}},
      {"/api/v1/namespaces/db/pods",
       "pods is forbidden: " + user +
           R"(list resource "pods" in API group "" in the namespace "db")",
       {{"kind", "pods"}}},
      {"/api/v1/namespaces/db/pods/pg-1",
       R"(pods "pg-1" is forbidden: )" + user +
           R"(get resource "pods" in API group "" in the namespace "db")",
       {{"kind", "pods"}, {"name", "pg-1"}}},
      {"/api/v1/pods?watch=true&resourceVersion=5",
       "pods is forbidden: " + user +
           R"(watch resource "pods" in API group "" at the cluster scope)",
       {{"kind", "pods"}}},
      {"/api/v1/pods?fieldSelector=metadata.name%3Dx",
       R"(pods "x" is forbidden: )" + user +
           R"(list resource "pods" in API group "" at the cluster scope)",
       {{"kind", "pods"}, {"name", "x"}}},
      // Asked before it is known whether the kind is installed.
      {kClusters,
       "clusters.postgresql.cnpg.io is forbidden: " + user +
           R"(list resource "clusters" in API group "postgresql.cnpg.io" at the cluster scope)",
       {{"kind", "clusters"}, {"group", "postgresql.cnpg.io"}}},
  };
  for (const Case& c : cases) {
    const Json status = get_json(*server, c.target, 403);
    CHECK(status["message"] == c.message);
    CHECK(status["details"] == c.details);
    CHECK(status["reason"] == "Forbidden");
    CHECK(status["status"] == "Failure");
  }
  server->allow("", "pods");
  get_json(*server, "/api/v1/pods?limit=1");
}

TEST_CASE("a wrong token is 401, no token is the anonymous user", "[contract]") {
  const auto server = each_server();
  RawHttp::Peer peer = server->reader();
  peer.bearer_token = "wrong";
  const RawResponse wrong = raw_get(peer, "/api/v1/pods");
  CHECK(wrong.status == 401);
  CHECK(
      wrong.body ==
      R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401})"
      "\n");
  peer.bearer_token = "";
  const RawResponse anonymous = raw_get(peer, "/api/v1/pods");
  CHECK(anonymous.status == 403);
  CHECK(
      Json::parse(anonymous.body)["message"] ==
      R"(pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" at the cluster scope)");
  CHECK(raw_get(peer, "/version").status == 200);
  CHECK(raw_get(peer, "/livez").body == "ok");
  const RawResponse discovery = raw_get(peer, "/apis");
  CHECK(discovery.status == 403);
  CHECK(Json::parse(discovery.body)["message"] ==
        R"(forbidden: User "system:anonymous" cannot get path "/apis")");
}

TEST_CASE("a rotated token refuses the old one and ends no open watch", "[contract]") {
  const auto server = each_server();
  const std::string path = maps_path("rotate");
  server->put(config_map("rotate", "one"));
  WatchReader watch(*server,
                    path + "?watch=1&resourceVersion=" + version_of(get_json(*server, path)));
  RawHttp::Peer old = server->reader();
  const std::string token = server->rotate_token();
  CHECK(token != old.bearer_token);
  CHECK(token == server->token());
  CHECK(raw_get(old, path).status == 401);
  get_json(*server, path);
  server->put(config_map("rotate", "two"));
  CHECK(watch.next_brief() == "ADDED two");
}

TEST_CASE("what is not there is 404, in the form that tells what is missing", "[contract]") {
  const auto server = each_server();
  server->install("postgresql.cnpg.io");
  struct Case {
    const char* target;
    std::string message;  // "": plain text, the path is not served at all
  };
  const Case cases[] = {
      {"/apis/longhorn.io/v1beta2/volumes", ""},
      {"/apis/longhorn.io/v1beta2/volumes?watch=1&resourceVersion=1", ""},
      {"/apis/postgresql.cnpg.io/v9/clusters", ""},
      {"/api/v1/namespaces/db/pods/none", R"(pods "none" not found)"},
      {"/api/v1/nodes/none", R"(nodes "none" not found)"},
      {"/apis/postgresql.cnpg.io/v1/namespaces/db/clusters/none",
       R"(clusters.postgresql.cnpg.io "none" not found)"},
  };
  for (const Case& c : cases) {
    INFO(c.target);
    const RawResponse response = raw_get(server->reader(), c.target);
    CHECK(response.status == 404);
    if (c.message.empty()) {
      CHECK(response.header("content-type") == "text/plain; charset=utf-8");
      CHECK(response.body == "404 page not found\n");
    } else {
      const Json status = Json::parse(response.body);
      CHECK(status["message"] == c.message);
      CHECK(status["reason"] == "NotFound");
      CHECK(status["details"]["name"] == "none");
    }
  }
}

TEST_CASE("requests that make no sense are told so", "[contract]") {
  const auto server = each_server();
  struct Case {
    const char* query;
    int status;
    const char* message;  // how it begins
  };
  const Case cases[] = {
      {"resourceVersion=abc", 400,
       "invalid resource version: resourceVersion: Invalid value: \"abc\""},
      {"watch=1&resourceVersion=abc", 500, "resourceVersion: Invalid value: \"abc\""},
      {"continue=zzz", 400, "invalid continue token: continue key is not valid: "},
      {"labelSelector=a%20in%20b", 400, "unable to parse requirement: found 'b'"},
      {"fieldSelector=foo%3Dbar", 400,
       "\"foo\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""},
      {"fieldSelector=foo", 400, "invalid selector: 'foo'; can't understand 'foo'"},
      {"limit=abc", 400, "strconv.ParseInt: parsing \"abc\": invalid syntax"},
      {"resourceVersion=99999999", 504, "Timeout: Too large resource version: 99999999, current: "},
  };
  for (const Case& c : cases) {
    const Json status =
        get_json(*server, maps_path("default") + "?" + std::string(c.query), c.status);
    const std::string message = status["message"];
    INFO(message);
    CHECK(message.starts_with(c.message));
  }
}

TEST_CASE("metadata is the server's, and a finalizer delays a deletion", "[contract]") {
  const auto server = each_server();
  server->install("postgresql.cnpg.io");
  server->put(
      R"({"apiVersion":"postgresql.cnpg.io/v1","kind":"Cluster","metadata":{"namespace":"custom",
          "name":"held","uid":"mine","creationTimestamp":"2001-01-01T00:00:00Z","generation":77,
          "finalizers":["keelwatch.example/held"]},
          "spec":{"instances":1,"storage":{"size":"1Gi"}}})");
  const std::string path = "/apis/postgresql.cnpg.io/v1/namespaces/custom/clusters/held";
  const KubeRef ref{"postgresql.cnpg.io/v1", "Cluster", "custom", "held"};
  const Json made = get_json(*server, path);
  CHECK(made["metadata"]["uid"] != "mine");
  CHECK_FALSE(made["metadata"]["creationTimestamp"].get<std::string>().starts_with("2001"));
  CHECK(made["metadata"]["generation"] == 1);
  server->patch(ref, R"({"spec":{"instances":2}})");
  CHECK(get_json(*server, path)["metadata"]["generation"] == 2);
  server->patch_status(ref, R"({"status":{"phase":"x"}})");
  const Json patched = get_json(*server, path);
  CHECK(patched["metadata"]["generation"] == 2);
  CHECK(patched["metadata"]["uid"] == made["metadata"]["uid"]);
  CHECK(patched["status"]["phase"] == "x");

  WatchReader watch(*server,
                    std::string(kClusters) + "?watch=1&resourceVersion=" + version_of(patched));
  server->remove(ref);
  const auto marked = watch.next();
  REQUIRE(marked);
  CHECK((*marked)["type"] == "MODIFIED");
  CHECK((*marked)["object"]["metadata"].contains("deletionTimestamp"));
  server->patch(ref, R"({"metadata":{"finalizers":null}})");
  CHECK(watch.next_brief() == "DELETED held");
  get_json(*server, path, 404);
}

TEST_CASE("an uninstalled group deletes its objects, ends its watches and is 404", "[contract]") {
  const auto server = each_server();
  server->install("postgresql.cnpg.io");
  server->put(kCluster);
  WatchReader watch(*server, std::string(kClusters) + "?watch=1&resourceVersion=" +
                                 version_of(get_json(*server, kClusters)));
  server->uninstall("postgresql.cnpg.io");
  CHECK(watch.next_brief() == "DELETED pg");
  CHECK(watch.next_brief() == "end");
  CHECK(raw_get(server->reader(), kClusters).body == "404 page not found\n");
  server->install("postgresql.cnpg.io");
  CHECK(get_json(*server, kClusters)["items"] == Json::array());
}

TEST_CASE("the network in front of a server can be cut and frozen", "[contract]") {
  const auto server = each_server();
  const std::string path = maps_path("network");
  server->put(config_map("network", "one"));
  const std::string target =
      path + "?watch=1&resourceVersion=" + version_of(get_json(*server, path));
  WatchReader cut(*server, target);
  CHECK(server->network().cut() >= 1);
  CHECK_THROWS_AS(cut.next(), RawHttpError);
  WatchReader frozen(*server, target);
  server->network().freeze(true);
  server->put(config_map("network", "two"));
  CHECK_THROWS_AS(frozen.next(200ms), RawHttpTimeout);
  server->network().freeze(false);
  CHECK(frozen.next_brief() == "ADDED two");
}

}  // namespace keelwatch::testing
