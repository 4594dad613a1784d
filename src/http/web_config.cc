#include "http/web_config.h"

#include <openssl/sha.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <utility>

#include "base/diagnostics.h"
#include "base/edit_distance.h"
#include "base/file.h"
#include "base/mapping_reader.h"
#include "base/yaml.h"
#include "http/basic_auth.h"
#include "http/tls_context.h"

namespace keelwatch::http {
namespace {

// One comparison doubles per step; at 2^17 it takes about ten seconds.
constexpr int kMaxBcryptCost = 16;
constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;

// exporter-toolkit's web/handler.go: extraHTTPHeaders.
struct AllowedHeader {
  std::string_view name;
  std::vector<std::string_view> values;  // empty: any
};
const std::vector<AllowedHeader>& allowed_headers() {
  static const std::vector<AllowedHeader> headers = {
      {"Strict-Transport-Security", {}},
      {"X-Content-Type-Options", {"nosniff"}},
      {"X-Frame-Options", {"deny", "sameorigin"}},
      {"X-XSS-Protection", {}},
      {"Content-Security-Policy", {}},
  };
  return headers;
}

// Go's time.ParseDuration: "1.5h", "2m30s", "100ms"; in a YAML file also a bare "0".
std::optional<Duration> parse_go_duration(std::string_view text) {
  static constexpr std::pair<std::string_view, double> kUnits[] = {
      {"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  if (text == "0") return Duration::zero();
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    double number = 0;
    const auto [end, ec] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (ec != std::errc() || !(number >= 0)) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const std::string_view unit = text.substr(0, text.find_first_of("0123456789."));
    const auto* known = std::find_if(std::begin(kUnits), std::end(kUnits),
                                     [&](const auto& u) { return u.first == unit; });
    if (known == std::end(kUnits)) return std::nullopt;
    total += number * known->second;
    text.remove_prefix(unit.size());
  }
  if (total > 9e18) return std::nullopt;
  return Duration(static_cast<Duration::rep>(total));
}

void fill_with_x(std::string& text, std::size_t offset, std::size_t length) {
  for (std::size_t i = offset; i < std::min(offset + length, text.size()); ++i) {
    if (text[i] == '\n') break;
    text[i] = 'x';
  }
}

// The text of the same shape without hashes, passwords written in their place, and keys: problems
// show source lines, and those go to logs.
std::string without_secrets(const Diagnostics& original, const YamlNode& root) {
  std::string text = original.source().text();
  for (std::size_t at = text.find("$2"); at != std::string::npos; at = text.find("$2", at + 2)) {
    if (text.size() - at > 7) {
      fill_with_x(text, at + 7,
                  std::min(text.find_first_of("\"' ,}\n", at + 7), text.size()) - at - 7);
    }
  }
  std::vector<YamlNode> secrets = {root["tls_server_config"]["key"]};
  for (const auto& entry : root["basic_auth_users"].entries()) secrets.push_back(entry.value);
  for (const YamlNode& secret : secrets) {
    if (!secret.is_scalar()) continue;
    const SourceSpan span = secret.span();
    if (span.line == 0) continue;
    fill_with_x(text, original.source().offset_of(span), static_cast<std::size_t>(span.length));
  }
  return text;
}

class Reader {
 public:
  Reader(Diagnostics& problems, std::string folder, std::vector<std::string>& files_read)
      : problems_(problems), folder_(std::move(folder)), files_read_(files_read) {}

  void read(const YamlNode& root, WebConfig& out) {
    MappingReader map(root, problems_);
    if (const YamlNode* node = map.node("tls_server_config")) read_tls(*node, out);
    if (const YamlNode* node = map.node("http_server_config")) read_http(*node, out);
    if (const YamlNode* node = map.node("basic_auth_users")) read_users(*node, out);
    if (const YamlNode* node = map.node("rate_limit")) read_rate_limit(*node, out);
  }

 private:
  // The text of KEY, or of the file named by KEY_file. False: neither is there, or a problem.
  bool read_pem(MappingReader& map, const std::string& key, std::string& out) {
    std::string path;
    const bool in_text = map.read(key, out) && !out.empty();
    const bool in_file = map.read(key + "_file", path) && !path.empty();
    if (in_text && in_file) {
      map.error(key + "_file", "given together with " + key, "keep one of them");
      return false;
    }
    if (!in_file) return in_text;
    path = (std::filesystem::path(folder_) / path).string();  // an absolute one replaces the folder
    files_read_.push_back(path);
    auto text = read_file(path, kMaxFileBytes);
    if (!text) {
      map.error(key + "_file", text.error().message());
      return false;
    }
    out = std::move(*text);
    return true;
  }

  template <typename Parse>
  void read_names(MappingReader& map, const char* key, Parse parse,
                  const std::vector<std::string_view>& known, std::vector<std::string>& out) {
    for (const YamlNode& item : map.list(key)) {
      auto name = parse(item.text());
      if (!name) {
        problems_.error(item.span(), map.subject(key), name.error().message(),
                        did_you_mean(item.text(), known));
      } else if (!name->empty()) {
        out.push_back(std::move(*name));
      }
    }
  }

  void read_versions(MappingReader& map, WebConfig& out, TlsSettings& settings) {
    static constexpr std::pair<std::string_view, int> kVersions[] = {
        {"TLS10", 10}, {"TLS11", 11}, {"TLS12", 12}, {"TLS13", 13}};
    int min = 12;
    int max = 13;
    const std::span<const std::pair<std::string_view, int>> words(kVersions);
    map.read_choice("min_version", min, words);
    if (map.read_choice("max_version", max, words) && max < 12) {
      map.error("max_version", "TLS 1.0 and 1.1 are not offered", "use TLS12 or TLS13");
    }
    if (min < 12) out.warnings.push_back("min_version: TLS 1.2 is the oldest version offered");
    if (max >= 12 && min > max) map.error("min_version", "is above max_version");
    settings.min_tls13 = min == 13;
    settings.max_tls12 = max == 12;
  }

  void read_client_auth(MappingReader& map, WebConfig& out, TlsSettings& settings) {
    std::string name;
    if (map.read("client_auth_type", name) && !name.empty()) {
      const auto parsed = parse_client_auth(name);
      if (parsed) {
        settings.client_auth = *parsed;
      } else {
        map.error("client_auth_type", parsed.error().message(),
                  did_you_mean(name, known_client_auth_names()));
      }
    }
    const bool has_ca = read_pem(map, "client_ca", settings.client_ca_pem);
    map.read("client_allowed_sans", settings.client_allowed_sans);
    const bool requires_certificate = settings.client_auth == ClientAuth::kRequireAny ||
                                      settings.client_auth == ClientAuth::kRequireAndVerify;
    if (has_ca && settings.client_auth == ClientAuth::kNone) {
      map.error("client_auth_type",
                "there is a client CA, but client certificates are not asked for",
                "use RequireAndVerifyClientCert");
    }
    if (!settings.client_allowed_sans.empty() && !requires_certificate) {
      map.error("client_allowed_sans", "needs a client certificate in every connection",
                "use client_auth_type: RequireAndVerifyClientCert");
    }
    if (settings.client_auth == ClientAuth::kRequireAny) {
      out.warnings.push_back(
          "client_auth_type: RequireAnyClientCert takes a certificate that anybody can make");
    }
    const bool verifies = settings.client_auth == ClientAuth::kRequireAndVerify ||
                          settings.client_auth == ClientAuth::kVerifyIfGiven;
    if (verifies && !has_ca) {
      out.warnings.push_back(
          "client_ca_file: not given, so every certificate of a CA of this system is accepted");
    }
  }

  void read_tls(const YamlNode& node, WebConfig& out) {
    MappingReader map(node, problems_, "tls_server_config");
    TlsSettings settings;
    std::string key;
    const std::size_t errors_before = problems_.errors();
    const bool has_certificate = read_pem(map, "cert", settings.certificate_pem);
    const bool has_key = read_pem(map, "key", key);
    settings.key_pem = Secret(std::move(key));
    read_client_auth(map, out, settings);
    read_versions(map, out, settings);
    read_names(map, "cipher_suites", openssl_cipher_name, known_cipher_names(),
               settings.cipher_suites);
    read_names(map, "curve_preferences", openssl_curve_name, known_curve_names(), settings.curves);
    map.read("prefer_server_cipher_suites", settings.prefer_server_ciphers);
    if (node.entries().empty() || problems_.errors() != errors_before) return;
    // As in exporter-toolkit, the section turns TLS on when one of these is there.
    const bool enabled = has_certificate || has_key || map.node("client_auth_type") != nullptr ||
                         !settings.client_ca_pem.empty();
    if (!enabled) {
      out.warnings.push_back("tls_server_config: no certificate in it, so TLS is off");
      return;
    }
    if (!has_certificate) map.error("cert_file", "missing: TLS needs cert_file and key_file");
    if (!has_key) map.error("key_file", "missing: TLS needs cert_file and key_file");
    if (!has_certificate || !has_key) return;
    make_context(map, settings, out);
  }

  void make_context(MappingReader& map, const TlsSettings& settings, WebConfig& out) {
    TlsContext::Failure failure{};
    out.tls = TlsContext::make(settings, failure);
    if (out.tls) return;
    std::string key;
    switch (failure.part) {
      case TlsContext::Part::kCertificate:
        key = "cert";
        break;
      case TlsContext::Part::kKey:
        key = "key";
        break;
      case TlsContext::Part::kClientCa:
        key = "client_ca";
        break;
      case TlsContext::Part::kOther:
        break;
    }
    if (!key.empty() && map.node(key) == nullptr) key += "_file";
    map.error(key, failure.problem);
  }

  void read_http(const YamlNode& node, WebConfig& out) {
    MappingReader map(node, problems_, "http_server_config");
    bool http2 = false;
    if (map.read("http2", http2) && http2) {
      out.warnings.push_back(
          "http2: accepted, but HTTP/1.1 is what is served; clients agree on it");
    }
    const YamlNode* headers = map.node("headers");
    if (headers == nullptr) return;
    std::vector<std::string_view> names;
    for (const AllowedHeader& h : allowed_headers()) names.push_back(h.name);
    MappingReader reader(*headers, problems_, "http_server_config.headers");
    for (const auto& entry : headers->entries()) {
      const auto known = std::find_if(allowed_headers().begin(), allowed_headers().end(),
                                      [&](const AllowedHeader& h) { return h.name == entry.key; });
      reader.ignore(entry.key);
      if (known == allowed_headers().end()) {
        problems_.error(entry.key_span, "http_server_config.headers",
                        "header " + in_quotes(entry.key) + " cannot be configured",
                        did_you_mean(entry.key, names));
        continue;
      }
      std::string value;
      if (!reader.read(entry.key, value)) continue;
      if (!known->values.empty() &&
          std::find(known->values.begin(), known->values.end(), value) == known->values.end()) {
        std::string remedy = "write";
        for (std::string_view v : known->values)
          remedy += (remedy == "write" ? " " : " or ") + std::string(v);
        reader.error(entry.key, in_quotes(value) + " is not a value of this header", remedy);
        continue;
      }
      out.headers.push_back({entry.key, value});
    }
  }

  void read_users(const YamlNode& node, WebConfig& out) {
    MappingReader map(node, problems_, "basic_auth_users");
    for (const auto& entry : node.entries()) {
      map.ignore(entry.key);
      // A null value would otherwise be a user that nobody can be, which looks like no protection.
      const auto cost = entry.value.is_scalar() ? bcrypt_cost(entry.value.text()) : std::nullopt;
      if (!cost) {
        problems_.error(entry.value.is_null() ? entry.key_span : entry.value.span(),
                        "basic_auth_users",
                        "the password of " + in_quotes(entry.key) + " is not a bcrypt hash",
                        "make one with: htpasswd -nBC 10 \"\" | tr -d ':\\n'");
      } else if (*cost > kMaxBcryptCost) {
        problems_.error(
            entry.value.span(), "basic_auth_users",
            "a bcrypt cost of " + std::to_string(*cost) + " takes too long for a request",
            "use a cost of 10 to 12");
      } else if (entry.key.find(':') != std::string::npos) {
        problems_.error(entry.key_span, "basic_auth_users", "a user name cannot hold a colon");
      } else {
        out.users.emplace(entry.key, Secret(entry.value.text()));
      }
    }
  }

  void read_rate_limit(const YamlNode& node, WebConfig& out) {
    MappingReader map(node, problems_, "rate_limit");
    RateLimit limit;
    std::string interval = "0";
    map.read("interval", interval);
    const auto parsed = parse_go_duration(interval);
    if (!parsed) {
      map.error("interval", in_quotes(interval) + " is not a duration",
                "write it like 100ms, 1s or 1m30s");
    }
    map.read_integer("burst", limit.burst, {.min = 0, .max = 1'000'000});
    if (!parsed || *parsed == Duration::zero()) return;
    if (limit.burst == 0) {
      map.error("burst", "a burst of 0 refuses every request", "set it to 1 or more");
    }
    limit.interval = *parsed;
    out.rate_limit = limit;
  }

  Diagnostics& problems_;
  const std::string folder_;
  std::vector<std::string>& files_read_;
};

Error error_of(const Diagnostics& problems) {
  std::string text = problems.text();
  while (text.ends_with('\n')) text.pop_back();
  return Error(ErrorCode::kInvalid, std::move(text));
}

std::string digest_of(const std::vector<std::string>& files) {
  std::string all;
  for (const std::string& path : files) {
    const auto text = read_file(path, kMaxFileBytes);
    const std::string& content = text ? *text : text.error().message();
    unsigned char sum[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(content.data()), content.size(), sum);
    all.append(text ? "file " : "none ").append(reinterpret_cast<const char*>(sum), sizeof sum);
  }
  return all;
}

}  // namespace

Result<std::shared_ptr<const WebConfig>> parse_web_config(std::string_view text,
                                                          const std::string& path,
                                                          std::vector<std::string>* files_read) {
  // With syntax errors it is not known where the secrets are: then no line is shown.
  Diagnostics original(SourceFile(path, std::string(text), SourceFile::Text::kHidden));
  const auto root = parse_yaml(original);
  if (!root) return error_of(original);
  Diagnostics problems(SourceFile(path, without_secrets(original, *root)));
  problems.append(original);

  auto config = std::make_shared<WebConfig>();
  std::vector<std::string> files;
  Reader(problems, std::filesystem::path(path).parent_path().string(), files).read(*root, *config);
  if (files_read != nullptr) *files_read = std::move(files);
  if (problems.has_errors()) return error_of(problems);
  for (const Diagnostic& d : problems.all()) config->warnings.push_back(d.problem);
  return std::shared_ptr<const WebConfig>(std::move(config));
}

Result<std::shared_ptr<const WebConfig>> load_web_config(const std::string& path) {
  const auto text = read_file(path, kMaxFileBytes);
  if (!text) return text.error();
  return parse_web_config(*text, path);
}

std::optional<Result<std::shared_ptr<const WebConfig>>> WebConfigFile::reread() {
  const auto digest = [this] {
    std::vector<std::string> all = files_;
    all.push_back(path_);
    return digest_of(all);
  };
  // The digest is older than what is read: a change in between is seen at the next look. So when
  // files are named for the first time, all are read again.
  std::optional<Result<std::shared_ptr<const WebConfig>>> result;
  for (std::string now = digest(); now != seen_; now = digest()) {
    seen_ = std::move(now);
    std::vector<std::string> files;
    const auto text = read_file(path_, kMaxFileBytes);
    result = text ? parse_web_config(*text, path_, &files)
                  : Result<std::shared_ptr<const WebConfig>>(text.error());
    // A file that cannot be parsed names none: those of the last good one are kept in sight.
    if (files == files_ || (!*result && files.empty())) return result;
    files_ = std::move(files);
  }
  return result;
}

}  // namespace keelwatch::http
