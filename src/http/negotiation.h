// What a client's headers say about the answer it takes and where it comes from.
#pragma once

#include <string_view>

#include "http/message.h"

namespace keelwatch::http {

// Whether an Accept-Encoding header (RFC 9110 section 12.5.3) prefers gzip to the plain text, or
// refuses the plain text ("identity;q=0"). False for an empty header.
[[nodiscard]] bool prefers_gzip(std::string_view accept_encoding);

// Whether a browser sent this on behalf of another site (Sec-Fetch-Site, else Origin against Host):
// what a POST must not do. False for clients that are not browsers: they send neither.
[[nodiscard]] bool is_cross_site(const Request& request);

}  // namespace keelwatch::http
