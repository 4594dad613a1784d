#include "tests/standins/kube_api.h"

#include <algorithm>
#include <deque>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <stdexcept>

#include "base/mutex.h"
#include "tests/standins/kube_answers.h"
#include "tests/standins/kube_catalogue.h"
#include "tests/standins/kube_watches.h"
#include "tests/standins/yaml_json.h"
#include "tests/support/certificates.h"

namespace keelwatch::standins {

namespace {

constexpr std::size_t kJournalSize = 10'000;
// --min-request-timeout: upstream ends a watch without timeoutSeconds after 30 to 60 minutes.
constexpr std::chrono::seconds kWatchTimeout = std::chrono::minutes(45);
// Upstream sends a last bookmark this long before the end of a stream.
constexpr std::chrono::seconds kLastBookmark{2};

std::string random_token() {
  std::random_device random;
  std::string token = "standin-";
  for (int i = 0; i < 32; ++i) token += "0123456789abcdef"[random() % 16];
  return token;
}

bool matches(const KubeFault& fault, std::string_view path, std::string_view verb) {
  return fault.times != 0 && path.starts_with(fault.path_prefix) &&
         (fault.verb.empty() || fault.verb == verb);
}

std::string_view reason_of(int status) {
  switch (status) {
    case 400:
      return "BadRequest";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "NotFound";
    case 409:
      return "Conflict";
    case 410:
      return "Expired";
    case 429:
      return "TooManyRequests";
    case 500:
      return "InternalError";
    case 503:
      return "ServiceUnavailable";
    case 504:
      return "Timeout";
    default:
      return "";
  }
}

ServerReply fault_reply(const KubeFault& fault) {
  std::string details;
  if (fault.retry_after_seconds) {
    details = "{\"retryAfterSeconds\":" + std::to_string(*fault.retry_after_seconds) + "}";
  }
  ServerReply reply = status_reply(fault.status, reason_of(fault.status),
                                   "the stand-in was told to answer this", details);
  if (fault.retry_after_seconds) {
    reply.headers.emplace_back("Retry-After", std::to_string(*fault.retry_after_seconds));
  }
  return reply;
}

}  // namespace

class KubeApi::Impl {
 public:
  explicit Impl(Options options) : options_(std::move(options)), store_(options_.history) {
    for (KubeResource& resource : built_in_resources()) store_.install(std::move(resource));
    token_ = options_.token.empty() ? random_token() : options_.token;
    std::vector<KubeRule> rules = options_.rules;
    if (rules.empty()) rules.push_back({{"*"}, {"*"}, {"get", "list", "watch"}, ""});
    access_.add({options_.user, token_, std::move(rules)});
    ca_pem_ = options_.ca_pem;
    if (!options_.plain_http && !options_.tls) {
      const testing::CertificateAuthority authority("stand-in CA");
      testing::CertifiedKey own =
          authority.issue({.common_name = "stand-in",
                           .dns_names = {"localhost", "kubernetes.default.svc"},
                           .ip_addresses = {"127.0.0.1", "::1"}});
      options_.tls = ServerTls{std::move(own.certificate_pem), std::move(own.key_pem), ""};
      ca_pem_ = authority.pem();
    }
    HttpServer::Options server;
    server.port = options_.port;
    if (!options_.plain_http) server.tls = options_.tls;
    {
      // A client of the server before this one may be there at once: it waits for server_.
      const MutexLock lock(mutex_);
      server_ = std::make_unique<HttpServer>(
          std::move(server), [this](ServerRequest request, std::shared_ptr<Exchange> exchange) {
            const MutexLock inner(mutex_);
            receive(std::move(request), std::move(exchange));
          });
    }
    schedule_bookmarks();
  }

  // A copy: the store's own goes with it.
  void uninstall(KubeResource resource) REQUIRES(mutex_) {
    store_.uninstall(resource);
    watches_.pump();
    watches_.end_all_of(resource);
  }

  mutable Mutex mutex_;
  Options options_;  // not changed after the constructor
  std::string ca_pem_;
  KubeStore store_ GUARDED_BY(mutex_);
  KubeWatches watches_ GUARDED_BY(mutex_){store_};
  KubeAccess access_ GUARDED_BY(mutex_);
  std::string token_ GUARDED_BY(mutex_);
  std::list<KubeFault> faults_ GUARDED_BY(mutex_);
  std::map<std::string, ServerReply> raw_ GUARDED_BY(mutex_);
  std::map<std::pair<std::string, std::string>, std::size_t> counts_ GUARDED_BY(mutex_);
  std::deque<std::string> journal_ GUARDED_BY(mutex_);
  // Last: its thread ends first, while it may still ask for it here.
  std::unique_ptr<HttpServer> server_;

  void faults_changed() REQUIRES(mutex_) {
    for (const auto& watch : watches_.all()) {
      watch->silent = std::any_of(faults_.begin(), faults_.end(), [&](const KubeFault& fault) {
        return fault.kind == KubeFault::Kind::kHang && matches(fault, watch->path, "watch");
      });
      watch->truncate = std::any_of(faults_.begin(), faults_.end(), [&](const KubeFault& fault) {
        return fault.kind == KubeFault::Kind::kTruncate && matches(fault, watch->path, "watch");
      });
    }
    std::vector<Held> released;
    released.swap(held_);
    for (Held& held : released) {
      if (!held.exchange->closed()) apply_faults(std::move(held.request), std::move(held.exchange));
    }
    watches_.pump();
  }

 private:
  struct Held {
    ServerRequest request;
    std::shared_ptr<Exchange> exchange;
  };
  std::vector<Held> held_ GUARDED_BY(mutex_);

  void schedule_bookmarks() {
    server_->after(options_.bookmark_interval, [this] {
      {
        const MutexLock lock(mutex_);
        watches_.send_bookmarks();
      }
      schedule_bookmarks();
    });
  }

  void receive(ServerRequest request, std::shared_ptr<Exchange> exchange) REQUIRES(mutex_) {
    const std::string verb = kube_verb(request, parse_kube_path(request.path));
    ++counts_[{verb, request.path}];
    journal_.push_back(request.method + " " + request.target);
    if (journal_.size() > kJournalSize) journal_.pop_front();
    apply_faults(std::move(request), std::move(exchange));
  }

  void apply_faults(ServerRequest request, std::shared_ptr<Exchange> exchange) REQUIRES(mutex_) {
    const std::string verb = kube_verb(request, parse_kube_path(request.path));
    const auto fault = std::find_if(faults_.begin(), faults_.end(), [&](const KubeFault& one) {
      return matches(one, request.path, verb);
    });
    if (fault == faults_.end()) return answer(request, exchange, false);
    if (fault->times > 0) --fault->times;
    switch (fault->kind) {
      case KubeFault::Kind::kHang:
        held_.push_back({std::move(request), std::move(exchange)});
        return;
      case KubeFault::Kind::kDelay:
        server_->after(fault->delay, [this, request = std::move(request), exchange] {
          const MutexLock lock(mutex_);
          answer(request, exchange, false);
        });
        return;
      case KubeFault::Kind::kStatus:
        return exchange->send(fault_reply(*fault));
      case KubeFault::Kind::kGarbage:
        return exchange->send(
            json_reply(R"({"kind":"PodList","items":[{"metadata":{"name":<html>)"));
      case KubeFault::Kind::kNotHttp:
        return exchange->send_raw(
            std::string("\x15\x03\x03\x00\x02\x02\x50 this is no HTTP\r\n", 25));
      case KubeFault::Kind::kTruncate:
        return answer(request, exchange, true);
      case KubeFault::Kind::kReset:
        return exchange->cut();
    }
  }

  // In the order of the API server: who are you, may you, is there such a thing.
  void answer(const ServerRequest& request, const std::shared_ptr<Exchange>& exchange,
              bool truncate) REQUIRES(mutex_) {
    const auto reply = [&](ServerReply whole) {
      if (truncate) {
        exchange->send_truncated(std::move(whole));
      } else {
        exchange->send(std::move(whole));
      }
    };
    const auto user = access_.user_of(request.header("authorization"), request.client_name);
    if (!user) return reply(status_reply(401, "Unauthorized", "Unauthorized"));
    const KubePath path = parse_kube_path(request.path);
    if (auto refused = refusal(*user, request, path)) return reply(std::move(*refused));
    if (const auto raw = raw_.find(request.path); raw != raw_.end()) return reply(raw->second);
    if (!path.is_resource) {
      auto known = answer_discovery(store_, request.path, options_.version);
      return reply(known ? std::move(*known) : page_not_found());
    }
    const KubeResource* resource = store_.find(path.group, path.version, path.resource);
    const bool misplaced =
        resource != nullptr &&
        ((resource->namespaced && !path.name.empty() && path.space.empty()) ||
         (!resource->namespaced && !path.space.empty() && path.resource != "namespaces"));
    if (resource == nullptr || misplaced || !path.subresource.empty()) {
      return reply(no_such_resource(store_, path));
    }
    if (request.method != "GET") {
      return reply(status_reply(405, "MethodNotAllowed",
                                "the server does not allow this method on the requested resource",
                                "{}"));
    }
    try {
      const std::string verb = kube_verb(request, path);
      if (verb == "get") return reply(answer_get(store_, *resource, path));
      if (verb == "list") return reply(answer_list(store_, *resource, request, path));
      open_watch(request, exchange, *resource, path, truncate);
    } catch (BadKubeRequest& bad) {
      reply(std::move(bad.reply));
    }
  }

  std::optional<ServerReply> refusal(const std::string& user, const ServerRequest& request,
                                     const KubePath& path) REQUIRES(mutex_) {
    KubeAttributes attributes{kube_verb(request, path),
                              path.group,
                              path.resource,
                              path.subresource,
                              path.space,
                              path.name,
                              request.path};
    if (path.name.empty()) {  // upstream reads a name out of the field selector
      try {
        for (const FieldRequirement& r : parse_field_selector(request.parameter("fieldSelector"))) {
          if (r.field == "metadata.name" && r.equal) attributes.name = r.value;
        }
      } catch (const std::invalid_argument&) {  // refused later, as a bad request
      }
    }
    const auto message = access_.refusal(user, attributes);
    if (!message) return std::nullopt;
    std::string details = "{";
    if (!attributes.name.empty()) details += "\"name\":\"" + attributes.name + "\",";
    if (!path.group.empty()) details += "\"group\":\"" + path.group + "\",";
    if (path.is_resource) details += "\"kind\":\"" + path.resource + "\"";
    return status_reply(403, "Forbidden", *message, details + "}");
  }

  void open_watch(const ServerRequest& request, const std::shared_ptr<Exchange>& exchange,
                  const KubeResource& resource, const KubePath& path, bool truncate)
      REQUIRES(mutex_) {
    KubeWatch watch;
    watch.exchange = exchange;
    watch.path = request.path;
    watch.resource = resource;
    watch.selection = parse_selection(request, path, resource);
    watch.version = parse_resource_version(request);
    watch.bookmarks = request.parameter("allowWatchBookmarks") == "true" ||
                      request.parameter("allowWatchBookmarks") == "1";
    watch.truncate = truncate;
    const bool from_now = watch.version == 0;
    std::chrono::seconds timeout = kWatchTimeout;
    if (const std::string seconds(request.parameter("timeoutSeconds")); !seconds.empty()) {
      timeout = std::chrono::seconds(std::strtol(seconds.c_str(), nullptr, 10));
      if (timeout <= std::chrono::seconds(0)) timeout = kWatchTimeout;
    }
    const std::weak_ptr<KubeWatch> opened = watches_.open(std::move(watch), from_now);
    const auto later = [this, opened](std::chrono::seconds delay, auto work) {
      server_->after(delay, [this, opened, work] {
        const MutexLock lock(mutex_);
        if (const auto still = opened.lock()) work(*still);
      });
    };
    if (timeout > kLastBookmark) {
      later(timeout - kLastBookmark,
            [this](KubeWatch& still) REQUIRES(mutex_) { watches_.send_bookmark(still); });
    }
    later(timeout, [](KubeWatch& still) {
      if (!still.silent) still.exchange->end();
    });
  }
};

KubeApi::KubeApi() : KubeApi(Options{}) {}
KubeApi::KubeApi(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
KubeApi::~KubeApi() = default;

std::string KubeApi::url() const { return impl_->server_->url(); }
std::uint16_t KubeApi::port() const { return impl_->server_->port(); }
std::string KubeApi::ca_pem() const { return impl_->ca_pem_; }

std::string KubeApi::token() const {
  const MutexLock lock(impl_->mutex_);
  return impl_->token_;
}

void KubeApi::install(KubeResource resource) {
  const MutexLock lock(impl_->mutex_);
  impl_->store_.install(std::move(resource));
}

void KubeApi::install_group(std::string_view group) {
  std::vector<KubeResource> known = known_custom_resources(group);
  if (known.empty()) throw std::invalid_argument("unknown API group " + std::string(group));
  for (KubeResource& resource : known) install(std::move(resource));
}

void KubeApi::uninstall_group(std::string_view group) {
  const MutexLock lock(impl_->mutex_);
  for (const KubeResource* resource : impl_->store_.resources()) {
    if (resource->group == group) impl_->uninstall(*resource);
  }
}

void KubeApi::uninstall_kind(std::string_view group, std::string_view plural) {
  const MutexLock lock(impl_->mutex_);
  for (const KubeResource* resource : impl_->store_.resources()) {
    if (resource->group == group && resource->plural == plural) impl_->uninstall(*resource);
  }
}

std::size_t KubeApi::put(std::string_view json) {
  const MutexLock lock(impl_->mutex_);
  const std::size_t count = impl_->store_.put(json);
  impl_->watches_.pump();
  return count;
}

bool KubeApi::patch(const KubeRef& ref, std::string_view json) {
  const MutexLock lock(impl_->mutex_);
  const bool done = impl_->store_.patch(ref, json);
  impl_->watches_.pump();
  return done;
}

bool KubeApi::remove(const KubeRef& ref) {
  const MutexLock lock(impl_->mutex_);
  const bool done = impl_->store_.remove(ref);
  impl_->watches_.pump();
  return done;
}

std::optional<std::string> KubeApi::get(const KubeRef& ref) const {
  const MutexLock lock(impl_->mutex_);
  const KubeResource* resource = impl_->store_.find_kind(ref.api_version, ref.kind);
  if (resource == nullptr) return std::nullopt;
  const KubeObjectPtr object = impl_->store_.get(*resource, ref.space, ref.name);
  if (!object) return std::nullopt;
  return object->text;
}

std::size_t KubeApi::load_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) throw std::runtime_error(path + ": cannot be read");
  std::size_t count = 0;
  for (const std::string& document : json_documents(text.str())) count += put(document);
  return count;
}

std::uint64_t KubeApi::resource_version() const {
  const MutexLock lock(impl_->mutex_);
  return impl_->store_.version();
}

void KubeApi::compact() {
  const MutexLock lock(impl_->mutex_);
  impl_->watches_.pump();
  impl_->store_.compact();
}

std::size_t KubeApi::cut_watches(Cut how, std::string_view path_prefix) {
  const MutexLock lock(impl_->mutex_);
  std::size_t count = 0;
  for (const auto& watch : impl_->watches_.all()) {
    if (!watch->path.starts_with(path_prefix) || watch->exchange->closed()) continue;
    ++count;
    switch (how) {
      case Cut::kClean:
        watch->exchange->end();
        break;
      case Cut::kAbrupt:
        watch->exchange->cut();
        break;
      case Cut::kMidEvent:
        impl_->watches_.break_event(*watch);
        break;
      case Cut::kExpired:
        impl_->watches_.expire(*watch);
        break;
    }
  }
  return count;
}

void KubeApi::send_bookmarks() {
  const MutexLock lock(impl_->mutex_);
  impl_->watches_.send_bookmarks();
}

void KubeApi::set_fault(KubeFault fault) {
  const MutexLock lock(impl_->mutex_);
  impl_->faults_.push_front(std::move(fault));
  impl_->faults_changed();
}

void KubeApi::clear_fault(std::string_view path_prefix, std::string_view verb) {
  const MutexLock lock(impl_->mutex_);
  impl_->faults_.remove_if([&](const KubeFault& fault) {
    return fault.path_prefix == path_prefix && fault.verb == verb;
  });
  impl_->faults_changed();
}

void KubeApi::clear_faults() {
  const MutexLock lock(impl_->mutex_);
  impl_->faults_.clear();
  impl_->faults_changed();
}

void KubeApi::set_clock_skew(std::chrono::seconds skew) { impl_->server_->set_clock_skew(skew); }

void KubeApi::add_user(KubeUser user) {
  const MutexLock lock(impl_->mutex_);
  impl_->access_.add(std::move(user));
}

std::string KubeApi::rotate_token() {
  std::string token = random_token();
  set_token(impl_->options_.user, token);
  return token;
}

void KubeApi::set_token(std::string_view user, std::string token) {
  const MutexLock lock(impl_->mutex_);
  if (user == impl_->options_.user) impl_->token_ = token;
  if (!impl_->access_.set_token(user, std::move(token))) {
    throw std::invalid_argument("no user " + std::string(user));
  }
}

void KubeApi::forbid(std::string group, std::string resource, std::string verb) {
  const MutexLock lock(impl_->mutex_);
  impl_->access_.forbid(std::move(group), std::move(resource), std::move(verb));
}

void KubeApi::allow(std::string_view group, std::string_view resource, std::string_view verb) {
  const MutexLock lock(impl_->mutex_);
  impl_->access_.allow(group, resource, verb);
}

void KubeApi::set_raw(std::string path, std::string content_type, std::string body) {
  const MutexLock lock(impl_->mutex_);
  impl_->raw_[std::move(path)] = {
      200, {{"Content-Type", std::move(content_type)}}, std::move(body)};
}

std::size_t KubeApi::requests(std::string_view verb, std::string_view path) const {
  const MutexLock lock(impl_->mutex_);
  std::size_t total = 0;
  for (const auto& [key, count] : impl_->counts_) {
    if ((verb.empty() || key.first == verb) && (path.empty() || key.second == path)) total += count;
  }
  return total;
}

std::vector<KubeApi::Count> KubeApi::request_counts() const {
  const MutexLock lock(impl_->mutex_);
  std::vector<Count> counts;
  for (const auto& [key, count] : impl_->counts_) counts.push_back({key.first, key.second, count});
  return counts;
}

std::vector<std::string> KubeApi::journal() const {
  const MutexLock lock(impl_->mutex_);
  return {impl_->journal_.begin(), impl_->journal_.end()};
}

std::size_t KubeApi::open_watches(std::string_view path_prefix) const {
  const MutexLock lock(impl_->mutex_);
  return impl_->watches_.open_count(path_prefix);
}

}  // namespace keelwatch::standins
