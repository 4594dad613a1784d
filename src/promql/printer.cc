#include "promql/printer.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/time_text.h"
#include "base/utf8.h"
#include "promql/functions.h"
#include "promql/lexer.h"

namespace keelwatch::promql {
namespace {

bool is_plain(std::string_view name, bool colons) {
  if (name.empty() || (name.front() >= '0' && name.front() <= '9')) return false;
  for (const char c : name) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!word && c != '_' && !(colons && c == ':')) return false;
  }
  return true;
}

// Words that the lexer or the parser would not read as a metric's name.
bool is_reserved(std::string_view name) {
  const std::string lower = lower_case(name);
  for (const std::string_view word :
       {"inf", "nan", "atan2", "on", "ignoring", "group_left", "group_right", "bool"}) {
    if (lower == word) return true;
  }
  return false;
}

std::string_view to_string(store::Matcher::Op op) {
  switch (op) {
    case store::Matcher::Op::kEqual:
      return "=";
    case store::Matcher::Op::kNotEqual:
      return "!=";
    case store::Matcher::Op::kRegex:
      return "=~";
    case store::Matcher::Op::kNotRegex:
      return "!~";
  }
  return "";
}

class Printer {
 public:
  std::string out;

  void print(const Expr& expr) {
    std::visit([this](const auto& node) { write(node); }, expr.node);
  }

 private:
  void write(const NumberLiteral& number) {
    const double ms = number.value * 1000;
    if (number.duration && ms == std::floor(ms) && ms < 9e12) {
      out += format_duration(std::chrono::milliseconds(static_cast<std::int64_t>(ms)));
    } else {
      out += number.value > 0 && std::isinf(number.value) ? "Inf" : format_number(number.value);
    }
  }

  void write(const StringLiteral& string) { out += quote(string.value); }

  void write(const VectorSelector& selector) {
    write_matchers(selector);
    write_extension(selector.extension);
    write(selector.modifiers);
  }

  void write(const MatrixSelector& matrix) {
    const auto& selector = *matrix.selector->as<VectorSelector>();
    write_matchers(selector);
    out += '[';
    print(*matrix.range);
    out += ']';
    write_extension(selector.extension);
    write(selector.modifiers);
  }

  void write(const Subquery& subquery) {
    print(*subquery.expr);
    out += '[';
    print(*subquery.range);
    out += ':';
    if (subquery.step) print(*subquery.step);
    out += ']';
    write(subquery.modifiers);
  }

  void write(const Unary& unary) {
    out += unary.negative ? '-' : '+';
    print(*unary.operand);
  }

  void write(const Binary& binary) {
    print(*binary.lhs);
    out += fmt::format(" {} ", promql::to_string(binary.op));
    if (binary.return_bool) out += "bool ";
    const Matching& matching = binary.matching;
    if (binary.has_matching) {
      out += matching.on ? "on (" : "ignoring (";
      write_labels(matching.labels);
      out += ") ";
    }
    if (matching.cardinality == Cardinality::kManyToOne ||
        matching.cardinality == Cardinality::kOneToMany) {
      out += matching.cardinality == Cardinality::kManyToOne ? "group_left (" : "group_right (";
      write_labels(matching.include);
      out += ") ";
    }
    if (matching.fill_left)
      out += fmt::format("fill_left ({}) ", format_number(*matching.fill_left));
    if (matching.fill_right) {
      out += fmt::format("fill_right ({}) ", format_number(*matching.fill_right));
    }
    print(*binary.rhs);
  }

  void write(const Aggregate& aggregate) {
    out += promql::to_string(aggregate.op);
    if (aggregate.has_grouping && (aggregate.without || !aggregate.grouping.empty())) {
      out += aggregate.without ? " without (" : " by (";
      write_labels(aggregate.grouping);
      out += ") ";
    }
    out += '(';
    if (aggregate.parameter) {
      print(*aggregate.parameter);
      out += ", ";
    }
    print(*aggregate.expr);
    out += ')';
  }

  void write(const Call& call) {
    out += call.function->name;
    out += '(';
    for (std::size_t i = 0; i < call.args.size(); ++i) {
      if (i > 0) out += ", ";
      print(*call.args[i]);
    }
    out += ')';
  }

  void write(const Paren& paren) {
    out += '(';
    print(*paren.expr);
    out += ')';
  }

  void write(const Modifiers& modifiers) {
    // An offset that begins with a parenthesis takes the operators that follow: @ stands between.
    const bool offset_first = modifiers.offset && begins_with_paren(*modifiers.offset);
    if (offset_first) write_offset(modifiers);
    switch (modifiers.anchor) {
      case Anchor::kNone:
        break;
      case Anchor::kTime:
        out += fmt::format(" @ {:.3f}", static_cast<double>(modifiers.anchor_ms) / 1000);
        break;
      case Anchor::kStart:
        out += " @ start()";
        break;
      case Anchor::kEnd:
        out += " @ end()";
        break;
    }
    if (!offset_first) write_offset(modifiers);
  }

  void write_offset(const Modifiers& modifiers) {
    if (!modifiers.offset) return;
    out += " offset ";
    print(*modifiers.offset);
  }

  static bool begins_with_paren(const Expr& expr) {
    const auto* binary = expr.as<Binary>();
    return binary != nullptr ? begins_with_paren(*binary->lhs) : expr.as<Paren>() != nullptr;
  }

  void write_extension(Extension extension) {
    if (extension == Extension::kAnchored) out += " anchored";
    if (extension == Extension::kSmoothed) out += " smoothed";
  }

  void write_matchers(const VectorSelector& selector) {
    const bool bare = is_plain(selector.metric_name, true) && !is_reserved(selector.metric_name);
    if (bare) out += selector.metric_name;
    std::string inner;
    bool named = selector.metric_name.empty();
    for (const LabelMatcher& matcher : selector.matchers) {
      // The name's own matcher is printed as the name.
      if (!named && matcher.name == kMetricName && matcher.op == store::Matcher::Op::kEqual &&
          matcher.value == selector.metric_name) {
        named = true;
        if (!bare) inner += (inner.empty() ? "" : ",") + quote(matcher.value);
        continue;
      }
      if (!inner.empty()) inner += ',';
      inner += is_plain(matcher.name, false) ? matcher.name : quote(matcher.name);
      inner += to_string(matcher.op);
      inner += quote(matcher.value);
    }
    if (!inner.empty() || !bare) out += '{' + inner + '}';
  }

  void write_labels(const std::vector<std::string>& labels) {
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (i > 0) out += ", ";
      out += is_plain(labels[i], false) ? labels[i] : quote(labels[i]);
    }
  }
};

}  // namespace

std::string print(const Expr& expr) {
  Printer printer;
  printer.print(expr);
  return std::move(printer.out);
}

std::string format_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[1100];  // the smallest double has 1074 decimals
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed).ptr;
  return std::string(text, end);
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t length = utf8_sequence_length(text);
    const char c = text.front();
    if (length == 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else if (length > 1) {
      out += text.substr(0, length);
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n' || c == '\t' || c == '\r') {
      out += c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
    text.remove_prefix(std::max<std::size_t>(1, length));
  }
  return out + '"';
}

}  // namespace keelwatch::promql
