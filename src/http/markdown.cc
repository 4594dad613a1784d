#include "http/markdown.h"

#include <algorithm>
#include <vector>

namespace keelwatch::http {
namespace {

constexpr std::size_t kMaxNesting = 8;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view strip(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

bool is_safe_link(std::string_view url) {
  if (url.find_first_of(" \t\\") != std::string_view::npos) return false;
  if (url.starts_with("http://") || url.starts_with("https://") || url.starts_with('#'))
    return true;
  if (url.starts_with('/')) return !url.starts_with("//");  // "//host" is another site
  return !url.empty() && url.find(':') == std::string_view::npos;
}

std::string inline_html(std::string_view text, int depth = 0);

// Tries `mark`text`mark` at the start of `text`; on success appends it and gives the bytes used.
std::size_t wrapped(std::string& out, std::string_view text, std::string_view mark,
                    std::string_view tag, int depth) {
  if (!text.starts_with(mark) || depth > 3) return 0;
  const auto end = text.find(mark, mark.size());
  if (end == std::string_view::npos || end == mark.size() || text[mark.size()] == ' ') return 0;
  const std::string_view inner = text.substr(mark.size(), end - mark.size());
  out.append("<").append(tag).append(">");
  out.append(inline_html(inner, depth + 1)).append("</").append(tag).append(">");
  return end + mark.size();
}

std::size_t link(std::string& out, std::string_view text, int depth) {
  if (!text.starts_with('[') || depth > 3) return 0;
  const auto middle = text.find("](");
  if (middle == std::string_view::npos) return 0;
  const auto end = text.find(')', middle);
  if (end == std::string_view::npos) return 0;
  const std::string_view label = text.substr(1, middle - 1);
  const std::string_view url = text.substr(middle + 2, end - middle - 2);
  if (label.find('[') != std::string_view::npos || !is_safe_link(url)) return 0;
  out.append("<a href=\"").append(escape_html(url)).append("\">");
  out.append(inline_html(label, depth + 1)).append("</a>");
  return end + 1;
}

std::size_t code(std::string& out, std::string_view text) {
  if (!text.starts_with('`')) return 0;
  const auto end = text.find('`', 1);
  if (end == std::string_view::npos || end == 1) return 0;
  out.append("<code>").append(escape_html(text.substr(1, end - 1))).append("</code>");
  return end + 1;
}

std::string inline_html(std::string_view text, int depth) {
  std::string out;
  while (!text.empty()) {
    std::size_t used = code(out, text);
    if (used == 0) used = link(out, text, depth);
    if (used == 0) used = wrapped(out, text, "**", "strong", depth);
    if (used == 0) used = wrapped(out, text, "*", "em", depth);
    if (used == 0) {
      if (text.size() > 1 && text[0] == '\\' &&
          std::string_view("\\`*[]_#|<>").find(text[1]) != std::string_view::npos) {
        out.append(escape_html(text.substr(1, 1)));
        used = 2;
      } else {
        out.append(escape_html(text.substr(0, 1)));
        used = 1;
      }
    }
    text.remove_prefix(used);
  }
  return out;
}

struct ListItem {
  std::size_t indent;
  bool ordered;
  std::string_view text;
};

// "- text", "* text" or "12. text" with any indentation.
bool as_list_item(std::string_view line, ListItem& item) {
  item.indent = std::min(line.find_first_not_of(' '), line.size());
  line.remove_prefix(item.indent);
  if (line.starts_with("- ") || line.starts_with("* ")) {
    item.ordered = false;
    item.text = strip(line.substr(2));
    return true;
  }
  std::size_t digits = 0;
  while (digits < line.size() && is_digit(line[digits])) ++digits;
  if (digits == 0 || !line.substr(digits).starts_with(". ")) return false;
  item.ordered = true;
  item.text = strip(line.substr(digits + 2));
  return true;
}

std::vector<std::string_view> cells_of(std::string_view row) {
  row = strip(row);
  row.remove_prefix(1);
  if (row.ends_with('|')) row.remove_suffix(1);
  std::vector<std::string_view> cells;
  for (;;) {
    const auto bar = row.find('|');
    cells.push_back(strip(row.substr(0, bar)));
    if (bar == std::string_view::npos) return cells;
    row.remove_prefix(bar + 1);
  }
}

class Converter {
 public:
  std::string run(std::string_view markdown) {
    while (!markdown.empty()) {
      const std::string_view text = markdown.substr(0, markdown.find('\n'));
      markdown.remove_prefix(std::min(text.size() + 1, markdown.size()));
      line(text);
    }
    if (in_code_) out_ += "</code></pre>\n";
    end_blocks();
    return std::move(out_);
  }

 private:
  void line(std::string_view text) {
    const std::string_view bare = strip(text);
    if (bare.starts_with("```")) return fence();
    if (in_code_) {
      out_.append(escape_html(text)).append("\n");
      return;
    }
    if (bare.empty()) return end_paragraph();
    if (heading(text)) return;
    ListItem item;
    if (as_list_item(text, item)) return list_item(item);
    if (bare.starts_with('|')) return table_row(bare);
    if (bare.starts_with('>')) return quote(strip(bare.substr(1)));
    if (!lists_.empty() && (text.starts_with(' ') || !pending_.empty())) return add(bare);
    if (!pending_.empty()) return add(bare);
    end_blocks();
    add(bare);
  }

  void add(std::string_view text) {
    if (!pending_.empty()) pending_ += '\n';
    pending_ += text;
  }

  void fence() {
    if (in_code_) {
      out_ += "</code></pre>\n";
    } else {
      end_blocks();
      out_ += "<pre><code>";
    }
    in_code_ = !in_code_;
  }

  bool heading(std::string_view text) {
    const std::size_t level = std::min(text.find_first_not_of('#'), text.size());
    if (level == 0 || level > 6 || !text.substr(level).starts_with(' ')) return false;
    end_blocks();
    const std::string tag = "h" + std::to_string(level);
    out_ += "<" + tag + ">" + inline_html(strip(text.substr(level))) + "</" + tag + ">\n";
    return true;
  }

  void list_item(const ListItem& item) {
    if (lists_.empty()) {
      end_blocks();
    } else {
      end_paragraph();
    }
    while (!lists_.empty() &&
           (item.indent < lists_.back().indent ||
            (item.indent == lists_.back().indent && item.ordered != lists_.back().ordered))) {
      end_list();
    }
    if (lists_.empty() || (item.indent > lists_.back().indent && lists_.size() < kMaxNesting)) {
      out_ += item.ordered ? "<ol>\n" : "<ul>\n";
      lists_.push_back(item);
    } else {
      out_ += "</li>\n";
    }
    out_ += "<li>";
    pending_ = item.text;
  }

  void table_row(std::string_view row) {
    const auto cells = cells_of(row);
    if (row.find_first_not_of("|-: ") == std::string_view::npos) return;  // the ruler
    const bool first = !in_table_;
    if (first) {
      end_blocks();
      out_ += "<table>\n";
      in_table_ = true;
    }
    out_ += "<tr>";
    for (std::string_view cell : cells) {
      out_ += first ? "<th>" : "<td>";
      out_ += inline_html(cell);
      out_ += first ? "</th>" : "</td>";
    }
    out_ += "</tr>\n";
  }

  void quote(std::string_view text) {
    if (!in_quote_) {
      end_blocks();
      out_ += "<blockquote>";
      in_quote_ = true;
    }
    add(text);
  }

  void end_paragraph() {
    if (!pending_.empty()) {
      if (lists_.empty()) out_ += "<p>";
      out_ += inline_html(pending_);
      if (lists_.empty()) out_ += "</p>\n";
      pending_.clear();
    }
    if (in_quote_) out_ += "</blockquote>\n";
    if (in_table_) out_ += "</table>\n";
    in_quote_ = in_table_ = false;
  }

  void end_list() {
    out_ += lists_.back().ordered ? "</li>\n</ol>\n" : "</li>\n</ul>\n";
    lists_.pop_back();
  }

  void end_blocks() {
    end_paragraph();
    while (!lists_.empty()) end_list();
  }

  std::string out_;
  std::string pending_;  // text of the open paragraph, item or quote
  std::vector<ListItem> lists_;
  bool in_code_ = false;
  bool in_table_ = false;
  bool in_quote_ = false;
};

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

std::string markdown_to_html(std::string_view markdown) { return Converter().run(markdown); }

}  // namespace keelwatch::http
