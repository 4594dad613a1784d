#include "tests/standins/kube_admin.h"

#include <nlohmann/json.hpp>

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

using Request = const ServerRequest&;

ServerReply text(std::string body) { return admin_text(200, std::move(body)); }

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

void add_object_answers(KubeApi& api, AdminDoor::Answers& answers) {
  const auto put = [&api](Request request) {
    std::size_t count = 0;
    for (const std::string& document : json_documents(request.body)) count += api.put(document);
    return text(std::to_string(count) + "\n");
  };
  answers["PUT /_admin/objects"] = put;
  answers["POST /_admin/objects"] = put;
  answers["GET /_admin/objects"] = [&api](Request request) {
    const auto object = api.get(ref_of(request));
    return object ? text(*object + "\n") : admin_text(404, "no such object\n");
  };
  answers["PATCH /_admin/objects"] = [&api](Request request) {
    const bool done = api.patch(ref_of(request), request.body);
    return done ? text("patched\n") : admin_text(404, "no such object\n");
  };
  answers["DELETE /_admin/objects"] = [&api](Request request) {
    return api.remove(ref_of(request)) ? text("deleted\n") : admin_text(404, "no such object\n");
  };
}

void add_fault_answers(KubeApi& api, AdminDoor::Answers& answers) {
  answers["POST /_admin/fault"] = [&api](Request request) {
    api.set_fault(fault_of(request));
    return text("set\n");
  };
  answers["DELETE /_admin/fault"] = [&api](Request request) {
    if (request.query.empty()) {
      api.clear_faults();
    } else {
      api.clear_fault(word(request, "prefix"), word(request, "verb"));
    }
    return text("cleared\n");
  };
  answers["POST /_admin/compact"] = [&api](Request) {
    api.compact();
    return text("compacted\n");
  };
  answers["POST /_admin/cut"] = [&api](Request request) {
    using Cut = KubeApi::Cut;
    const Cut how = one_of<Cut>(word(request, "how", "clean"), {{"clean", Cut::kClean},
                                                                {"abrupt", Cut::kAbrupt},
                                                                {"mid-event", Cut::kMidEvent},
                                                                {"expired", Cut::kExpired}});
    return text(std::to_string(api.cut_watches(how, word(request, "prefix"))) + "\n");
  };
  answers["POST /_admin/bookmark"] = [&api](Request) {
    api.send_bookmarks();
    return text("sent\n");
  };
  answers["POST /_admin/skew"] = [&api](Request request) {
    api.set_clock_skew(std::chrono::seconds(number(request, "seconds", 0)));
    return text("set\n");
  };
}

void add_server_answers(KubeApi& api, AdminDoor::Answers& answers) {
  answers["POST /_admin/forbid"] = [&api](Request request) {
    api.forbid(word(request, "group"), word(request, "resource"), word(request, "verb", "*"));
    return text("forbidden\n");
  };
  answers["POST /_admin/allow"] = [&api](Request request) {
    api.allow(word(request, "group"), word(request, "resource"), word(request, "verb", "*"));
    return text("allowed\n");
  };
  answers["POST /_admin/install"] = [&api](Request request) {
    api.install_group(word(request, "group"));
    return text("installed\n");
  };
  answers["POST /_admin/uninstall"] = [&api](Request request) {
    api.uninstall_group(word(request, "group"));
    return text("uninstalled\n");
  };
  answers["POST /_admin/token"] = [&api](Request request) {
    if (request.query.empty()) return text(api.rotate_token() + "\n");
    api.set_token(word(request, "user"), word(request, "token"));
    return text(word(request, "token") + "\n");
  };
  answers["PUT /_admin/raw"] = [&api](Request request) {
    api.set_raw(word(request, "path"), word(request, "type", "text/plain"), request.body);
    return text("set\n");
  };
}

void add_journal_answers(KubeApi& api, AdminDoor::Answers& answers) {
  answers["GET /_admin/requests"] = [&api](Request) {
    nlohmann::ordered_json counts = nlohmann::ordered_json::array();
    for (const auto& c : api.request_counts()) {
      counts.push_back({{"verb", c.verb}, {"path", c.path}, {"count", c.count}});
    }
    return text(counts.dump(1) + "\n");
  };
  answers["GET /_admin/journal"] = [&api](Request) {
    std::string lines;
    for (const std::string& line : api.journal()) lines += line + "\n";
    return text(std::move(lines));
  };
  answers["GET /_admin/watches"] = [&api](Request request) {
    return text(std::to_string(api.open_watches(word(request, "prefix"))) + "\n");
  };
}

}  // namespace

AdminDoor open_admin_door(KubeApi& api, std::uint16_t port) {
  AdminDoor::Answers answers;
  add_object_answers(api, answers);
  add_fault_answers(api, answers);
  add_server_answers(api, answers);
  add_journal_answers(api, answers);
  return {port, kUsage, std::move(answers)};
}

}  // namespace keelwatch::standins
