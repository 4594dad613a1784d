// The web configuration file of Prometheus exporters: TLS, client certificates, basic auth,
// response headers and a rate limit, in exporter-toolkit's format (docs/web-configuration.md
// there), so that a file written for another exporter works here unchanged.
//
// A WebConfig is immutable and complete: certificates are loaded and checked when it is made, so
// that a bad file is an error of the load and never of a handshake.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "http/message.h"

namespace keelwatch::http {

class TlsContext;

struct RateLimit {
  Duration interval{};  // between two requests, > 0
  int burst = 0;        // this many at once; 0 refuses every request
};

struct WebConfig {
  std::shared_ptr<const TlsContext> tls;             // null: plain HTTP
  std::vector<Header> headers;                       // set on every response
  std::map<std::string, Secret, std::less<>> users;  // name → bcrypt hash; empty: no login
  std::optional<RateLimit> rate_limit;
  std::vector<std::string> warnings;  // accepted, but not as exporter-toolkit would do it
};

// Reads the file and those it names (relative paths start at the file's folder). Errors: kNotFound
// and kForbidden for the file itself; kInvalid and kUnsupported, with all problems of the file as
// file:line:col, source line and caret.
[[nodiscard]] Result<std::shared_ptr<const WebConfig>> load_web_config(const std::string& path);

// The same of a text; `path` is for messages and relative paths. `files_read` gets the paths of the
// certificate, key and CA files that the text names.
[[nodiscard]] Result<std::shared_ptr<const WebConfig>> parse_web_config(
    std::string_view text, const std::string& path, std::vector<std::string>* files_read = nullptr);

// Notices that the web configuration file, or a certificate, key or CA file it names, has other
// content than at the last look (mounted Secrets send no signal). One thread.
class WebConfigFile {
 public:
  explicit WebConfigFile(std::string path) : path_(std::move(path)) {}

  // nullopt: nothing changed since the last call. The first call always loads. After an error the
  // caller keeps what it has; the error is given once per changed content.
  [[nodiscard]] std::optional<Result<std::shared_ptr<const WebConfig>>> reread();

 private:
  std::string path_;
  std::vector<std::string> files_;
  std::string seen_;  // digest of all contents
};

}  // namespace keelwatch::http
