// What the sections rules and alerts say, beyond its single values.
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "config/check.h"
#include "config/settings.h"

namespace keelwatch::config {
namespace {

// An address without a login, a query or a fragment: we put a path behind it.
void check_base(std::string_view key, const std::string& url, MappingReader& map,
                Diagnostics& problems) {
  if (url.empty()) return;
  if (!is_web_address(url)) {
    map.error(key, fmt::format("{} is not a web address", in_quotes(url)),
              "start it with https:// or http://");
    return;
  }
  const auto host = url.find("://") + 3;
  if (url.substr(host, url.find('/', host) - host).find('@') != std::string::npos) {
    const SourceSpan where = map.span(key);
    problems.hide_lines(where.line, where.line);  // it may hold a password
    map.error(key, "holds a login", "give user and password_file instead");
  } else if (url.find_first_of("?#") != std::string::npos) {
    map.error(key, "has a query or a fragment", "end it before ? and #");
  } else if (url.size() == host || url[host] == '/') {
    map.error(key, fmt::format("{} names no host", in_quotes(url)));
  }
}

bool is_label_name(std::string_view name) {
  static const RE2 kName("[a-zA-Z_][a-zA-Z0-9_]*");
  return RE2::FullMatch(re2::StringPiece(name.data(), name.size()), kName);
}

// A label name in which groups may stand (Prometheus' model/relabel/relabel.go, relabelTarget).
bool is_label_template(const std::string& text) {
  static const RE2 kTemplate(R"((?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+)");
  return RE2::FullMatch(text, kTemplate);
}

void check_regex(const Relabel& r, MappingReader& map) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  const RE2 regex("^(?s:" + r.regex + ")$", options);
  if (!regex.ok()) {
    map.error("regex",
              fmt::format("{} is no regular expression: {}", in_quotes(r.regex), regex.error()));
  }
}

// The settings that an action takes.
bool takes(RelabelAction action, std::string_view key) {
  using enum RelabelAction;
  if (action == kLabelDrop || action == kLabelKeep) return key == "regex";
  if (action == kKeepEqual || action == kDropEqual) {
    return key == "source_labels" || key == "target_label";
  }
  const bool changes_case = action == kLowercase || action == kUppercase;
  return !changes_case || (key != "replacement" && key != "modulus");
}

// A setting that has its default may stand there.
void check_unused(const Relabel& r, std::string_view action, MappingReader& map) {
  const Relabel initial;
  const std::pair<std::string_view, bool> settings[] = {
      {"source_labels", r.source_labels != initial.source_labels},
      {"separator", r.separator != initial.separator},
      {"regex", r.regex != initial.regex},
      {"replacement", r.replacement != initial.replacement},
      {"target_label", r.target_label != initial.target_label},
      {"modulus", r.modulus != initial.modulus},
  };
  for (const auto& [key, set] : settings) {
    if (!set || takes(r.action, key)) continue;
    map.error(key, fmt::format("has no meaning for {}", action), "leave it out");
  }
}

bool writes_target(RelabelAction action) {
  using enum RelabelAction;
  return action != kKeep && action != kDrop && action != kLabelMap && action != kLabelDrop &&
         action != kLabelKeep;
}

void check_target(const Relabel& r, std::string_view action, MappingReader& map) {
  if (!writes_target(r.action)) return;
  if (r.target_label.empty()) {
    map.error("action", fmt::format("{} needs target_label", action));
  } else if (r.action == RelabelAction::kReplace ? !is_label_template(r.target_label)
                                                 : !is_label_name(r.target_label)) {
    map.error("target_label", fmt::format("{} is not a label name", in_quotes(r.target_label)));
  }
}

}  // namespace

void check(const Alertmanager& a, MappingReader& map, Diagnostics& problems) {
  check_base("url", a.url, map, problems);
  for (const std::string_view key : {"password", "bearer_token"}) {
    refuse_secret(key, "secrets", map, problems);
  }
  if (gives(map, "bearer_token_file") && gives(map, "user")) {
    map.error("bearer_token_file", "contradicts user", "give one of the two");
  }
  if (gives(map, "password_file") && !gives(map, "user")) {
    map.error("password_file", "needs user as well");
  }
  if (a.cert_file.empty() != a.key_file.empty()) {
    const bool has_cert = a.key_file.empty();
    map.error(has_cert ? "cert_file" : "key_file",
              fmt::format("needs {} as well", has_cert ? "key_file" : "cert_file"));
  }
  if (a.insecure_skip_verify) {
    map.warning("insecure_skip_verify", "whoever answers in its place is believed",
                "name its CA as ca_file");
  }
  if (a.url.starts_with("https://")) return;
  for (const std::string_view key : {"ca_file", "cert_file", "key_file", "server_name"}) {
    if (gives(map, key)) map.warning(key, "has no effect on a URL that starts with http://");
  }
}

void check(const Relabel& r, MappingReader& map, Diagnostics&) {
  std::string_view action;
  for (const auto& [word, value] : kRelabelWords) {
    if (value == r.action) action = word;
  }
  check_regex(r, map);
  check_target(r, action, map);
  check_unused(r, action, map);
  if (r.action == RelabelAction::kHashMod && !r.modulus) {
    map.error("action", "hashmod needs modulus");
  }
  if (r.action == RelabelAction::kLabelMap && !is_label_template(r.replacement)) {
    map.error("replacement", fmt::format("{} is not a label name", in_quotes(r.replacement)));
  }
}

void check(const Heartbeat& h, MappingReader& map, Diagnostics&) {
  if (!h.url.empty() && !is_web_address(h.url)) {
    map.error("url", fmt::format("{} is not a web address", in_quotes(h.url)),
              "start it with https:// or http://");
  }
  if (gives(map, "url") && gives(map, "url_file")) {
    map.error("url_file", "contradicts url", "give one of the two");
  }
}

void check(const Rules& r, MappingReader& map, Diagnostics& /*problems*/) {
  const auto has_empty = [](const std::vector<std::string>& texts) {
    return std::find(texts.begin(), texts.end(), "") != texts.end();
  };
  if (has_empty(r.files)) map.error("files", "an empty pattern names no file");
  if (has_empty(r.disable)) map.error("disable", "an empty name is that of no rule");
}

void check(const Alerts& a, MappingReader& map, Diagnostics& problems) {
  check_base("external_url", a.external_url, map, problems);
  check_base("runbook_base_url", a.runbook_base_url, map, problems);
  for (const auto& [name, value] : a.external_labels) {
    if (is_label_name(name) && !name.starts_with("__")) continue;
    map.error("external_labels", fmt::format("{} is not a label name", in_quotes(name)));
  }
}

std::string identity(const Alertmanager& a) { return a.url; }
std::string identity(const Relabel&) { return {}; }  // the same step twice is allowed

}  // namespace keelwatch::config
