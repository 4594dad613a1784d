// The pages for people: the landing page, its style sheet, and the runbooks that alerts link to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/embedded.h"
#include "http/router.h"

namespace keelwatch::http {

struct PageOptions {
  std::string version;                      // "0.1.0 (revision abc)"
  std::string telemetry_path = "/metrics";  // where the landing page links to
};

// Adds GET of "/", "/style.css", "/runbooks/" (the list) and "/runbooks/NAME" from the embedded
// files.
void add_pages(Router& router, const PageOptions& options);

// Of "rules/runbooks/NAME.md" among `files`; 404 for any other name. The list for an empty name.
[[nodiscard]] Response runbook_page(const std::vector<EmbeddedFile>& files, std::string_view name);

}  // namespace keelwatch::http
