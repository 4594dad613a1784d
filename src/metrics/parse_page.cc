#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <unordered_map>

#include "metrics/exposition.h"
#include "metrics/text.h"

namespace keelwatch::metrics {
namespace {

constexpr std::size_t kMaxLabels = 64;

bool is_blank(char c) { return c == ' ' || c == '\t'; }

enum CharClass : unsigned char { kLabelStart = 1, kLabelRest = 2, kNameStart = 4, kNameRest = 8 };

constexpr std::array<unsigned char, 256> kCharClasses = [] {
  std::array<unsigned char, 256> classes{};
  for (int c = 0; c < 256; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9';
    unsigned char& bits = classes[static_cast<std::size_t>(c)];
    if (letter) bits = kLabelStart | kLabelRest | kNameStart | kNameRest;
    if (digit) bits = kLabelRest | kNameRest;
    if (c == ':') bits = kNameStart | kNameRest;
  }
  return classes;
}();

bool is(char c, CharClass wanted) {
  return (kCharClasses[static_cast<unsigned char>(c)] & wanted) != 0;
}

// Go's ParseFloat without hexadecimal and underscores, which no exporter writes.
bool parse_number(std::string_view text, double& value) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return false;
  }
  if (text.empty() || text.back() == ')') return false;  // "nan(1)"
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ptr != end) return false;
  if (result.ec == std::errc::result_out_of_range) {
    value = std::strtod(std::string(text).c_str(), nullptr);  // too small is 0, too large no number
    return std::isfinite(value);
  }
  return result.ec == std::errc();
}

// The rest of one line, taken off piece by piece.
class Line {
 public:
  explicit Line(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }
  [[nodiscard]] char front() const { return rest_.empty() ? '\0' : rest_.front(); }
  [[nodiscard]] std::string_view rest() const { return rest_; }

  void skip_blanks() {
    while (!rest_.empty() && is_blank(rest_.front())) rest_.remove_prefix(1);
  }
  bool take(char c) {
    if (front() != c || rest_.empty()) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // A name, or "" if there is none here.
  std::string_view take_name(CharClass start, CharClass others) {
    std::size_t size = 0;
    if (!rest_.empty() && is(rest_.front(), start)) {
      while (++size < rest_.size() && is(rest_[size], others)) continue;
    }
    return cut(size);
  }
  // Everything up to the next blank.
  std::string_view take_word() {
    std::size_t size = 0;
    while (size < rest_.size() && !is_blank(rest_[size])) ++size;
    return cut(size);
  }
  // What stands before the closing quote, still escaped; false if there is none. The opening quote
  // is taken already.
  bool take_quoted(std::string_view& inside, bool& escaped) {
    std::size_t size = 0;
    escaped = false;
    while (size < rest_.size() && rest_[size] != '"') {
      if (rest_[size] == '\\') {
        escaped = true;
        ++size;
      }
      ++size;
    }
    if (size >= rest_.size()) return false;
    inside = cut(size);
    rest_.remove_prefix(1);
    return true;
  }

 private:
  std::string_view cut(std::size_t size) {
    const std::string_view front = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return front;
  }

  std::string_view rest_;
};

class PageParser {
 public:
  PageParser(std::string_view text, Format format, std::size_t max_samples)
      : text_(text), format_(format), max_samples_(max_samples) {}

  Result<ParsedPage> parse();

 private:
  // Each parses its part of a line; what is wrong with it is "" if nothing is.
  using Problem = const char*;
  static constexpr Problem kFine = nullptr;

  Problem parse_comment(Line line);
  Problem parse_sample(Line line);
  Problem parse_labels(Line& line);
  Problem parse_label(Line& line);
  Problem parse_value(Line& line, double& value);
  Problem take_text(Line& line, std::string_view& text);
  // `text` without escapes, stored until the next line. Others than \\ \" \n are kept as they
  // stand.
  std::string_view unescape(std::string_view text);
  ParsedPage::Metadata& metadata(std::string_view name);
  [[nodiscard]] bool open_metrics() const { return format_ == Format::kOpenMetrics100; }

  std::string_view text_;
  Format format_;
  std::size_t max_samples_;
  bool ended_ = false;  // "# EOF" was seen
  ParsedPage page_;
  std::unordered_map<std::string, std::size_t> metadata_;  // name → place in page_
  std::vector<LabelView> labels_;                          // of the current line
  std::string unescaped_;                                  // of the current line
};

Result<ParsedPage> PageParser::parse() {
  std::size_t number = 0;
  const auto fail = [&number](ErrorCode code, std::string problem) {
    return Error(code, "line " + std::to_string(number) + ": " + std::move(problem));
  };
  for (std::size_t at = 0; at < text_.size();) {
    ++number;
    if (ended_) return fail(ErrorCode::kMalformed, "text after # EOF");
    const std::size_t end = text_.find('\n', at);
    Line line(text_.substr(at, end - at));
    // The last number of a page that was cut short would be a wrong one.
    if (end == std::string_view::npos && !(open_metrics() && line.rest() == "# EOF")) {
      return fail(ErrorCode::kMalformed, "the page ends within a line");
    }
    at = end == std::string_view::npos ? text_.size() : end + 1;
    line.skip_blanks();
    if (line.empty()) continue;
    const Problem problem = line.front() == '#' ? parse_comment(line) : parse_sample(line);
    if (problem != kFine) return fail(ErrorCode::kMalformed, problem);
    if (page_.samples.size() > max_samples_ || page_.metadata.size() > max_samples_) {
      return fail(ErrorCode::kTooLarge, "more than " + std::to_string(max_samples_) + " samples");
    }
  }
  if (open_metrics() && !ended_) {
    ++number;
    return fail(ErrorCode::kMalformed, "the page ends without # EOF");
  }
  return std::move(page_);
}

PageParser::Problem PageParser::parse_comment(Line line) {
  if (open_metrics() && line.rest() == "# EOF") {
    ended_ = true;
    return kFine;
  }
  line.take('#');
  line.skip_blanks();
  const std::string_view keyword = line.take_word();
  if (keyword != "HELP" && keyword != "TYPE") return kFine;
  line.skip_blanks();
  unescaped_.clear();
  unescaped_.reserve(line.rest().size() * 2);  // the quoted name and the help
  std::string_view name;
  if (line.take('"')) {
    if (const Problem problem = take_text(line, name)) return problem;
  } else {
    name = line.take_name(kNameStart, kNameRest);
  }
  if (name.empty() || !(line.empty() || is_blank(line.front()))) return "not a metric name";
  line.skip_blanks();
  if (keyword == "HELP") {
    const std::string_view help = unescape(line.rest());
    if (!is_utf8(help)) return "invalid UTF-8";
    metadata(name).help = help;
    return kFine;
  }
  const std::string_view type = line.take_word();
  line.skip_blanks();
  for (const std::string_view known : {"counter", "gauge", "histogram", "summary", "untyped",
                                       "unknown", "gaugehistogram", "info", "stateset"}) {
    if (type == known && line.empty()) {
      metadata(name).type = type;
      return kFine;
    }
  }
  return "not a metric type";
}

PageParser::Problem PageParser::parse_sample(Line line) {
  labels_.clear();
  unescaped_.clear();
  unescaped_.reserve(line.rest().size());
  const std::string_view name = line.take_name(kNameStart, kNameRest);
  if (!name.empty()) labels_.push_back({kMetricName, name});
  const bool name_ends = line.empty() || line.front() == '{' || is_blank(line.front());
  if (!name_ends || (name.empty() && line.front() != '{')) return "not a metric name";
  line.skip_blanks();
  if (line.take('{')) {
    if (const Problem problem = parse_labels(line)) return problem;
  }
  const bool named = std::any_of(labels_.begin(), labels_.end(),
                                 [](const LabelView& l) { return l.name == kMetricName; });
  if (!named) return "a sample without a metric name";
  double value = 0;
  if (const Problem problem = parse_value(line, value)) return problem;
  page_.samples.push_back({Labels(labels_), value});
  return kFine;
}

PageParser::Problem PageParser::parse_labels(Line& line) {
  line.skip_blanks();
  while (!line.take('}')) {
    if (const Problem problem = parse_label(line)) return problem;
    line.skip_blanks();
    if (line.take(',')) {
      line.skip_blanks();
    } else if (line.front() != '}') {
      return "expected , or } after a label";
    }
  }
  return kFine;
}

// name="value", "quoted name"="value", or a quoted metric name alone (Prometheus 3's UTF-8 names).
PageParser::Problem PageParser::parse_label(Line& line) {
  if (labels_.size() >= kMaxLabels) return "too many labels";
  LabelView label;
  if (line.take('"')) {
    if (const Problem problem = take_text(line, label.name)) return problem;
    line.skip_blanks();
    if (line.front() != '=') label = {kMetricName, label.name};
  } else {
    label.name = line.take_name(kLabelStart, kLabelRest);
    line.skip_blanks();
  }
  if (label.name.empty()) return "not a label name";
  if (label.value.empty()) {
    if (label.name == kMetricName) return "__name__ is not a label";
    if (!line.take('=')) return "expected = after a label name";
    line.skip_blanks();
    if (!line.take('"')) return "expected a quoted label value";
    if (const Problem problem = take_text(line, label.value)) return problem;
  }
  for (const LabelView& other : labels_) {
    if (other.name == label.name) return "a label is given twice";
  }
  labels_.push_back(label);
  return kFine;
}

PageParser::Problem PageParser::parse_value(Line& line, double& value) {
  line.skip_blanks();
  if (!parse_number(line.take_word(), value)) return "not a number";
  line.skip_blanks();
  if (!line.empty() && line.front() != '#') {
    double timestamp = 0;
    if (!parse_number(line.take_word(), timestamp)) return "not a timestamp";
    line.skip_blanks();
  }
  // OpenMetrics: an exemplar, " # {trace_id="…"} 0.67", up to the end of the line.
  if (!line.empty() && !(open_metrics() && line.rest().starts_with("# {"))) {
    return "text after the value";
  }
  return kFine;
}

PageParser::Problem PageParser::take_text(Line& line, std::string_view& text) {
  bool escaped = false;
  if (!line.take_quoted(text, escaped)) return "a quote is not closed";
  if (escaped) text = unescape(text);
  if (!is_utf8(text)) return "invalid UTF-8";
  return kFine;
}

std::string_view PageParser::unescape(std::string_view text) {
  // Reserved for the line beforehand: appending never moves what was handed out before.
  const std::size_t start = unescaped_.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (text[i] == '\\' && (next == '\\' || next == '"' || next == 'n')) {
      unescaped_ += next == 'n' ? '\n' : next;
      ++i;
    } else {
      unescaped_ += text[i];
    }
  }
  return std::string_view(unescaped_).substr(start);
}

ParsedPage::Metadata& PageParser::metadata(std::string_view name) {
  if (!page_.metadata.empty() && page_.metadata.back().name == name) return page_.metadata.back();
  const auto [place, is_new] = metadata_.emplace(name, page_.metadata.size());
  if (!is_new) return page_.metadata[place->second];
  page_.metadata.push_back({std::string(name), {}, {}});
  return page_.metadata.back();
}

}  // namespace

Result<ParsedPage> parse_page(std::string_view text, std::string_view content_type,
                              std::size_t max_samples) {
  constexpr std::string_view kOpenMetrics = "application/openmetrics-text";
  const std::string_view type = content_type.substr(0, kOpenMetrics.size());
  const bool open_metrics =
      std::equal(type.begin(), type.end(), kOpenMetrics.begin(), kOpenMetrics.end(),
                 [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
  const Format format = open_metrics ? Format::kOpenMetrics100 : Format::kText004;
  return PageParser(text, format, max_samples).parse();
}

}  // namespace keelwatch::metrics
