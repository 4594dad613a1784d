// The part of Markdown that runbooks are written in, as HTML: headings, paragraphs, lists (nested
// by indentation), fenced code, tables, block quotes; in a line code, bold, emphasis and links.
// Everything else of the text is shown as it is: no HTML passes through, and links lead only to
// http(s), this site or a heading.
#pragma once

#include <string>
#include <string_view>

namespace keelwatch::http {

// For text and for attribute values in double quotes.
[[nodiscard]] std::string escape_html(std::string_view text);

[[nodiscard]] std::string markdown_to_html(std::string_view markdown);

}  // namespace keelwatch::http
