#include "tests/standins/kube_admin.h"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/standins/yaml_json.h"

namespace keelwatch::standins {

namespace {

constexpr std::string_view kUsage =
    R"(PUT    /_admin/objects                          body: object or List, JSON or YAML: create or replace
GET    /_admin/objects?apiVersion=&kind=&namespace=&name=
PATCH  /_admin/objects?apiVersion=&kind=&namespace=&name=     body: JSON merge patch
DELETE /_admin/objects?apiVersion=&kind=&namespace=&name=
POST   /_admin/compact                          older resourceVersions become 410
POST   /_admin/cut?how=clean|abrupt|mid-event|expired[&prefix=]     end open watches
POST   /_admin/bookmark                         send bookmarks now
POST   /_admin/fault?kind=hang|delay|status|garbage|not-http|truncate|reset
         [&prefix=/api/v1/pods][&verb=list|watch|get][&times=N][&delay_ms=N][&status=N][&retry_after=N]
DELETE /_admin/fault[?prefix=][&verb=]          without parameters: all of them
POST   /_admin/forbid?group=&resource=[&verb=*]
POST   /_admin/allow?group=&resource=[&verb=*]
POST   /_admin/install?group=postgresql.cnpg.io (or *)
POST   /_admin/uninstall?group=
POST   /_admin/token[?user=&token=]             without parameters: a new random one, printed
POST   /_admin/skew?seconds=N                   clock behind the Date header
PUT    /_admin/raw?path=[&type=text/plain]      body: canned answer of that path
GET    /_admin/requests                         counts per verb and path
GET    /_admin/journal                          the last requests
GET    /_admin/watches[?prefix=]                how many are open
)";

ServerReply text(int status, std::string body) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(body)};
}

int number(const ServerRequest& request, const std::string& name, int otherwise) {
  const std::string_view value = request.parameter(name);
  return value.empty() ? otherwise : std::stoi(std::string(value));
}

std::string word(const ServerRequest& request, const std::string& name,
                 std::string otherwise = "") {
  const auto it = request.query.find(name);
  return it == request.query.end() ? std::move(otherwise) : it->second;
}

template <typename Value>
Value one_of(const std::string& text, std::initializer_list<std::pair<const char*, Value>> values) {
  std::string known;
  for (const auto& [name, value] : values) {
    if (text == name) return value;
    known.append(" ").append(name);
  }
  throw std::invalid_argument("unknown word \"" + text + "\", known are:" + known);
}

KubeRef ref_of(const ServerRequest& request) {
  return {word(request, "apiVersion", "v1"), word(request, "kind"), word(request, "namespace"),
          word(request, "name")};
}

KubeFault fault_of(const ServerRequest& request) {
  using Kind = KubeFault::Kind;
  KubeFault fault;
  fault.kind = one_of<Kind>(word(request, "kind"), {{"hang", Kind::kHang},
                                                    {"delay", Kind::kDelay},
                                                    {"status", Kind::kStatus},
                                                    {"garbage", Kind::kGarbage},
                                                    {"not-http", Kind::kNotHttp},
                                                    {"truncate", Kind::kTruncate},
                                                    {"reset", Kind::kReset}});
  fault.path_prefix = word(request, "prefix");
  fault.verb = word(request, "verb");
  fault.times = number(request, "times", -1);
  fault.delay = std::chrono::milliseconds(number(request, "delay_ms", 0));
  fault.status = number(request, "status", 500);
  if (!request.parameter("retry_after").empty()) {
    fault.retry_after_seconds = number(request, "retry_after", 0);
  }
  return fault;
}

}  // namespace

KubeAdminDoor::KubeAdminDoor(KubeApi& api, std::uint16_t port)
    : api_(api),
      server_({"127.0.0.1", port, std::nullopt},
              [this](const ServerRequest& request, const std::shared_ptr<Exchange>& exchange) {
                try {
                  exchange->send(answer(request));
                } catch (const std::exception& error) {
                  exchange->send(text(400, std::string(error.what()) + "\n"));
                }
              }) {}

ServerReply KubeAdminDoor::answer(const ServerRequest& request) {
  const std::string what = request.method + " " + request.path;
  if (what == "GET /_admin/") return text(200, std::string(kUsage));
  if (what == "PUT /_admin/objects" || what == "POST /_admin/objects") {
    std::size_t count = 0;
    for (const std::string& document : json_documents(request.body)) count += api_.put(document);
    return text(200, std::to_string(count) + "\n");
  }
  if (what == "GET /_admin/objects") {
    const auto object = api_.get(ref_of(request));
    return object ? text(200, *object + "\n") : text(404, "no such object\n");
  }
  if (what == "PATCH /_admin/objects") {
    const bool done = api_.patch(ref_of(request), request.body);
    return done ? text(200, "patched\n") : text(404, "no such object\n");
  }
  if (what == "DELETE /_admin/objects") {
    return api_.remove(ref_of(request)) ? text(200, "deleted\n") : text(404, "no such object\n");
  }
  if (what == "DELETE /_admin/fault") {
    if (request.query.empty()) {
      api_.clear_faults();
    } else {
      api_.clear_fault(word(request, "prefix"), word(request, "verb"));
    }
    return text(200, "cleared\n");
  }
  if (what == "POST /_admin/fault") {
    api_.set_fault(fault_of(request));
    return text(200, "set\n");
  }
  if (what == "POST /_admin/compact") {
    api_.compact();
    return text(200, "compacted\n");
  }
  if (what == "POST /_admin/cut") {
    using Cut = KubeApi::Cut;
    const Cut how = one_of<Cut>(word(request, "how", "clean"), {{"clean", Cut::kClean},
                                                                {"abrupt", Cut::kAbrupt},
                                                                {"mid-event", Cut::kMidEvent},
                                                                {"expired", Cut::kExpired}});
    return text(200, std::to_string(api_.cut_watches(how, word(request, "prefix"))) + "\n");
  }
  if (what == "POST /_admin/bookmark") {
    api_.send_bookmarks();
    return text(200, "sent\n");
  }
  if (what == "POST /_admin/forbid") {
    api_.forbid(word(request, "group"), word(request, "resource"), word(request, "verb", "*"));
    return text(200, "forbidden\n");
  }
  if (what == "POST /_admin/allow") {
    api_.allow(word(request, "group"), word(request, "resource"), word(request, "verb", "*"));
    return text(200, "allowed\n");
  }
  if (what == "POST /_admin/install") {
    api_.install_group(word(request, "group"));
    return text(200, "installed\n");
  }
  if (what == "POST /_admin/uninstall") {
    api_.uninstall_group(word(request, "group"));
    return text(200, "uninstalled\n");
  }
  if (what == "POST /_admin/token") {
    if (request.query.empty()) return text(200, api_.rotate_token() + "\n");
    api_.set_token(word(request, "user"), word(request, "token"));
    return text(200, word(request, "token") + "\n");
  }
  if (what == "POST /_admin/skew") {
    api_.set_clock_skew(std::chrono::seconds(number(request, "seconds", 0)));
    return text(200, "set\n");
  }
  if (what == "PUT /_admin/raw") {
    api_.set_raw(word(request, "path"), word(request, "type", "text/plain"), request.body);
    return text(200, "set\n");
  }
  if (what == "GET /_admin/requests") {
    nlohmann::ordered_json counts = nlohmann::ordered_json::array();
    for (const auto& c : api_.request_counts()) {
      counts.push_back({{"verb", c.verb}, {"path", c.path}, {"count", c.count}});
    }
    return text(200, counts.dump(1) + "\n");
  }
  if (what == "GET /_admin/journal") {
    std::string lines;
    for (const std::string& line : api_.journal()) lines += line + "\n";
    return text(200, std::move(lines));
  }
  if (what == "GET /_admin/watches") {
    return text(200, std::to_string(api_.open_watches(word(request, "prefix"))) + "\n");
  }
  return text(404, "unknown; GET /_admin/ lists what there is\n");
}

}  // namespace keelwatch::standins
