// What a handler gets and gives: plain values, no library types.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace keelwatch::http {

struct Header {
  std::string name;
  std::string value;

  bool operator==(const Header&) const = default;
};

// ASCII only, as header names and tokens are compared.
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);
[[nodiscard]] std::string_view trim(std::string_view text);

struct Request {
  std::string method;                                      // "GET"
  std::string path;                                        // percent-decoded, begins with '/'
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order, repeats kept
  std::vector<Header> headers;  // repeated ones joined by ", " (RFC 9110 section 5.3)
  std::string body;
  std::string peer;  // "127.0.0.1:4711"

  // Its value; names are compared without case. Absent is nullopt, present and empty is "".
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
  // The first value of that name.
  [[nodiscard]] std::optional<std::string_view> query_value(std::string_view name) const;
};

// Splits a request target into path and query. Takes origin-form and absolute-form. Errors:
// kMalformed (bad percent escape, NUL, no leading '/').
[[nodiscard]] Result<void> parse_target(std::string_view target, Request& request);

// "a=1&b=x+y" as query strings and urlencoded bodies have it. Errors: kMalformed.
[[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> parse_form(
    std::string_view text);

struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::vector<Header> headers;
  // Shared, so that a rendered page goes to every client as the same bytes. Null: empty.
  std::shared_ptr<const std::string> body;

  [[nodiscard]] static Response text(int status, std::string text);
  [[nodiscard]] static Response html(int status, std::string text);  // with a strict CSP
};

// "Not Found"; "" for a status unknown here.
[[nodiscard]] std::string_view reason_phrase(int status);

// "Wed, 25 Nov 2026 02:56:43 GMT".
[[nodiscard]] std::string format_http_date(WallTime t);

// Status line and headers up to the empty line. `extra` replaces headers of the same name.
// Line breaks in values become spaces: no handler can inject a header.
[[nodiscard]] std::string render_head(const Response& response, const std::vector<Header>& extra,
                                      bool keep_alive, WallTime now);

}  // namespace keelwatch::http
