#include "http/negotiation.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace keelwatch::http {
namespace {

// "gzip;q=0.5" → 0.5. A weight that is not one counts as 0: a coding is never forced on a client.
double weight_of(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string_view p = trim(parameters.substr(0, parameters.find(';')));
    parameters.remove_prefix(std::min(parameters.find(';'), parameters.size() - 1) + 1);
    if (!p.starts_with("q=") && !p.starts_with("Q=")) continue;
    double q = 0;
    const auto [end, ec] = std::from_chars(p.data() + 2, p.data() + p.size(), q);
    const bool whole = ec == std::errc() && end == p.data() + p.size();
    return whole && q >= 0 && q <= 1 ? q : 0;
  }
  return 1;
}

}  // namespace

bool prefers_gzip(std::string_view accept_encoding) {
  std::optional<double> gzip, identity, any;
  while (!accept_encoding.empty()) {
    const std::string_view item = accept_encoding.substr(0, accept_encoding.find(','));
    accept_encoding.remove_prefix(std::min(item.size() + 1, accept_encoding.size()));
    const auto semicolon = item.find(';');
    const std::string_view coding = trim(item.substr(0, semicolon));
    const double q =
        semicolon == std::string_view::npos ? 1 : weight_of(item.substr(semicolon + 1));
    if (equals_ignoring_case(coding, "gzip") || equals_ignoring_case(coding, "x-gzip")) gzip = q;
    if (equals_ignoring_case(coding, "identity")) identity = q;
    if (coding == "*") any = q;
  }
  if (!gzip) gzip = any;
  if (!gzip || *gzip == 0) return false;
  return !identity || *gzip >= *identity;
}

bool is_cross_site(const Request& request) {
  if (const auto site = request.header("Sec-Fetch-Site")) {
    return *site != "same-origin" && *site != "none";
  }
  const auto origin = request.header("Origin");
  if (!origin) return false;
  const auto authority = origin->find("://");
  if (authority == std::string_view::npos) return true;  // "null", or nonsense
  return !equals_ignoring_case(origin->substr(authority + 3), request.header("Host").value_or(""));
}

}  // namespace keelwatch::http
