#include "base/diagnostics.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace keelwatch {
namespace {

constexpr std::size_t kShownLine = 160;
constexpr std::size_t kShownBefore = 80;  // of a long line, in front of the place
constexpr std::size_t kShownValue = 60;

int to_int(std::size_t n) {
  return static_cast<int>(std::min<std::size_t>(n, std::numeric_limits<int>::max()));
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

// Characters, not bytes: what a caret line has to be indented by.
std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

// The same text, safe for a terminal.
std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (is_control(c) && c != '\t') c = '?';
  }
  return out;
}

// The source line and the line with the mark below it.
std::string excerpt(std::string_view line, SourceSpan where, std::string_view remedy) {
  const std::size_t column =
      std::min(static_cast<std::size_t>(std::max(where.column, 1)) - 1, line.size());
  std::size_t first = 0;
  std::size_t last = line.size();
  if (line.size() > kShownLine) {
    first = column > kShownBefore ? column - kShownBefore : 0;
    last = std::min(line.size(), first + kShownLine);
    while (first > 0 && is_continuation(line[first])) --first;
    while (last < line.size() && is_continuation(line[last])) ++last;
  }
  const std::string_view cut_left = first > 0 ? "..." : "";
  const std::string_view cut_right = last < line.size() ? "..." : "";
  const std::string_view before = line.substr(first, column - first);
  const std::string_view marked = line.substr(
      column, std::min(last - column, static_cast<std::size_t>(std::max(where.length, 1))));

  std::string out =
      fmt::format("{}{}{}\n", cut_left, printable(line.substr(first, last - first)), cut_right);
  out.append(cut_left.size(), ' ');
  for (const char c : before) {
    if (!is_continuation(c)) out += c == '\t' ? '\t' : ' ';
  }
  out.append(std::max<std::size_t>(characters(marked), 1), '^');
  if (!remedy.empty()) out.append(" ").append(remedy);
  return out += '\n';
}

}  // namespace

std::string_view to_string(Severity severity) {
  return severity == Severity::kError ? "error" : "warning";
}

struct SourceFile::Content {
  std::string name;
  std::string text;
  Text visibility;
  std::vector<std::size_t> line_starts;
};

SourceFile::SourceFile(std::string name, std::string text, Text visibility) {
  auto content = std::make_shared<Content>();
  content->name = std::move(name);
  content->text = std::move(text);
  if (content->text.starts_with("\xEF\xBB\xBF")) content->text.erase(0, 3);
  content->visibility = visibility;
  content->line_starts.push_back(0);
  for (std::size_t i = 0; i < content->text.size(); ++i) {
    if (content->text[i] == '\n') content->line_starts.push_back(i + 1);
  }
  content_ = std::move(content);
}

const std::string& SourceFile::name() const { return content_->name; }
const std::string& SourceFile::text() const { return content_->text; }
bool SourceFile::hidden() const { return content_->visibility == Text::kHidden; }

std::string_view SourceFile::line(int number) const {
  const auto& starts = content_->line_starts;
  if (number < 1 || static_cast<std::size_t>(number) > starts.size()) return {};
  const std::size_t begin = starts[static_cast<std::size_t>(number) - 1];
  std::string_view rest = std::string_view(content_->text).substr(begin);
  rest = rest.substr(0, rest.find('\n'));
  if (rest.ends_with('\r')) rest.remove_suffix(1);
  return rest;
}

SourceSpan SourceFile::span_at(std::size_t offset, std::size_t length) const {
  const auto& starts = content_->line_starts;
  offset = std::min(offset, content_->text.size());
  const auto next = std::upper_bound(starts.begin(), starts.end(), offset);
  const auto line = static_cast<std::size_t>(next - starts.begin());
  return {to_int(line), to_int(offset - starts[line - 1] + 1),
          to_int(std::max<std::size_t>(length, 1))};
}

std::size_t SourceFile::offset_of(SourceSpan span) const {
  const auto& starts = content_->line_starts;
  if (span.line < 1) return 0;
  const std::size_t line = std::min(static_cast<std::size_t>(span.line), starts.size()) - 1;
  const std::size_t column = static_cast<std::size_t>(std::max(span.column, 1)) - 1;
  return std::min(starts[line] + column, content_->text.size());
}

std::string Diagnostic::text() const {
  std::string out = file;
  if (where.line > 0) out += fmt::format(":{}:{}", where.line, where.column);
  if (severity == Severity::kWarning) out += ": warning";
  if (!subject.empty()) out += fmt::format(": {}", printable(subject));
  out += fmt::format(": {}", printable(problem));
  const bool blank = source_line.find_first_not_of(" \t") == std::string::npos;
  if (blank) {  // nothing to point at
    if (!remedy.empty()) out += fmt::format("; {}", printable(remedy));
    return out += '\n';
  }
  return out + '\n' + excerpt(source_line, where, printable(remedy));
}

void Diagnostics::error(SourceSpan where, std::string subject, std::string problem,
                        std::string remedy) {
  report(Severity::kError, where, std::move(subject), std::move(problem), std::move(remedy));
}

void Diagnostics::warning(SourceSpan where, std::string subject, std::string problem,
                          std::string remedy) {
  report(Severity::kWarning, where, std::move(subject), std::move(problem), std::move(remedy));
}

void Diagnostics::report(Severity severity, SourceSpan where, std::string subject,
                         std::string problem, std::string remedy) {
  const bool hidden =
      source_.hidden() ||
      std::any_of(hidden_lines_.begin(), hidden_lines_.end(), [&](const auto& lines) {
        return where.line >= lines.first && where.line <= lines.second;
      });
  add({severity, source_.name(), where, std::move(subject), std::move(problem), std::move(remedy),
       hidden ? std::string() : std::string(source_.line(where.line))});
}

void Diagnostics::hide_lines(int first, int last) {
  hidden_lines_.emplace_back(first, last);
  for (Diagnostic& d : all_) {
    if (d.file == source_.name() && d.where.line >= first && d.where.line <= last) {
      d.source_line.clear();
    }
  }
}

void Diagnostics::append(const Diagnostics& other) {
  const std::size_t errors = errors_ + other.errors_;
  const std::size_t warnings = warnings_ + other.warnings_;
  for (const Diagnostic& diagnostic : other.all_) add(diagnostic);
  errors_ = errors;  // with those that the other one did not keep
  warnings_ = warnings;
}

void Diagnostics::add(Diagnostic diagnostic) {
  ++(diagnostic.severity == Severity::kError ? errors_ : warnings_);
  if (all_.size() >= kMaxKept) {
    // A warning gives way to an error: what stops the program must be in what is shown.
    if (diagnostic.severity == Severity::kWarning) return;
    const auto warning = std::find_if(all_.rbegin(), all_.rend(), [](const Diagnostic& d) {
      return d.severity == Severity::kWarning;
    });
    if (warning == all_.rend()) return;
    all_.erase(std::next(warning).base());
  }
  // Files stay in the order in which they came; within a file the place counts.
  auto at = all_.end();
  while (at != all_.begin()) {
    const Diagnostic& before = *std::prev(at);
    if (before.file != diagnostic.file) break;
    if (std::pair(before.where.line, before.where.column) <=
        std::pair(diagnostic.where.line, diagnostic.where.column)) {
      break;
    }
    --at;
  }
  all_.insert(at, std::move(diagnostic));
}

std::string Diagnostics::text() const {
  std::string out;
  for (const Diagnostic& diagnostic : all_) out += diagnostic.text();
  const std::size_t more = errors_ + warnings_ - all_.size();
  if (more > 0) out += fmt::format("{}: and {} more\n", source_.name(), more);
  return out;
}

Error Diagnostics::to_error() const {
  const auto first = std::find_if(
      all_.begin(), all_.end(), [](const Diagnostic& d) { return d.severity == Severity::kError; });
  if (first == all_.end()) return Error(ErrorCode::kInvalid, source_.name() + ": not valid");
  Diagnostic line = *first;
  line.source_line.clear();
  std::string message = line.text();
  message.pop_back();
  if (errors_ > 1) {
    message += fmt::format(" (and {} more {})", errors_ - 1, errors_ == 2 ? "error" : "errors");
  }
  return Error(ErrorCode::kInvalid, std::move(message));
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  std::size_t end = std::min(text.size(), kShownValue);
  while (end < text.size() && is_continuation(text[end])) ++end;
  for (const char c : text.substr(0, end)) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += is_control(c) ? fmt::format("\\x{:02x}", static_cast<unsigned char>(c))
                             : std::string(1, c);
    }
  }
  if (end < text.size()) out += "...";
  return out + '"';
}

}  // namespace keelwatch
