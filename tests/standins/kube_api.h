// A stand-in of the Kubernetes API for readers: list with paging over consistent snapshots, get,
// watch with resourceVersions, bookmarks and 410, selectors, bearer tokens, RBAC refusals, TLS;
// with the API server's own bodies, so that a client cannot tell them apart. Objects live in memory
// and are written through this class (tests) or KubeAdminDoor (scripts), not through the API: a
// client's POST, PUT, PATCH and DELETE answer 405, and requests() shows that it tried.
//
// Threads: every method may be called from any; what a method has changed is what the next request
// sees. Misuse (a kind that is not installed, broken JSON) throws. The destructor stops at once,
// whatever is open.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/http_server.h"
#include "tests/standins/kube_access.h"
#include "tests/standins/kube_store.h"

namespace keelwatch::standins {

// What happens to requests instead of, or before, their answer.
struct KubeFault {
  enum class Kind {
    kHang,      // accepted, unanswered until the fault is cleared; open watches fall silent
    kDelay,     // answered after `delay`
    kStatus,    // `status` with a Status object; 429 and 503 with Retry-After when it is set
    kGarbage,   // 200 with a body that is no JSON
    kNotHttp,   // bytes that are no HTTP
    kTruncate,  // the right answer, half of it, then a reset; of a watch: half of an event
    kReset,     // the connection is reset
  };
  Kind kind = Kind::kHang;
  std::string path_prefix;  // of the path without the query; "" is every path
  std::string verb;         // "list", "watch", "get"; "" is any
  int times = -1;           // so many requests only; -1: until cleared
  std::chrono::milliseconds delay{0};
  int status = 500;
  std::optional<int> retry_after_seconds;
};

class KubeApi {
 public:
  struct Options {
    std::uint16_t port = 0;
    bool plain_http = false;
    std::optional<ServerTls> tls;  // without: a CA and certificate of its own (unless plain_http)
    std::string ca_pem;            // what ca_pem() returns; needed with `tls` only
    std::string user = "system:serviceaccount:keelwatch:keelwatch";
    std::string token;  // empty: a random one
    // The rights of `user`; empty: get, list and watch of everything.
    std::vector<KubeRule> rules;
    std::size_t history = 50'000;  // changes remembered; older resourceVersions are 410
    std::chrono::milliseconds bookmark_interval = std::chrono::minutes(1);
    std::string version = "v1.36.3";
  };

  KubeApi();
  explicit KubeApi(Options options);
  ~KubeApi();
  KubeApi(const KubeApi&) = delete;
  KubeApi& operator=(const KubeApi&) = delete;

  [[nodiscard]] std::string url() const;
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::string token() const;   // of Options::user, as last rotated
  [[nodiscard]] std::string ca_pem() const;  // "" for plain HTTP

  // Built-in kinds are there from the start, custom ones once installed. install_group() knows the
  // groups of kube_catalogue.cc ("postgresql.cnpg.io"; "*": all of them).
  void install(KubeResource resource);
  void install_group(std::string_view group);
  void uninstall_group(std::string_view group);
  void uninstall_kind(std::string_view group, std::string_view plural);

  // One object or a List, as JSON. Returns how many. Unlike the API server's own POST this keeps
  // `status`: a test states the object that a controller would have completed.
  std::size_t put(std::string_view json);
  // JSON merge patch (RFC 7386). False when there is no such object.
  bool patch(const KubeRef& ref, std::string_view json);
  bool remove(const KubeRef& ref);
  // The object as JSON.
  [[nodiscard]] std::optional<std::string> get(const KubeRef& ref) const;
  // put() of a JSON or YAML file, of any number of documents.
  std::size_t load_file(const std::string& path);
  [[nodiscard]] std::uint64_t resource_version() const;

  // Forgets all history: older resourceVersions and continue tokens are now 410.
  void compact();
  enum class Cut {
    kClean,     // the chunked body ends as it should
    kAbrupt,    // the connection is reset
    kMidEvent,  // half of an event, then the reset
    kExpired,   // an ERROR event of code 410, then a clean end
  };
  // Ends every open watch whose path starts with the prefix. Returns how many.
  std::size_t cut_watches(Cut how, std::string_view path_prefix = "");
  // A bookmark now, to every watch that asked for them.
  void send_bookmarks();

  void set_fault(KubeFault fault);
  // Faults of exactly this prefix and verb; of all with no argument. Releases what hung.
  void clear_fault(std::string_view path_prefix, std::string_view verb = "");
  void clear_faults();

  // Added to the clock behind the Date header.
  void set_clock_skew(std::chrono::seconds skew);

  void add_user(KubeUser user);
  // The old token is refused from now on. Returns the new one.
  std::string rotate_token();
  void set_token(std::string_view user, std::string token);
  void forbid(std::string group, std::string resource, std::string verb = "*");
  void allow(std::string_view group, std::string_view resource, std::string_view verb = "*");

  // A canned answer for a path that is no resource (kubelet through nodes/NAME/proxy/...).
  void set_raw(std::string path, std::string content_type, std::string body);

  // Requests so far, by verb ("list", "watch", "get", "create"...; "" any) and path ("" any).
  [[nodiscard]] std::size_t requests(std::string_view verb = "", std::string_view path = "") const;
  struct Count {
    std::string verb;
    std::string path;
    std::size_t count;
  };
  [[nodiscard]] std::vector<Count> request_counts() const;
  // "GET /api/v1/pods?limit=500" of the last 10,000 requests.
  [[nodiscard]] std::vector<std::string> journal() const;
  [[nodiscard]] std::size_t open_watches(std::string_view path_prefix = "") const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelwatch::standins
