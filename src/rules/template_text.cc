#include "rules/template_text.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <optional>

#include "promql/printer.h"
#include "rules/template_value.h"

namespace keelwatch::rules {
namespace {

constexpr std::array<std::string_view, 8> kLarge = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
constexpr std::array<std::string_view, 8> kBinary = {"ki", "Mi", "Gi", "Ti",
                                                     "Pi", "Ei", "Zi", "Yi"};
constexpr std::array<std::string_view, 8> kSmall = {"m", "u", "n", "p", "f", "a", "z", "y"};

std::string_view shrink(double& value, double base, const std::array<std::string_view, 8>& names) {
  std::string_view prefix;
  for (const std::string_view name : names) {
    if (std::abs(value) < base) break;
    prefix = name;
    value /= base;
  }
  return prefix;
}

std::string_view grow(double& value) {
  std::string_view prefix;
  for (const std::string_view name : kSmall) {
    if (std::abs(value) >= 1) break;
    prefix = name;
    value *= 1000;
  }
  return prefix;
}

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
char to_upper(char c) { return is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c; }
char to_lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

struct HostPort {
  std::string host;
  std::string port;
};

// net.SplitHostPort
std::optional<HostPort> split_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || end + 1 != colon) return std::nullopt;
    host = text.substr(1, end - 1);
    if (host.find('[') != std::string_view::npos) return std::nullopt;
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return std::nullopt;
  }
  if (port.find_first_of("[]") != std::string_view::npos) return std::nullopt;
  return HostPort{std::string(host), std::string(port)};
}

bool is_ip(const std::string& host) {
  std::array<unsigned char, 16> address{};
  return inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

}  // namespace

std::string humanize(double value) {
  if (value == 0 || !std::isfinite(value)) return four_digits(value);
  const std::string_view prefix = std::abs(value) >= 1 ? shrink(value, 1000, kLarge) : grow(value);
  return four_digits(value) + std::string(prefix);
}

std::string humanize_1024(double value) {
  if (std::abs(value) <= 1 || !std::isfinite(value)) return four_digits(value);
  const std::string_view prefix = shrink(value, 1024, kBinary);
  return four_digits(value) + std::string(prefix);
}

std::string humanize_duration(double value) {
  if (!std::isfinite(value)) return four_digits(value);
  if (value == 0) return four_digits(value) + "s";
  if (std::abs(value) < 1) {
    const std::string_view prefix = grow(value);
    return four_digits(value) + std::string(prefix) + "s";
  }
  const char* sign = value < 0 ? "-" : "";
  value = std::abs(value);
  const auto whole =
      static_cast<std::int64_t>(std::min(value, 9.2233720368547748e18));  // Go overflows here
  const std::int64_t seconds = whole % 60;
  const std::int64_t minutes = whole / 60 % 60;
  const std::int64_t hours = whole / 3600 % 24;
  const std::int64_t days = whole / 86400;
  if (days != 0) return fmt::format("{}{}d {}h {}m {}s", sign, days, hours, minutes, seconds);
  if (hours != 0) return fmt::format("{}{}h {}m {}s", sign, hours, minutes, seconds);
  if (minutes != 0) return fmt::format("{}{}m {}s", sign, minutes, seconds);
  return fmt::format("{}{}s", sign, four_digits(value));
}

std::string humanize_percentage(double value) { return four_digits(value * 100) + "%"; }

std::string upper_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = to_upper(c);
  return out;
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = to_lower(c);
  return out;
}

// golang.org/x/text/cases: a word goes on over an underscore, and over one of '.: between letters.
std::string title(std::string_view text) {
  std::string out(text);
  const auto in_word = [&](std::size_t i) {
    const char c = text[i];
    return is_lower(c) || is_upper(c) || is_digit(c) || c == '_' ||
           (static_cast<unsigned char>(c) & 0x80U) != 0;
  };
  for (std::size_t i = 0; i < out.size(); ++i) {
    const bool joined = i >= 2 && std::string_view("'.:").find(text[i - 1]) < 3 && in_word(i - 2);
    if (i == 0 || !(in_word(i - 1) || joined)) out[i] = to_upper(out[i]);
  }
  return out;
}

std::string html_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\0':
        out += "\xEF\xBF\xBD";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string js_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '\'' || c == '"') {
      out += '\\';
      out += c;
    } else if (c == '<' || c == '>' || c == '&' || c == '=' ||
               static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

std::string query_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_lower(c) || is_upper(c) || is_digit(c) || c == '-' || c == '_' || c == '.' || c == '~') {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string strip_port(std::string_view host_port) {
  const std::optional<HostPort> split = split_host_port(host_port);
  return split ? split->host : std::string(host_port);
}

std::string strip_domain(std::string_view host_port) {
  const HostPort split = split_host_port(host_port).value_or(HostPort{std::string(host_port), ""});
  if (is_ip(split.host)) return std::string(host_port);
  const std::string host = split.host.substr(0, split.host.find('.'));
  return split.port.empty() ? host : host + ":" + split.port;
}

std::string graph_link(std::string_view expr) {
  return "/graph?g0.expr=" + query_escape(expr) + "&g0.tab=0";
}

std::string table_link(std::string_view expr) {
  return "/graph?g0.expr=" + query_escape(expr) + "&g0.tab=1";
}

std::string url_path(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url.substr(0, url.find_first_of("?#")));
  url.remove_prefix(scheme + 3);
  const std::size_t slash = url.find_first_of("/?#");
  if (slash == std::string_view::npos || url[slash] != '/') return {};
  url.remove_prefix(slash);
  return std::string(url.substr(0, url.find_first_of("?#")));
}

std::string backquoted(std::string_view text) {
  if (text.find('`') == std::string_view::npos) return "`" + std::string(text) + "`";
  return promql::quote(text);
}

}  // namespace keelwatch::rules
