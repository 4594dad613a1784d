// Texts as Prometheus' template functions make them (template/template.go, util/strutil). Not for
// use from outside rules/.
#pragma once

#include <string>
#include <string_view>

namespace keelwatch::rules {

[[nodiscard]] std::string humanize(double value);           // 1.235M, 12m
[[nodiscard]] std::string humanize_1024(double value);      // 1.5Gi
[[nodiscard]] std::string humanize_duration(double value);  // 1d 2h 3m 4s
[[nodiscard]] std::string humanize_percentage(double value);

// Of ASCII letters; others stay as they are.
[[nodiscard]] std::string upper_case(std::string_view text);
[[nodiscard]] std::string lower_case(std::string_view text);
[[nodiscard]] std::string title(std::string_view text);

[[nodiscard]] std::string html_escape(std::string_view text);
[[nodiscard]] std::string js_escape(std::string_view text);
[[nodiscard]] std::string query_escape(std::string_view text);  // url.QueryEscape

[[nodiscard]] std::string strip_port(std::string_view host_port);
[[nodiscard]] std::string strip_domain(std::string_view host_port);
[[nodiscard]] std::string graph_link(std::string_view expr);
[[nodiscard]] std::string table_link(std::string_view expr);
[[nodiscard]] std::string url_path(std::string_view url);

// `text` in backquotes; in quotes if it has some itself.
[[nodiscard]] std::string backquoted(std::string_view text);

}  // namespace keelwatch::rules
