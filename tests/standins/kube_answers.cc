#include "tests/standins/kube_answers.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>

namespace keelwatch::standins {

namespace {

std::string json_string(std::string_view text) { return nlohmann::json(text).dump(); }

std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t size = std::min(path.find('/'), path.size());
    if (size > 0) segments.emplace_back(path.substr(0, size));
    path.remove_prefix(size);
  }
  return segments;
}

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// A position in a list: the version that the list is of (0: whatever is newest) and the key after
// which it goes on. Opaque to clients; as upstream it needs no escaping in a query.
struct Continue {
  std::uint64_t version = 0;
  std::string after;

  [[nodiscard]] std::string text() const {
    std::string encoded = std::to_string(version) + "-";
    constexpr char kDigits[] = "0123456789abcdef";
    for (const char c : after) {
      encoded += kDigits[static_cast<unsigned char>(c) >> 4U];
      encoded += kDigits[static_cast<unsigned char>(c) & 15U];
    }
    return encoded;
  }

  static std::optional<Continue> parse(std::string_view text) {
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos || (text.size() - dash) % 2 == 0) return std::nullopt;
    const auto version = number_of<std::uint64_t>(text.substr(0, dash));
    if (!version) return std::nullopt;
    Continue token{*version, ""};
    for (std::size_t i = dash + 1; i < text.size(); i += 2) {
      unsigned byte = 0;
      const auto [end, error] = std::from_chars(&text[i], &text[i] + 2, byte, 16);
      if (error != std::errc() || end != &text[i] + 2) return std::nullopt;
      token.after += static_cast<char>(byte);
    }
    return token;
  }
};

std::string key_of(const KubeObject& object) { return object.space + "/" + object.name; }

constexpr std::string_view kExpiredContinue =
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first "
    "chunk was returned and now may show up in the list.";

[[noreturn]] void refuse(int code, std::string_view reason, std::string_view message) {
  throw BadKubeRequest{status_reply(code, reason, message)};
}

}  // namespace

KubePath parse_kube_path(std::string_view path) {
  KubePath parsed;
  const std::vector<std::string> parts = segments_of(path);
  std::size_t at = 0;
  if (parts.size() >= 3 && parts[0] == "api") {
    parsed.version = parts[1];
    at = 2;
  } else if (parts.size() >= 4 && parts[0] == "apis") {
    parsed.group = parts[1];
    parsed.version = parts[2];
    at = 3;
  } else {
    return parsed;
  }
  parsed.is_resource = true;
  if (parts[at] == "namespaces" && parts.size() > at + 1) {
    parsed.space = parts[at + 1];
    if (parts.size() > at + 2) at += 2;
  }
  parsed.resource = parts[at];
  if (parts.size() > at + 1) parsed.name = parts[at + 1];
  if (parts.size() > at + 2) parsed.subresource = parts[at + 2];
  return parsed;
}

std::string kube_verb(const ServerRequest& request, const KubePath& path) {
  const bool one = !path.name.empty();
  if (!path.is_resource) {
    std::string verb = request.method;
    std::transform(verb.begin(), verb.end(), verb.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return verb;
  }
  if (request.method == "POST") return "create";
  if (request.method == "PUT") return "update";
  if (request.method == "PATCH") return "patch";
  if (request.method == "DELETE") return one ? "delete" : "deletecollection";
  if (one) return "get";
  const std::string_view watch = request.parameter("watch");
  return watch == "true" || watch == "1" ? "watch" : "list";
}

std::string status_text(int code, std::string_view reason, std::string_view message,
                        std::string_view details, std::string_view continue_token) {
  std::string text = R"({"kind":"Status","apiVersion":"v1","metadata":{)";
  if (!continue_token.empty()) text += "\"continue\":" + json_string(continue_token);
  text += "},\"status\":\"Failure\",\"message\":" + json_string(message);
  if (!reason.empty()) text += ",\"reason\":" + json_string(reason);
  if (!details.empty()) text.append(",\"details\":").append(details);
  text += ",\"code\":" + std::to_string(code) + "}";
  return text;
}

ServerReply status_reply(int code, std::string_view reason, std::string_view message,
                         std::string_view details) {
  ServerReply reply = json_reply(status_text(code, reason, message, details) + "\n");
  reply.status = code;
  return reply;
}

ServerReply json_reply(std::string body) {
  return {200,
          {{"Cache-Control", "no-cache, private"}, {"Content-Type", "application/json"}},
          std::move(body)};
}

ServerReply page_not_found() {
  return {404,
          {{"Cache-Control", "no-cache, private"},
           {"Content-Type", "text/plain; charset=utf-8"},
           {"X-Content-Type-Options", "nosniff"}},
          "404 page not found\n"};
}

ServerReply no_such_resource(const KubeStore& store, const KubePath& path) {
  for (const KubeResource* resource : store.resources()) {
    if (resource->group == path.group && resource->version == path.version && !resource->custom) {
      return status_reply(404, "NotFound", "the server could not find the requested resource",
                          "{}");
    }
  }
  return page_not_found();
}

bool KubeSelection::matches(const KubeObject& object) const {
  if (!space.empty() && object.space != space) return false;
  if (!labels.matches(object.labels)) return false;
  return std::all_of(fields.begin(), fields.end(), [&](const FieldRequirement& r) {
    return KubeStore::selected_by_field(object, r.field, r.value) == r.equal;
  });
}

KubeSelection parse_selection(const ServerRequest& request, const KubePath& path,
                              const KubeResource& resource) {
  KubeSelection selection;
  selection.space = path.space;
  try {
    selection.labels = LabelSelector::parse(request.parameter("labelSelector"));
    selection.fields = parse_field_selector(request.parameter("fieldSelector"));
  } catch (const std::invalid_argument& error) {
    refuse(400, "BadRequest", error.what());
  }
  for (const FieldRequirement& r : selection.fields) {
    const bool known =
        r.field == "metadata.name" || r.field == "metadata.namespace" ||
        (resource.kind == "Pod" && (r.field == "spec.nodeName" || r.field == "status.phase")) ||
        (resource.kind == "Event" && r.field.starts_with("involvedObject.")) ||
        (resource.kind == "Secret" && r.field == "type");
    if (known) continue;
    // Kinds with fields of their own (and custom ones) have their own words for it.
    const bool plain = !resource.custom && resource.kind != "Pod" && resource.kind != "Node" &&
                       resource.kind != "Event" && resource.kind != "Secret" &&
                       resource.kind != "Namespace";
    refuse(400, "BadRequest",
           plain ? json_string(r.field) +
                       " is not a known field selector: only \"metadata.name\", "
                       "\"metadata.namespace\""
                 : "field label not supported: " + r.field);
  }
  return selection;
}

std::uint64_t parse_resource_version(const ServerRequest& request) {
  const std::string_view text = request.parameter("resourceVersion");
  if (text.empty()) return 0;
  const auto version = number_of<std::uint64_t>(text);
  if (!version) {
    const std::string message = "resourceVersion: Invalid value: \"" + std::string(text) +
                                "\": strconv.ParseUint: parsing \"" + std::string(text) +
                                "\": invalid syntax";
    // Upstream forgets to make a bad request of it when it watches.
    if (kube_verb(request, parse_kube_path(request.path)) == "watch") refuse(500, "", message);
    refuse(400, "BadRequest", "invalid resource version: " + message);
  }
  return *version;
}

ServerReply answer_list(const KubeStore& store, const KubeResource& resource,
                        const ServerRequest& request, const KubePath& path) {
  const KubeSelection selection = parse_selection(request, path, resource);
  const std::uint64_t asked = parse_resource_version(request);
  const std::string_view match = request.parameter("resourceVersionMatch");
  const std::string_view limit_text = request.parameter("limit");
  const auto parsed_limit = number_of<std::size_t>(limit_text.empty() ? "0" : limit_text);
  if (!parsed_limit) {
    refuse(400, "BadRequest",
           "strconv.ParseInt: parsing \"" + std::string(limit_text) + "\": invalid syntax");
  }
  std::size_t limit = *parsed_limit;
  Continue from{store.version(), ""};
  if (const std::string_view text = request.parameter("continue"); !text.empty()) {
    if (asked != 0) {
      refuse(400, "BadRequest",
             "resourceVersion: Forbidden: specifying resource version is not allowed when using "
             "continue");
    }
    const auto token = Continue::parse(text);
    if (!token)
      refuse(400, "BadRequest",
             "invalid continue token: continue key is not valid: not one of this server's");
    from = *token;
    if (from.version == 0) from.version = store.version();
  } else if (match == "Exact") {
    from.version = asked;
  } else if (asked > store.version()) {
    throw BadKubeRequest{status_reply(
        504, "Timeout",
        "Timeout: Too large resource version: " + std::to_string(asked) +
            ", current: " + std::to_string(store.version()),
        R"({"causes":[{"reason":"ResourceVersionTooLarge","message":"Too large resource version"}],"retryAfterSeconds":1})")};
  } else if (request.parameter("resourceVersion") == "0") {
    limit = 0;  // as upstream: answered from the watch cache, which does not page
  }
  const auto all = store.list(resource, path.space, from.version);
  if (!all) {
    if (match == "Exact") {
      refuse(410, "Expired", "The resourceVersion for the provided list is too old.");
    }
    ServerReply reply = json_reply(
        status_text(410, "Expired", kExpiredContinue, "", Continue{0, from.after}.text()) + "\n");
    reply.status = 410;
    throw BadKubeRequest{std::move(reply)};
  }
  std::string items;
  std::size_t count = 0;
  std::string last_key;
  auto it = std::partition_point(all->begin(), all->end(), [&](const KubeObjectPtr& object) {
    return !from.after.empty() && key_of(*object) <= from.after;
  });
  for (; it != all->end() && (limit == 0 || count < limit); ++it) {
    if (!selection.matches(**it)) continue;
    if (count++ > 0) items += ',';
    (*it)->append_item(resource, items);
    last_key = key_of(**it);
  }
  const auto more = std::find_if(
      it, all->end(), [&](const KubeObjectPtr& object) { return selection.matches(*object); });
  std::string metadata = "{\"resourceVersion\":\"" + std::to_string(from.version) + "\"";
  if (more != all->end()) {
    metadata += ",\"continue\":" + json_string(Continue{from.version, last_key}.text());
    if (!selection.has_selector()) {
      metadata += ",\"remainingItemCount\":" + std::to_string(all->end() - it);
    }
  }
  metadata += "}";
  // Lists of custom resources are written by a map's sorted keys: their metadata comes last.
  const std::string kind = "\"kind\":" + json_string(resource.kind + "List");
  const std::string api_version = "\"apiVersion\":" + json_string(resource.api_version());
  std::string body;
  body.reserve(items.size() + 300);
  if (resource.custom) {
    body.append("{").append(api_version).append(",\"items\":[").append(items).append("],");
    body.append(kind).append(",\"metadata\":").append(metadata).append("}\n");
  } else {
    body.append("{").append(kind).append(",").append(api_version).append(",\"metadata\":");
    body.append(metadata).append(",\"items\":[").append(items).append("]}\n");
  }
  return json_reply(std::move(body));
}

ServerReply answer_get(const KubeStore& store, const KubeResource& resource, const KubePath& path) {
  const KubeObjectPtr object =
      store.get(resource, resource.namespaced ? path.space : "", path.name);
  if (object) return json_reply(object->text + "\n");
  std::string details = "{\"name\":" + json_string(path.name);
  if (!resource.group.empty()) details += ",\"group\":" + json_string(resource.group);
  details += ",\"kind\":" + json_string(resource.plural) + "}";
  return status_reply(404, "NotFound", resource.qualified() + " \"" + path.name + "\" not found",
                      details);
}

std::optional<ServerReply> answer_discovery(const KubeStore& store, std::string_view path,
                                            std::string_view version) {
  using Json = nlohmann::ordered_json;
  if (path == "/healthz" || path == "/livez" || path == "/readyz") {
    return ServerReply{200,
                       {{"Cache-Control", "no-cache, private"},
                        {"Content-Type", "text/plain; charset=utf-8"},
                        {"X-Content-Type-Options", "nosniff"}},
                       "ok"};
  }
  if (path == "/version") {
    const std::string_view minor = version.substr(3, version.find('.', 3) - 3);
    return json_reply(Json{{"major", "1"},
                           {"minor", minor},
                           {"gitVersion", version},
                           {"gitCommit", "0000000000000000000000000000000000000000"},
                           {"gitTreeState", "clean"},
                           {"buildDate", "1970-01-01T00:00:00Z"},
                           {"goVersion", "go1.26.0"},
                           {"compiler", "gc"},
                           {"platform", "linux/amd64"}}
                          .dump(2));
  }
  if (path == "/api") {
    return json_reply(Json{{"kind", "APIVersions"}, {"versions", {"v1"}}}.dump() + "\n");
  }
  std::map<std::string, std::string> groups;  // to their version
  for (const KubeResource* resource : store.resources())
    groups[resource->group] = resource->version;
  const auto group_json = [](const std::string& group, const std::string& its_version) {
    const Json preferred{{"groupVersion", group + "/" + its_version}, {"version", its_version}};
    return Json{
        {"name", group}, {"versions", Json::array({preferred})}, {"preferredVersion", preferred}};
  };
  if (path == "/apis") {
    Json list = Json::array();
    for (const auto& [group, its_version] : groups) {
      if (!group.empty()) list.push_back(group_json(group, its_version));
    }
    return json_reply(
        Json{{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", list}}.dump() + "\n");
  }
  const std::vector<std::string> parts = segments_of(path);
  const bool core = parts.size() == 2 && parts[0] == "api";
  if (!core && (parts.size() < 2 || parts.size() > 3 || parts[0] != "apis")) return std::nullopt;
  const std::string group = core ? "" : parts[1];
  const auto known = groups.find(group);
  if (known == groups.end() || (parts.size() == 3 && parts[2] != known->second)) {
    return std::nullopt;
  }
  if (!core && parts.size() == 2) {
    Json answer{{"kind", "APIGroup"}, {"apiVersion", "v1"}};
    answer.update(group_json(group, known->second));
    return json_reply(answer.dump() + "\n");
  }
  Json list = Json::array();
  for (const KubeResource* resource : store.resources()) {
    if (resource->group != group) continue;
    list.push_back({{"name", resource->plural},
                    {"singularName", ""},
                    {"namespaced", resource->namespaced},
                    {"kind", resource->kind},
                    {"verbs", {"get", "list", "watch"}}});
  }
  return json_reply(Json{{"kind", "APIResourceList"},
                         {"apiVersion", "v1"},
                         {"groupVersion", core ? "v1" : group + "/" + known->second},
                         {"resources", list}}
                        .dump() +
                    "\n");
}

}  // namespace keelwatch::standins
