#include "base/resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace keelwatch {
namespace {

using Addresses = std::vector<IpAddress>;

constexpr Duration kMaxCached = std::chrono::seconds(30);
constexpr std::size_t kMaxCachedNames = 256;
// The first repetition after a second: with the usual five, one lost datagram costs most callers
// their whole deadline. c-ares doubles it with each try.
constexpr int kFirstTryMs = 1000;
constexpr int kTries = 3;
constexpr char kSystemResolvConf[] = "/etc/resolv.conf";

void init_library() {
  static std::once_flag once;
  std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool is_localhost(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name == "localhost" || name.ends_with(".localhost");
}

// What tells one version of a file from the next.
struct FileStamp {
  ino_t inode = 0;
  off_t size = -1;
  std::int64_t modified_ns = 0;
  bool operator==(const FileStamp&) const = default;

  static FileStamp of(const std::string& path) {
    struct stat s{};
    if (path.empty() || stat(path.c_str(), &s) != 0) return {};
    return {s.st_ino, s.st_size, s.st_mtim.tv_sec * 1'000'000'000 + s.st_mtim.tv_nsec};
  }
};

std::optional<IpAddress> address_of(const ares_addrinfo_node& node) {
  char text[INET6_ADDRSTRLEN];
  const bool v6 = node.ai_family == AF_INET6;
  if (!v6 && node.ai_family != AF_INET) return std::nullopt;
  const void* bytes =
      v6 ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6*>(node.ai_addr)->sin6_addr)
         : static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(node.ai_addr)->sin_addr);
  if (!inet_ntop(node.ai_family, bytes, text, sizeof text)) return std::nullopt;
  return IpAddress{text, v6};
}

Error failure(int status, const std::string& servers) {
  switch (status) {
    case ARES_ENOTFOUND:
      return {ErrorCode::kNotFound, "no such host"};
    case ARES_ENODATA:
      return {ErrorCode::kNotFound, "the name has no address"};
    case ARES_ETIMEOUT:
      return {ErrorCode::kTimeout, "no answer from DNS server " + servers};
    case ARES_EBADNAME:
    case ARES_EBADSTR:
      return {ErrorCode::kInvalid, "not a host name"};
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
      return {ErrorCode::kCancelled, "the resolver was stopped"};
    case ARES_ECONNREFUSED:  // also what is left of SERVFAIL and REFUSED once every server said so
      return {ErrorCode::kUnavailable,
              "DNS server " + servers + " refused or failed, or cannot be reached"};
    default:
      return {ErrorCode::kUnavailable,
              "DNS server " + servers + ": " + lower(ares_strerror(status))};
  }
}

// One question in flight and later its answer, shared by all who wait for it.
struct Lookup {
  explicit Lookup(EventLoop& loop) : answered(loop) {}
  Signal answered;
  std::optional<Result<Addresses>> result;
};

struct Cached {
  Addresses addresses;
  SteadyTime until;
};

}  // namespace

std::optional<IpAddress> parse_ip_address(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  unsigned char bytes[sizeof(in6_addr)];
  const std::string text(host);
  if (inet_pton(AF_INET, text.c_str(), bytes) == 1) return IpAddress{text, false};
  const std::string without_zone = text.substr(0, text.find('%'));
  if (inet_pton(AF_INET6, without_zone.c_str(), bytes) == 1) return IpAddress{text, true};
  return std::nullopt;
}

struct Resolver::Impl {
  // A c-ares channel and its registrations on the loop.
  struct Channel {
    Channel(Impl& owner, const std::vector<std::string>& servers, const std::string& resolv_conf);
    ~Channel();
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    void ask(const std::string& name, std::shared_ptr<Lookup> lookup);
    static void on_socket(void* self, ares_socket_t fd, int readable, int writable);
    static void on_answer(void* query, int status, int timeouts, ares_addrinfo* info);
    void process(ares_socket_t readable, ares_socket_t writable);
    void arm();

    Impl& impl;
    ares_channel channel = nullptr;
    std::string server_names;
    std::map<ares_socket_t, std::unique_ptr<EventLoop::FdWatch>> sockets;
    EventLoop::Timer timer;
    std::size_t pending = 0;
  };

  struct Query {
    Channel& channel;
    std::string name;
    std::shared_ptr<Lookup> lookup;
  };

  Impl(EventLoop& l, std::vector<std::string> s, std::string conf)
      : loop(l), servers(std::move(s)), resolv_conf(std::move(conf)) {
    if (servers.empty() && resolv_conf.empty()) resolv_conf = kSystemResolvConf;
    stamp = FileStamp::of(resolv_conf);
    current = std::make_unique<Channel>(*this, servers, resolv_conf);
  }

  void close();
  void follow_resolv_conf();
  std::shared_ptr<Lookup> join_or_ask(const std::string& name);
  void answered(const Query& query, Result<Addresses> result, Duration ttl);
  void remember(const std::string& name, const Addresses& addresses, Duration ttl);
  static Task<Result<Addresses>> resolve(std::shared_ptr<Impl> self, std::string host,
                                         SteadyTime deadline);

  EventLoop& loop;
  const std::vector<std::string> servers;
  std::string resolv_conf;
  FileStamp stamp;
  std::map<std::string, std::shared_ptr<Lookup>> in_flight;
  std::map<std::string, Cached> cache;
  std::unique_ptr<Channel> current;
  std::vector<std::unique_ptr<Channel>> retired;  // those of an older resolv.conf, until answered
};

Resolver::Impl::Channel::Channel(Impl& owner, const std::vector<std::string>& servers,
                                 const std::string& resolv_conf)
    : impl(owner), timer(owner.loop, [this] { process(ARES_SOCKET_BAD, ARES_SOCKET_BAD); }) {
  init_library();
  std::string lookups = servers.empty() ? "fb" : "b";  // hosts file, then DNS; or DNS alone
  std::string conf = resolv_conf.empty() ? "/dev/null" : resolv_conf;
  ares_options options{};
  options.timeout = kFirstTryMs;
  options.tries = kTries;
  options.lookups = lookups.data();
  options.resolvconf_path = conf.data();
  options.sock_state_cb = &Channel::on_socket;
  options.sock_state_cb_data = this;
  int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB |
             ARES_OPT_RESOLVCONF;
  if (resolv_conf.empty()) mask |= ARES_OPT_DOMAINS;  // none, not even this machine's own
  if (const int status = ares_init_options(&channel, &options, mask); status != ARES_SUCCESS) {
    throw std::runtime_error(std::string("c-ares: ") + ares_strerror(status));
  }
  for (const std::string& s : servers) server_names += (server_names.empty() ? "" : ",") + s;
  if (!servers.empty() &&
      ares_set_servers_ports_csv(channel, server_names.c_str()) != ARES_SUCCESS) {
    ares_destroy(channel);
    throw std::invalid_argument("DNS servers: " + server_names);
  }
  if (!servers.empty()) return;
  ares_addr_port_node* list = nullptr;
  if (ares_get_servers_ports(channel, &list) != ARES_SUCCESS) return;
  for (const auto* s = list; s; s = s->next) {
    char text[INET6_ADDRSTRLEN];
    if (!inet_ntop(s->family, &s->addr, text, sizeof text)) continue;
    server_names += (server_names.empty() ? "" : ",") + std::string(text);
  }
  ares_free_data(list);
}

// Answers what is still asked with ARES_EDESTRUCTION.
Resolver::Impl::Channel::~Channel() { ares_destroy(channel); }

void Resolver::Impl::Channel::ask(const std::string& name, std::shared_ptr<Lookup> lookup) {
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  ++pending;
  auto query = std::make_unique<Query>(Query{*this, name, std::move(lookup)});
  ares_getaddrinfo(channel, name.c_str(), nullptr, &hints, &Channel::on_answer, query.release());
  arm();
}

void Resolver::Impl::Channel::on_socket(void* self, ares_socket_t fd, int readable, int writable) {
  auto& channel = *static_cast<Channel*>(self);
  if (!readable && !writable) {
    channel.sockets.erase(fd);
    return;
  }
  const Interest interest = readable && writable ? Interest::kReadWrite
                            : readable           ? Interest::kRead
                                                 : Interest::kWrite;
  auto& watch = channel.sockets[fd];
  if (watch) {
    watch->set_interest(interest);
    return;
  }
  watch = std::make_unique<EventLoop::FdWatch>(
      channel.impl.loop, fd, interest, [&channel, fd](Interest ready) {
        channel.process(ready == Interest::kWrite ? ARES_SOCKET_BAD : fd,
                        ready == Interest::kRead ? ARES_SOCKET_BAD : fd);
      });
}

void Resolver::Impl::Channel::on_answer(void* arg, int status, int, ares_addrinfo* info) {
  const std::unique_ptr<Query> query(static_cast<Query*>(arg));
  --query->channel.pending;
  Addresses addresses;
  Duration ttl = kMaxCached;
  for (const auto* node = info ? info->nodes : nullptr; node; node = node->ai_next) {
    if (auto address = address_of(*node)) addresses.push_back(std::move(*address));
    ttl = std::min<Duration>(ttl, std::chrono::seconds(std::max(0, node->ai_ttl)));
  }
  if (info) ares_freeaddrinfo(info);
  if (status == ARES_SUCCESS && addresses.empty()) status = ARES_ENODATA;
  if (status != ARES_SUCCESS) {
    query->channel.impl.answered(
        *query, failure(status, query->channel.server_names).context("resolve " + query->name), {});
    return;
  }
  query->channel.impl.answered(*query, std::move(addresses), ttl);
}

void Resolver::Impl::Channel::process(ares_socket_t readable, ares_socket_t writable) {
  ares_process_fd(channel, readable, writable);
  arm();
}

void Resolver::Impl::Channel::arm() {
  timeval left{};
  if (!ares_timeout(channel, nullptr, &left)) {
    timer.cancel();
    return;
  }
  timer.arm(
      impl.loop.after(std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec)));
}

void Resolver::Impl::close() {
  retired.clear();
  current.reset();
}

void Resolver::Impl::follow_resolv_conf() {
  std::erase_if(retired, [](const auto& channel) { return channel->pending == 0; });
  const FileStamp now = FileStamp::of(resolv_conf);
  if (now == stamp) return;
  stamp = now;
  retired.push_back(std::move(current));
  current = std::make_unique<Channel>(*this, servers, resolv_conf);
  in_flight.clear();
  cache.clear();
}

std::shared_ptr<Lookup> Resolver::Impl::join_or_ask(const std::string& name) {
  if (const auto found = in_flight.find(name); found != in_flight.end()) return found->second;
  auto lookup = std::make_shared<Lookup>(loop);
  in_flight.emplace(name, lookup);
  current->ask(name, lookup);
  return lookup;
}

void Resolver::Impl::answered(const Query& query, Result<Addresses> result, Duration ttl) {
  const auto found = in_flight.find(query.name);
  const bool newest = found != in_flight.end() && found->second == query.lookup;
  if (newest) in_flight.erase(found);
  if (newest && result.has_value()) remember(query.name, *result, ttl);
  query.lookup->result.emplace(std::move(result));
  query.lookup->answered.notify_all();
}

void Resolver::Impl::remember(const std::string& name, const Addresses& addresses, Duration ttl) {
  if (ttl <= Duration::zero()) return;
  const SteadyTime now = loop.now();
  if (cache.size() >= kMaxCachedNames) {
    std::erase_if(cache, [now](const auto& entry) { return entry.second.until <= now; });
  }
  if (cache.size() < kMaxCachedNames) cache[name] = Cached{addresses, now + ttl};
}

Task<Result<Addresses>> Resolver::Impl::resolve(std::shared_ptr<Impl> self, std::string host,
                                                SteadyTime deadline) {
  if (auto address = parse_ip_address(host)) co_return Addresses{*address};
  const std::string name = lower(std::move(host));
  if (is_localhost(name)) co_return Addresses{{"127.0.0.1", false}, {"::1", true}};
  if (name.empty()) co_return Error(ErrorCode::kInvalid, "resolve: no host name");

  while (self->current) {
    self->follow_resolv_conf();
    if (const auto cached = self->cache.find(name);
        cached != self->cache.end() && cached->second.until > self->loop.now()) {
      co_return cached->second.addresses;
    }
    const std::shared_ptr<Lookup> lookup = self->join_or_ask(name);
    while (!lookup->result) {
      const bool answered = co_await lookup->answered.wait_until(deadline);
      if (!answered) {
        const std::string servers = self->current ? self->current->server_names : "";
        co_return failure(ARES_ETIMEOUT, servers).context("resolve " + name);
      }
    }
    const bool unanswered =
        !lookup->result->has_value() && lookup->result->error().code() == ErrorCode::kTimeout;
    if (!unanswered || self->loop.now() >= deadline) co_return *lookup->result;
  }
  co_return failure(ARES_ECANCELLED, "").context("resolve " + name);
}

Resolver::Resolver(EventLoop& loop, std::vector<std::string> servers, std::string resolv_conf)
    : impl_(std::make_shared<Impl>(loop, std::move(servers), std::move(resolv_conf))) {}

Resolver::~Resolver() { impl_->close(); }

Task<Result<std::vector<IpAddress>>> Resolver::resolve(std::string host, SteadyTime deadline) {
  return Impl::resolve(impl_, std::move(host), deadline);
}

}  // namespace keelwatch
