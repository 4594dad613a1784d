#include "tests/standins/s3_store.h"

#include <algorithm>
#include <ctime>
#include <deque>
#include <fstream>
#include <mutex>
#include <stdexcept>

#include "tests/standins/s3_operations.h"

namespace keelwatch::standins {

namespace {

constexpr std::size_t kJournal = 100'000;

}  // namespace

struct S3Store::Impl {
  explicit Impl(Options the_options)
      : options(std::move(the_options)),
        files(options.root),
        log(options.log_file, std::ios::app),
        server({options.address, options.port, options.tls},
               [this](ServerRequest request, std::shared_ptr<Exchange> exchange) {
                 answer(std::move(request), std::move(exchange));
               }) {}

  void answer(ServerRequest request, std::shared_ptr<Exchange> exchange) {
    const std::lock_guard lock(mutex);
    note(request);
    S3Call call = call_of(request);
    const std::optional<S3Fault> fault = take_fault(call);
    using Kind = S3Fault::Kind;
    if (fault && fault->kind == Kind::kHang) {
      hanging.push_back(std::move(exchange));
      return;
    }
    if (fault && fault->kind == Kind::kReset) return exchange->cut();
    ServerReply reply =
        fault && fault->kind == Kind::kError
            ? error_reply({fault->status, fault->code, "as the test has asked for", {}}, request)
            : reply_of(request, call);
    if (!fault) return exchange->send(std::move(reply));
    switch (fault->kind) {
      case Kind::kDelay:
        return server.after(fault->delay, [exchange, reply = std::move(reply)]() mutable {
          exchange->send(std::move(reply));
        });
      case Kind::kTruncate:
        return exchange->send_truncated(std::move(reply));
      case Kind::kHalf:
        reply.body.resize(reply.body.size() / 2);
        break;
      case Kind::kGarbage:
        reply = {200, {{"Content-Type", "text/html"}}, "<html><body>Log in</body></html>\n", {}};
        break;
      default:
        break;
    }
    exchange->send(std::move(reply));
  }

  ServerReply reply_of(ServerRequest& request, S3Call& call) {
    try {
      if (const auto refused = authenticate(request, options.account, now())) throw *refused;
      return serve(files, call);
    } catch (const S3Error& error) {
      return error_reply(error, request);
    } catch (const std::exception& error) {
      return error_reply({500, "InternalError", error.what(), {}}, request);
    }
  }

  // The bucket is in the host's name or is the first segment of the path.
  S3Call call_of(const ServerRequest& request) const {
    std::string_view host = request.header("host");
    host = host.substr(0, host.rfind(':'));
    const std::string ending = "." + options.domain;
    const std::string_view path =
        std::string_view(request.path).substr(request.path.starts_with('/') ? 1 : 0);
    if (host.size() > ending.size() && host.ends_with(ending)) {
      return {request, std::string(host.substr(0, host.size() - ending.size())), std::string(path)};
    }
    const std::size_t slash = path.find('/');
    return {request, std::string(path.substr(0, slash)),
            slash == std::string_view::npos ? "" : std::string(path.substr(slash + 1))};
  }

  std::optional<S3Fault> take_fault(const S3Call& call) {
    const std::string path = "/" + call.bucket + "/" + call.key;
    for (auto it = faults.begin(); it != faults.end(); ++it) {
      if (!it->method.empty() && it->method != call.request.method) continue;
      if (!path.starts_with(it->path_prefix)) continue;
      if (!it->parameter.empty() && !call.has(it->parameter)) continue;
      const S3Fault fault = *it;
      if (it->times > 0 && --it->times == 0) faults.erase(it);
      return fault;
    }
    return std::nullopt;
  }

  void note(const ServerRequest& request) {
    std::string line = request.method + " " + request.target;
    if (log.is_open()) log << line << std::endl;
    journal.push_back(std::move(line));
    if (journal.size() > kJournal) journal.pop_front();
  }

  [[nodiscard]] std::time_t now() const { return std::time(nullptr) + skew.count(); }

  std::mutex mutex;
  Options options;
  S3Files files;
  std::ofstream log;
  std::chrono::seconds skew{0};
  std::vector<S3Fault> faults;
  std::deque<std::string> journal;
  std::vector<std::shared_ptr<Exchange>> hanging;
  HttpServer server;  // last: its thread ends first
};

S3Store::S3Store(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
S3Store::~S3Store() = default;

std::uint16_t S3Store::port() const { return impl_->server.port(); }
std::string S3Store::url() const { return impl_->server.url(); }
std::string S3Store::root() const { return impl_->options.root; }

void S3Store::make_bucket(const std::string& bucket) {
  const std::lock_guard lock(impl_->mutex);
  impl_->files.make_bucket(bucket);
}

void S3Store::put(const std::string& bucket, const std::string& key, std::string_view data) {
  const std::lock_guard lock(impl_->mutex);
  impl_->files.make_bucket(bucket);
  if (!impl_->files.write(bucket, key, data)) {
    throw std::runtime_error(key + ": cannot be held beside what is there");
  }
}

void S3Store::remove(const std::string& bucket, const std::string& key) {
  const std::lock_guard lock(impl_->mutex);
  impl_->files.remove(bucket, key);
}

void S3Store::set_setting(const std::string& bucket, const std::string& name,
                          std::string_view text) {
  const std::lock_guard lock(impl_->mutex);
  impl_->files.set_setting(bucket, name, text);
}

void S3Store::set_fault(S3Fault fault) {
  const std::lock_guard lock(impl_->mutex);
  impl_->faults.push_back(std::move(fault));
}

void S3Store::clear_faults() {
  const std::lock_guard lock(impl_->mutex);
  impl_->faults.clear();
  impl_->hanging.clear();
}

void S3Store::set_clock_skew(std::chrono::seconds skew) {
  const std::lock_guard lock(impl_->mutex);
  impl_->skew = skew;
  impl_->server.set_clock_skew(skew);
}

void S3Store::set_account(S3Account account) {
  const std::lock_guard lock(impl_->mutex);
  impl_->options.account = std::move(account);
}

std::vector<std::string> S3Store::journal() const {
  const std::lock_guard lock(impl_->mutex);
  return {impl_->journal.begin(), impl_->journal.end()};
}

void S3Store::clear_journal() {
  const std::lock_guard lock(impl_->mutex);
  impl_->journal.clear();
}

}  // namespace keelwatch::standins
