#include "config/check.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>

#include "base/host_port.h"
#include "base/time_text.h"
#include "config/settings.h"

namespace keelwatch::config {

// Secrets in a file that is shown, copied and put into ConfigMaps are secrets lost.
void refuse_secret(std::string_view key, std::string_view what, MappingReader& map,
                   Diagnostics& problems) {
  if (!map.has(key)) return;
  const YamlNode* value = map.node(key);
  const SourceSpan where = map.span(key);
  const auto breaks = value ? std::count(value->text().begin(), value->text().end(), '\n') : 0;
  problems.hide_lines(where.line - 1, where.line + static_cast<int>(breaks) + 1);
  map.error(key, fmt::format("{} are not written here", what),
            fmt::format("put it into a file and name that as {}_file", key));
}

// Whether the file itself says something for the key; "" says that there is nothing.
bool gives(MappingReader& map, std::string_view key) {
  const YamlNode* value = map.node(key);
  return value && !value->text().empty();
}

bool is_web_address(std::string_view url) {
  return url.starts_with("http://") || url.starts_with("https://");
}

namespace {

void check_login(const PostgresLogin& login, MappingReader& map, Diagnostics& problems) {
  refuse_secret("password", "passwords", map, problems);
  if (gives(map, "password_file") && gives(map, "passfile")) {
    map.error("passfile", "contradicts password_file", "give one of the two");
  }
  if (login.sslcert.empty() != login.sslkey.empty()) {
    const bool has_cert = login.sslkey.empty();
    const std::string_view given = has_cert ? "sslcert" : "sslkey";
    map.error(given, fmt::format("needs {} as well", has_cert ? "sslkey" : "sslcert"));
  }
  if (login.sslmode != "disable") return;
  for (const std::string_view key : {"sslrootcert", "sslcert", "sslkey"}) {
    if (gives(map, key)) map.warning(key, "has no effect while sslmode is disable");
  }
}

// One of the two ways to a password displaces the other one that came from the section above.
void displace_other_password(PostgresLogin& login, MappingReader& map) {
  if (gives(map, "password_file") && !map.node("passfile")) login.passfile.clear();
  if (gives(map, "passfile") && !map.node("password_file")) login.password_file.clear();
}

bool is_address(const std::string& text) {
  in6_addr buffer = {};
  return inet_pton(AF_INET, text.c_str(), &buffer) == 1 ||
         inet_pton(AF_INET6, text.c_str(), &buffer) == 1;
}

template <typename Instance>
void check_address(const Instance& i, MappingReader& map, Diagnostics& problems) {
  if (i.host.find("://") != std::string::npos) {
    const SourceSpan where = map.span("host");
    problems.hide_lines(where.line, where.line);  // it may hold a password
    map.error("host", "is a connection string",
              "give host and port, and the login as user and so on");
  } else if (i.host.find(':') != std::string::npos && !is_address(i.host) && i.host[0] != '/') {
    map.error("host", fmt::format("{} is not a host name or address", in_quotes(i.host)),
              "a port goes to the key port");
  }
  if (i.hostaddr.empty()) return;
  if (!is_address(i.hostaddr)) {
    map.error("hostaddr", fmt::format("{} is not an IP address", in_quotes(i.hostaddr)),
              "a name belongs into host");
  } else if (i.host.starts_with('/')) {
    map.error("hostaddr", "contradicts host, which is a socket folder", "give one of the two");
  }
}

// Whether the mapping sets any of the settings that are visited.
struct SetsAny {
  MappingReader& map;
  bool any = false;
  template <typename Field, typename Rule>
  void value(std::string_view key, Field&, const Rule&, std::string_view) {
    any = any || gives(map, key);
  }
};

struct Mistake {
  std::string problem;
  std::string remedy;
};

// What is wrong with the endpoint of an object store.
std::optional<Mistake> mistake_of_endpoint(const std::string& endpoint) {
  if (!is_web_address(endpoint)) {
    return Mistake{fmt::format("{} is not a web address", in_quotes(endpoint)),
                   "start it with https:// or http://"};
  }
  if (endpoint.find('@') != std::string::npos) {
    return Mistake{"holds a login", "name the files of the key instead"};
  }
  if (endpoint.find('/', endpoint.find("://") + 3) < endpoint.size() - 1) {
    return Mistake{"has a path", "bucket and folder belong into destination"};
  }
  return std::nullopt;
}

void check_key(const AccessKey& key, MappingReader& map, Diagnostics& problems) {
  for (const std::string_view secret : {"access_key", "secret_key", "session_token"}) {
    refuse_secret(secret, "keys", map, problems);
  }
  // A mistake of the section above is told there.
  if (!gives(map, "access_key_file") && !gives(map, "secret_key_file") &&
      !gives(map, "session_token_file")) {
    return;
  }
  if (key.access_key_file.empty() != key.secret_key_file.empty()) {
    const bool has_id = key.secret_key_file.empty();
    map.error(has_id ? "access_key_file" : "secret_key_file",
              fmt::format("needs {} as well", has_id ? "secret_key_file" : "access_key_file"));
  } else if (!key.session_token_file.empty() && key.access_key_file.empty()) {
    map.error("session_token_file", "needs access_key_file and secret_key_file as well");
  }
}

void check_proxy(const std::string& proxy, MappingReader& map) {
  if (proxy.empty() || parse_host_port(proxy)) return;
  map.error("socks5", fmt::format("{} is not the address of a proxy", in_quotes(proxy)),
            "write it like 127.0.0.1:1055");
}

void check_endpoint_address(const Endpoint& e, MappingReader& map, Diagnostics& problems) {
  if (e.address.empty()) return;
  const bool holds_login = e.address.find('@') != std::string::npos;
  if (holds_login || e.address.starts_with("postgres://") ||
      e.address.starts_with("postgresql://")) {
    const SourceSpan where = map.span("address");
    problems.hide_lines(where.line, where.line);  // it may hold a password
    map.error("address", "is a connection string",
              "give host:port, and the login as user and so on");
  } else if (e.kind == "http") {
    if (is_web_address(e.address)) return;
    map.error("address", fmt::format("{} is not a web address", in_quotes(e.address)),
              "start it with https:// or http://");
  } else if (is_web_address(e.address)) {
    map.error("address", fmt::format("{} is a web address", in_quotes(e.address)),
              "set kind: http, or write it like pg.example.org:5432");
  } else if (!parse_host_port(e.address)) {
    map.error("address", fmt::format("{} has no host and port", in_quotes(e.address)),
              "write it like pg.example.org:5432, or [fd7a::1]:5432");
  }
}

}  // namespace

void check(const Kubernetes& k, MappingReader& map, Diagnostics&) {
  for (const std::string_view key : {"kubeconfig", "context"}) {
    if (k.enabled == Switch::kOff && gives(map, key)) {
      map.warning(key, "has no effect while enabled is off");
    }
  }
  if (k.health_timeout > k.health_interval) {
    map.warning(map.node("health_timeout") ? "health_timeout" : "health_interval",
                fmt::format("a check may take {} but the next is due after {}",
                            format_duration(k.health_timeout), format_duration(k.health_interval)));
  }
}

void check(const Postgres& p, MappingReader& map, Diagnostics& problems) {
  check_login(p.login, map, problems);
  // A polled answer is fresh for three of its intervals.
  if (p.query_timeout > 3 * p.interval) {
    map.warning(map.node("query_timeout") ? "query_timeout" : "interval",
                fmt::format("answers are unknown after {}, before a statement is given up after {}",
                            format_duration(3 * p.interval), format_duration(p.query_timeout)));
  }
}

void check(PostgresCluster& c, MappingReader& map, Diagnostics& problems) {
  displace_other_password(c.login, map);
  check_login(c.login, map, problems);
  if (c.instances_desired && !c.instances.empty() &&
      static_cast<std::size_t>(*c.instances_desired) < c.instances.size()) {
    map.warning("instances_desired", fmt::format("{} instances are listed", c.instances.size()));
  }
}

void check(const PgBouncer& p, MappingReader& map, Diagnostics& problems) {
  check_login(p.login, map, problems);
  if (p.query_timeout > 3 * p.interval) {
    map.warning(map.node("query_timeout") ? "query_timeout" : "interval",
                fmt::format("answers are unknown after {}, before a SHOW is given up after {}",
                            format_duration(3 * p.interval), format_duration(p.query_timeout)));
  }
}

void check(PgBouncerPooler& p, MappingReader& map, Diagnostics& problems) {
  displace_other_password(p.login, map);
  check_login(p.login, map, problems);
}

void check(const PostgresInstance& i, MappingReader& map, Diagnostics& problems) {
  check_address(i, map, problems);
}

void check(const PgBouncerInstance& i, MappingReader& map, Diagnostics& problems) {
  check_address(i, map, problems);
}

void check(const Thresholds&, MappingReader&, Diagnostics&) {}

void check(ThresholdOverride& t, MappingReader& map, Diagnostics&) {
  SetsAny thresholds{map};
  visit_settings(thresholds, t.values);
  if (thresholds.any || !map.node("cluster")) return;
  map.warning("cluster", "overrides nothing", "set one of the thresholds");
}

void check(const FilesystemPath& p, MappingReader& map, Diagnostics&) {
  if (p.path.empty() || p.path.starts_with('/')) return;
  map.error("path", fmt::format("{} is not absolute", in_quotes(p.path)), "start it with /");
}

void check(const Filesystems& f, MappingReader& map, Diagnostics&) {
  if (f.kubelet_insecure_skip_verify) {
    map.warning("kubelet_insecure_skip_verify",
                "whoever answers in a kubelet's place is believed and gets the token",
                "name the kubelets' CA as kubelet_ca");
  }
}

void check(const ScrapeTarget& t, MappingReader& map, Diagnostics& problems) {
  if (t.url.empty()) return;
  const auto host = t.url.find("://") + 3;
  if (!is_web_address(t.url)) {
    map.error("url", fmt::format("{} is not a web address", in_quotes(t.url)),
              "start it with https:// or http://");
  } else if (t.url.substr(host, t.url.find('/', host) - host).find('@') != std::string::npos) {
    const SourceSpan where = map.span("url");
    problems.hide_lines(where.line, where.line);  // it may hold a password
    map.error("url", "holds a login", "pages behind a login cannot be scraped");
  }
}

void check(const Scrape&, MappingReader&, Diagnostics&) {}

void check(const ArchivedServer& s, MappingReader& map, Diagnostics&) {
  if (s.name.find('/') != std::string::npos) {
    map.error("name", fmt::format("{} is not a server's name", in_quotes(s.name)),
              "folders above it belong into destination");
  }
  if (!s.wal_segment_bytes) return;
  constexpr double kMiB = 1024.0 * 1024;
  const double mebibytes = *s.wal_segment_bytes / kMiB;
  int exponent = 0;
  if (mebibytes >= 1 && mebibytes <= 1024 && std::frexp(mebibytes, &exponent) == 0.5) return;
  map.error("wal_segment_size", "is not a size of WAL segments", "a power of two, 1MiB to 1GiB");
}

void check(ObjectStore& s, MappingReader& map, Diagnostics& problems) {
  // A key of its own displaces the one that came from the section above as a whole.
  if (gives(map, "access_key_file") && !map.node("session_token_file")) {
    s.key.session_token_file.clear();
  }
  check_key(s.key, map, problems);
  constexpr std::string_view kScheme = "s3://";
  const bool named = s.destination.size() > kScheme.size() && s.destination[kScheme.size()] != '/';
  if (!s.destination.empty() && (!s.destination.starts_with(kScheme) || !named)) {
    map.error("destination", fmt::format("{} is not a bucket", in_quotes(s.destination)),
              "write it like s3://bucket/folder; other stores than S3 are not supported");
  }
  if (s.endpoint.empty()) return;
  if (const auto mistake = mistake_of_endpoint(s.endpoint)) {
    const SourceSpan where = map.span("endpoint");
    if (s.endpoint.find('@') != std::string::npos) {
      problems.hide_lines(where.line, where.line);  // it may hold a password
    }
    map.error("endpoint", mistake->problem, mistake->remedy);
  }
}

void check(const ObjectStores& s, MappingReader& map, Diagnostics& problems) {
  check_key(s.key, map, problems);
  if (s.full_listing_interval < s.listing_interval) {
    map.warning(map.node("full_listing_interval") ? "full_listing_interval" : "listing_interval",
                "everything is listed more often than what is new");
  }
}

void check(Endpoint& e, MappingReader& map, Diagnostics& problems) {
  displace_other_password(e.login, map);
  check_login(e.login, map, problems);
  check_endpoint_address(e, map, problems);
  check_proxy(e.socks5, map);
  if (e.kind == "postgres") return;
  if (e.role != "none") {
    map.error("role", fmt::format("says nothing of kind {}", e.kind),
              "only kind postgres tells what is found at an address");
  }
  if (e.kind == "tcp" && gives(map, "tls_name")) {
    map.warning("tls_name", "has no effect with kind tcp", "kind tls checks a certificate");
  }
}

void check(const Endpoints& e, MappingReader& map, Diagnostics& problems) {
  check_login(e.login, map, problems);
  check_proxy(e.socks5, map);
  if (e.failures > 1 && e.failure_interval < e.timeout) {
    map.warning(map.node("failure_interval") ? "failure_interval" : "timeout",
                fmt::format("the probe that confirms a failure is due after {}, before a step is "
                            "given up after {}",
                            format_duration(e.failure_interval), format_duration(e.timeout)));
  }
}

void check(const PlacementHost& h, MappingReader& map, Diagnostics& problems) {
  const YamlNode* listed = map.node("object_stores");
  for (std::size_t i = 0; i < h.object_stores.size(); ++i) {
    const std::string& endpoint = h.object_stores[i];
    const auto mistake = mistake_of_endpoint(endpoint);
    if (endpoint.empty() || !mistake) continue;
    const SourceSpan where = listed->is_sequence() ? listed->items()[i].span() : listed->span();
    if (endpoint.find('@') != std::string::npos) problems.hide_lines(where.line, where.line);
    problems.error(where, map.subject("object_stores"), mistake->problem, mistake->remedy);
  }
  if (!h.name.empty() && h.nodes.empty() && h.object_stores.empty()) {
    map.warning("name", "holds nothing", "list its nodes, or its object stores");
  }
}

namespace {

// That nothing is in two places: each text of the lists below `key` once in all hosts.
void check_once(std::string_view key, std::string_view what, const YamlNode& hosts,
                Diagnostics& problems) {
  std::map<std::string, int> lines;
  for (std::size_t i = 0; i < hosts.items().size(); ++i) {
    const YamlNode listed = hosts.items()[i][key];
    for (const YamlNode& node : listed.is_sequence() ? listed.items() : std::vector{listed}) {
      if (node.text().empty()) continue;
      const auto [first, is_new] = lines.emplace(node.text(), node.span().line);
      if (is_new) continue;
      problems.error(node.span(), fmt::format("placement.hosts[{}].{}", i, key),
                     fmt::format("{} {} is listed in line {} already", what, in_quotes(node.text()),
                                 first->second));
    }
  }
}

}  // namespace

void check(const Placement&, MappingReader& map, Diagnostics& problems) {
  const YamlNode* hosts = map.node("hosts");
  if (hosts == nullptr) return;
  check_once("nodes", "node", *hosts, problems);
  check_once("object_stores", "object store", *hosts, problems);
}

std::string identity(const PostgresInstance& i) { return i.name; }
std::string identity(const PostgresCluster& c) { return c.name.empty() ? "" : c.ns + '/' + c.name; }
std::string identity(const PgBouncerInstance& i) { return i.name; }
std::string identity(const PgBouncerPooler& p) { return p.name.empty() ? "" : p.ns + '/' + p.name; }
std::string identity(const FilesystemPath& p) { return p.path; }
std::string identity(const ScrapeTarget& t) { return t.url; }
std::string identity(const ArchivedServer& s) { return s.name; }
std::string identity(const ObjectStore& s) {
  return s.destination.empty() ? "" : s.endpoint + ' ' + s.destination;
}
std::string identity(const Endpoint& e) {
  const std::string& name = e.name.empty() ? e.address : e.name;
  return name.empty() ? "" : e.ns + '/' + name;
}
std::string identity(const PlacementHost& h) { return h.name; }
std::string identity(const ThresholdOverride& t) {
  return t.cluster.empty() ? "" : t.ns + '/' + t.cluster;
}

}  // namespace keelwatch::config
