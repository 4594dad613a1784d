#include <charconv>
#include <cstdint>

#include "metrics/exposition.h"

namespace keelwatch::metrics {
namespace {

constexpr std::string_view kBlanks = " \t";

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same(std::string_view text, std::string_view lower_case) {
  if (text.size() != lower_case.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (lower(text[i]) != lower_case[i]) return false;
  }
  return true;
}

// Cuts the part before `separator` off the front of `rest`.
std::string_view next_part(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return trim(part);
}

// One element of Accept: "text/plain;version=0.0.4;q=0.5".
struct MediaRange {
  std::string_view type;
  std::string_view version;
  double q = 1;
};

MediaRange parse_range(std::string_view text) {
  MediaRange range;
  range.type = next_part(text, ';');
  while (!text.empty()) {
    std::string_view value = next_part(text, ';');
    const std::string_view key = next_part(value, '=');
    if (same(key, "version")) range.version = value;
    if (same(key, "q")) {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), range.q);
      if (error != std::errc() || end != value.data() + value.size() || !(range.q >= 0))
        range.q = 0;
    }
  }
  return range;
}

// How wanted one of our formats is: the q of the range that names it most closely (RFC
// 9110, 12.5.1).
class Preference {
 public:
  Preference(std::string_view type, std::string_view any, std::string_view version)
      : type_(type), any_(any), version_(version) {}

  void see(const MediaRange& range) {
    int closeness = 0;
    if (same(range.type, type_)) {
      closeness = range.version == version_ ? 4 : range.version.empty() ? 3 : 0;
    } else if (same(range.type, any_)) {
      closeness = 2;
    } else if (range.type == "*/*") {
      closeness = 1;
    }
    if (closeness > closeness_) {
      closeness_ = closeness;
      q_ = range.q;
    } else if (closeness > 0 && closeness == closeness_ && range.q > q_) {
      q_ = range.q;
    }
  }
  [[nodiscard]] double q() const { return q_; }

 private:
  std::string_view type_, any_, version_;
  int closeness_ = 0;
  double q_ = 0;
};

}  // namespace

std::string_view content_type(Format format) {
  return format == Format::kOpenMetrics100
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

Format negotiate(std::string_view accept_header) {
  Preference text("text/plain", "text/*", "0.0.4");
  Preference open_metrics("application/openmetrics-text", "application/*", "1.0.0");
  while (!accept_header.empty()) {
    const MediaRange range = parse_range(next_part(accept_header, ','));
    text.see(range);
    open_metrics.see(range);
  }
  return open_metrics.q() > text.q() ? Format::kOpenMetrics100 : Format::kText004;
}

}  // namespace keelwatch::metrics
