#include "tests/standins/kubelet.h"

#include <sys/statvfs.h>

#include <charconv>
#include <cstddef>
#include <map>
#include <mutex>
#include <string_view>
#include <vector>

namespace keelwatch::standins {
namespace {

// As Go's strconv.FormatFloat(v, 'g', -1, 64) writes in the text format: 1.0434699264e+10.
std::string go_float(std::int64_t value) {
  char buffer[64];
  const bool exponent = value >= 1'000'000;  // client_golang: integers below that are plain
  const auto end = exponent
                       ? std::to_chars(buffer, buffer + sizeof(buffer), static_cast<double>(value),
                                       std::chars_format::scientific)
                       : std::to_chars(buffer, buffer + sizeof(buffer), value);
  return {buffer, end.ptr};
}

}  // namespace

struct Kubelet::Impl {
  using Key = std::pair<std::string, std::string>;

  explicit Impl(Options the_options)
      : options(std::move(the_options)),
        server({options.address, options.port, options.tls},
               [this](const ServerRequest& request, std::shared_ptr<Exchange> exchange) {
                 answer(request, std::move(exchange));
               }) {}

  void answer(const ServerRequest& request, std::shared_ptr<Exchange> exchange) {
    const std::lock_guard lock(mutex);
    ++requests;
    if (fault == Fault::kSilent) {
      hanging.push_back(std::move(exchange));
      return;
    }
    if (request.client_name.empty() && !options.token.empty()) {
      const std::string_view authorization = request.header("authorization");
      if (!options.forbidden_token.empty() &&
          authorization == "Bearer " + options.forbidden_token) {
        return exchange->send({403, text_plain(), forbidden(request)});
      }
      if (authorization != "Bearer " + options.token) {
        return exchange->send({401, text_plain(), "Unauthorized"});
      }
    }
    if (request.method != "GET" || request.path != "/metrics") {
      return exchange->send({404, text_plain(), "404 page not found\n"});
    }
    ServerReply reply{200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, page()};
    if (fault == Fault::kGarbage) reply.body = "<html><body>Log in</body></html>\n";
    if (fault == Fault::kCutLine) reply.body.resize(reply.body.size() - 3);
    if (fault == Fault::kTruncated) return exchange->send_truncated(std::move(reply));
    exchange->send(std::move(reply));
  }

  static std::vector<std::pair<std::string, std::string>> text_plain() {
    return {{"Content-Type", "text/plain; charset=utf-8"}};
  }
  static std::string forbidden(const ServerRequest& request) {
    const bool metrics = request.path == "/metrics";
    return "Forbidden (user=system:serviceaccount:monitoring:keelwatch, verb=get, resource=nodes, "
           "subresource(s)=[" +
           std::string(metrics ? "metrics" : "proxy") + "])";
  }

  std::map<Key, Volume> measured() const {
    std::map<Key, Volume> all = volumes;
    for (const auto& [key, path] : paths) {
      struct statvfs info{};
      if (statvfs(path.c_str(), &info) != 0) continue;
      const auto bytes = [&info](auto blocks) {
        return static_cast<std::int64_t>(blocks * info.f_frsize);
      };
      all[key] = {bytes(info.f_blocks), bytes(info.f_bavail),
                  static_cast<std::int64_t>(info.f_files),
                  static_cast<std::int64_t>(info.f_favail)};
    }
    return all;
  }

  std::string page() const {
    std::string out =
        "# HELP kubelet_http_requests_total [ALPHA] Number of the http requests received since the "
        "server started\n# TYPE kubelet_http_requests_total counter\n";
    for (int i = 0; i < other_lines; ++i) {
      out += "kubelet_http_requests_total{long_running=\"false\",method=\"GET\",path=\"p" +
             std::to_string(i) + "\",server_type=\"readwrite\"} 12\n";
    }
    const std::map<Key, Volume> all = measured();
    const auto family = [&](const char* name, const char* help, auto value) {
      if (all.empty()) return;
      out += std::string("# HELP ") + name + " [ALPHA] " + help + "\n# TYPE " + name + " gauge\n";
      for (const auto& [key, volume] : all) {
        out += std::string(name) + "{namespace=\"" + key.first + "\",persistentvolumeclaim=\"" +
               key.second + "\"} " + go_float(value(volume)) + "\n";
      }
    };
    family("kubelet_volume_stats_available_bytes", "Number of available bytes in the volume",
           [](const Volume& v) { return v.available; });
    family("kubelet_volume_stats_capacity_bytes", "Capacity in bytes of the volume",
           [](const Volume& v) { return v.capacity; });
    family("kubelet_volume_stats_inodes", "Maximum number of inodes in the volume",
           [](const Volume& v) { return v.inodes; });
    family("kubelet_volume_stats_inodes_free", "Number of free inodes in the volume",
           [](const Volume& v) { return v.inodes_free; });
    family("kubelet_volume_stats_inodes_used", "Number of used inodes in the volume",
           [](const Volume& v) { return v.inodes - v.inodes_free; });
    family("kubelet_volume_stats_used_bytes", "Number of used bytes in the volume",
           [](const Volume& v) { return v.capacity - v.available; });
    out +=
        "# HELP kubelet_working_pods [ALPHA] Number of pods the kubelet is actually running\n"
        "# TYPE kubelet_working_pods gauge\nkubelet_working_pods{config=\"desired\"} 3\n"
        "# HELP process_start_time_seconds [ALPHA] Start time of the process since unix epoch in "
        "seconds.\n# TYPE process_start_time_seconds gauge\n"
        "process_start_time_seconds 1.76402000012e+09\n";
    return out;
  }

  std::mutex mutex;
  Options options;
  int requests = 0;
  int other_lines = 0;
  Fault fault = Fault::kNone;
  std::map<Key, Volume> volumes;
  std::map<Key, std::string> paths;
  std::vector<std::shared_ptr<Exchange>> hanging;
  HttpServer server;  // last: its thread ends first
};

Kubelet::Kubelet(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Kubelet::~Kubelet() = default;

std::uint16_t Kubelet::port() const { return impl_->server.port(); }
std::string Kubelet::url() const { return impl_->server.url(); }

int Kubelet::requests() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->requests;
}

void Kubelet::set_volume(const std::string& ns, const std::string& claim, Volume volume) {
  const std::lock_guard lock(impl_->mutex);
  impl_->volumes[{ns, claim}] = volume;
}

void Kubelet::set_volume_path(const std::string& ns, const std::string& claim, std::string path) {
  const std::lock_guard lock(impl_->mutex);
  impl_->paths[{ns, claim}] = std::move(path);
}

void Kubelet::remove_volume(const std::string& ns, const std::string& claim) {
  const std::lock_guard lock(impl_->mutex);
  impl_->volumes.erase({ns, claim});
  impl_->paths.erase({ns, claim});
}

void Kubelet::set_fault(Fault fault) {
  const std::lock_guard lock(impl_->mutex);
  impl_->fault = fault;
  impl_->hanging.clear();
}

void Kubelet::set_token(std::string token) {
  const std::lock_guard lock(impl_->mutex);
  impl_->options.token = std::move(token);
}

void Kubelet::set_other_lines(int lines) {
  const std::lock_guard lock(impl_->mutex);
  impl_->other_lines = lines;
}

}  // namespace keelwatch::standins
