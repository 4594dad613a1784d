#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/diagnostics.h"
#include "base/edit_distance.h"
#include "base/utf8.h"
#include "rules/template_functions.h"
#include "rules/template_lexer.h"
#include "rules/template_tree.h"

namespace keelwatch::rules {
namespace {

using Kind = TemplateNode::Kind;
using Token = TemplateToken::Kind;

constexpr int kMaxDepth = 50;
constexpr std::array<std::string_view, 11> kKeywords = {"if",    "else",     "end",      "range",
                                                        "with",  "break",    "continue", "define",
                                                        "block", "template", "nil"};

bool is_keyword(std::string_view word) {
  return std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end();
}

// How the list of nodes ended.
enum class Stop { kEndOfText, kEnd, kElse };

class Parser {
 public:
  explicit Parser(TemplateTokens tokens) : tokens_(std::move(tokens.tokens)) {
    out_.error = std::move(tokens.error);
  }

  TemplateTree run() {
    if (!ok()) return std::move(out_);
    TemplateToken end;
    const Stop stop = list(out_.nodes, end);
    if (stop != Stop::kEndOfText) fail(end, fmt::format("unexpected {{{{{}}}}}", end.text));
    return std::move(out_);
  }

 private:
  [[nodiscard]] bool ok() const { return out_.error.problem.empty(); }
  [[nodiscard]] const TemplateToken& peek() const { return tokens_[next_]; }
  TemplateToken take() {
    const TemplateToken token = tokens_[next_];
    if (next_ + 1 < tokens_.size()) ++next_;
    return token;
  }
  bool skip_space() {
    if (peek().kind != Token::kSpace) return false;
    take();
    return true;
  }
  const TemplateToken& peek_word() {
    skip_space();
    return peek();
  }

  void fail(const TemplateToken& at, std::string problem, std::string remedy = {}) {
    if (ok()) {
      out_.error = {at.at, std::max<std::size_t>(1, at.text.size()), std::move(problem),
                    std::move(remedy)};
    }
  }
  void unexpected(const TemplateToken& token, std::string_view where) {
    if (token.kind == Token::kClose) {
      fail(token, fmt::format("unexpected \"}}}}\" in {}", where));
    } else {
      fail(token, fmt::format("unexpected {} in {}", in_quotes(token.text), where));
    }
  }

  // Nodes up to {{end}}, {{else}} or the end; `stopped_at` is that word's token.
  Stop list(std::vector<TemplateNode>& out, TemplateToken& stopped_at) {
    while (ok()) {
      const TemplateToken token = take();
      if (token.kind == Token::kEnd) return Stop::kEndOfText;
      if (token.kind == Token::kText) {
        TemplateNode node{.kind = Kind::kText, .at = token.at};
        node.text = token.text;
        out.push_back(std::move(node));
        continue;
      }
      stopped_at = peek_word();
      if (stopped_at.kind == Token::kIdentifier && stopped_at.text == "end") {
        take();
        close("end");
        return Stop::kEnd;
      }
      if (stopped_at.kind == Token::kIdentifier && stopped_at.text == "else") {
        take();
        return Stop::kElse;
      }
      action(out);
    }
    return Stop::kEndOfText;
  }

  void close(std::string_view where) {
    const TemplateToken token = peek_word();
    if (token.kind != Token::kClose) return unexpected(token, where);
    take();
  }

  void action(std::vector<TemplateNode>& out) {
    const TemplateToken word = peek_word();
    if (word.kind == Token::kIdentifier && is_keyword(word.text) && word.text != "nil") {
      take();
      return keyword(word, out);
    }
    TemplateNode node{.kind = Kind::kAction, .at = word.at};
    node.children.push_back(pipeline("command", Token::kClose));
    out.push_back(std::move(node));
  }

  void keyword(const TemplateToken& word, std::vector<TemplateNode>& out) {
    if (word.text == "if") return control(Kind::kIf, word, out);
    if (word.text == "with") return control(Kind::kWith, word, out);
    if (word.text == "range") return control(Kind::kRange, word, out);
    if (word.text == "break" || word.text == "continue") {
      if (range_depth_ == 0)
        return fail(word, fmt::format("{{{{{}}}}} outside {{{{range}}}}", word.text));
      out.push_back({.kind = word.text == "break" ? Kind::kBreak : Kind::kContinue, .at = word.at});
      return close(word.text);
    }
    fail(word, fmt::format("{{{{{}}}}} is not supported in rules", word.text),
         "write the text out where it is needed");
  }

  void control(Kind kind, const TemplateToken& word, std::vector<TemplateNode>& out) {
    if (++depth_ > kMaxDepth) return fail(word, "nested too deep");
    const std::size_t variables = variables_.size();
    TemplateNode node{.kind = kind, .at = word.at};
    node.children.push_back(pipeline(word.text, Token::kClose));
    if (kind == Kind::kRange) ++range_depth_;
    TemplateToken end;
    Stop stop = ok() ? list(node.body, end) : Stop::kEndOfText;
    if (kind == Kind::kRange) --range_depth_;
    if (stop == Stop::kElse) stop = otherwise(kind, end, node);
    if (stop != Stop::kEnd) fail(word, fmt::format("{{{{{}}}}} without {{{{end}}}}", word.text));
    variables_.resize(variables);
    --depth_;
    out.push_back(std::move(node));
  }

  // Behind {{else; "else if" and "else with" nest, and their {{end}} closes both.
  Stop otherwise(Kind kind, TemplateToken& end, TemplateNode& node) {
    const TemplateToken word = peek_word();
    const bool chained =
        word.kind == Token::kIdentifier &&
        ((kind == Kind::kIf && word.text == "if") || (kind == Kind::kWith && word.text == "with"));
    if (chained) {
      take();
      control(kind, word, node.otherwise);
      return Stop::kEnd;
    }
    close("else");
    const Stop stop = list(node.otherwise, end);
    if (stop == Stop::kElse) fail(end, "a second {{else}}");
    return stop;
  }

  // Up to and with the token `end`.
  TemplateNode pipeline(std::string_view context, Token end) {
    TemplateNode pipe{.kind = Kind::kPipe, .at = peek_word().at};
    if (++depth_ > kMaxDepth) fail(peek(), "nested too deep");
    declarations(context, pipe);
    while (ok()) {
      const TemplateToken token = peek_word();
      if (token.kind == end) {
        take();
        break;
      }
      if (token.kind == Token::kClose || token.kind == Token::kRightParen) {
        unexpected(token, context);
        break;
      }
      pipe.children.push_back(command());
    }
    check(context, pipe);
    --depth_;
    // A variable is known behind its own pipeline.
    if (!pipe.assigns) variables_.insert(variables_.end(), pipe.names.begin(), pipe.names.end());
    return pipe;
  }

  void declarations(std::string_view context, TemplateNode& pipe) {
    const std::size_t begin = next_;
    std::vector<TemplateToken> found;
    while (peek_word().kind == Token::kVariable) {
      found.push_back(take());
      const TemplateToken token = peek_word();
      if (token.kind == Token::kComma && context == "range" && found.size() == 1) {
        take();
        continue;
      }
      if (token.kind != Token::kDeclare && token.kind != Token::kAssign) break;
      take();
      pipe.assigns = token.kind == Token::kAssign;
      for (const TemplateToken& variable : found) {
        if (pipe.assigns) use(variable);
        pipe.names.emplace_back(variable.text);
      }
      return;
    }
    next_ = begin;
  }

  void check(std::string_view context, const TemplateNode& pipe) {
    if (!ok()) return;
    const TemplateToken at{Token::kEnd, pipe.at, {}};
    if (pipe.children.empty()) return fail(at, fmt::format("missing value for {}", context));
    for (std::size_t i = 1; i < pipe.children.size(); ++i) {
      const TemplateNode& first = pipe.children[i].children.front();
      switch (first.kind) {
        case Kind::kBool:
        case Kind::kDot:
        case Kind::kNil:
        case Kind::kNumber:
        case Kind::kString:
          return fail(
              {Token::kEnd, first.at, {}},
              fmt::format("{} cannot be called with what is before the \"|\"", to_text(first)));
        default:
          break;
      }
    }
  }

  TemplateNode command() {
    TemplateNode command{.kind = Kind::kCommand, .at = peek_word().at};
    while (ok()) {
      skip_space();
      const TemplateToken token = peek();
      if (operand(command)) {
        if (skip_space()) continue;
      }
      const TemplateToken next = peek();
      if (next.kind == Token::kPipe) {
        take();
        const TemplateToken after = peek_word();
        if (after.kind == Token::kClose || after.kind == Token::kRightParen) {
          fail(after, "missing value behind \"|\"");
        }
      } else if (next.kind != Token::kClose && next.kind != Token::kRightParen) {
        unexpected(next, "operand");
      }
      if (command.children.empty()) fail(token, "empty command");
      break;
    }
    return command;
  }

  // A term and the fields behind it; false if there is none.
  bool operand(TemplateNode& command) {
    std::optional<TemplateNode> node = term();
    if (!node || !ok()) return false;
    if (peek().kind == Token::kField) {
      std::vector<std::string> fields;
      const std::size_t at = peek().at;
      const TemplateToken token = peek();
      while (peek().kind == Token::kField) fields.emplace_back(take().text.substr(1));
      if (node->kind == Kind::kField || node->kind == Kind::kVariable) {
        node->names.insert(node->names.end(), fields.begin(), fields.end());
        node->at = at;
      } else if (node->kind == Kind::kBool || node->kind == Kind::kString ||
                 node->kind == Kind::kNumber || node->kind == Kind::kNil ||
                 node->kind == Kind::kDot) {
        fail(token, fmt::format("unexpected . after {}", to_text(*node)));
      } else {
        TemplateNode chain{.kind = Kind::kChain, .at = at};
        chain.names = std::move(fields);
        chain.children.push_back(*std::move(node));
        node = std::move(chain);
      }
    }
    command.children.push_back(*std::move(node));
    return true;
  }

  std::optional<TemplateNode> term() {
    const TemplateToken token = peek();
    TemplateNode node{.at = token.at};
    node.text = token.text;
    switch (token.kind) {
      case Token::kIdentifier:
        return identifier(std::move(node), token);
      case Token::kDot:
        node.kind = Kind::kDot;
        break;
      case Token::kField:
        node.kind = Kind::kField;
        node.names.emplace_back(token.text.substr(1));
        break;
      case Token::kVariable:
        node.kind = Kind::kVariable;
        node.names.emplace_back(token.text);
        use(token);
        break;
      case Token::kNumber:
      case Token::kCharacter:
        number(node, token);
        break;
      case Token::kString:
        string(node, token);
        break;
      case Token::kLeftParen:
        take();
        return pipeline("parenthesized pipeline", Token::kRightParen);
      default:
        return std::nullopt;
    }
    take();
    return node;
  }

  std::optional<TemplateNode> identifier(TemplateNode node, const TemplateToken& token) {
    take();
    if (token.text == "true" || token.text == "false") {
      node.kind = Kind::kBool;
      node.truth = token.text == "true";
    } else if (token.text == "nil") {
      node.kind = Kind::kNil;
    } else {
      node.kind = Kind::kIdentifier;
      if (is_keyword(token.text)) {
        unexpected(token, "command");
      } else if (find_template_function(token.text) == nullptr) {
        fail(token, fmt::format("function {} not defined", in_quotes(token.text)),
             did_you_mean(token.text, template_function_names()));
      }
    }
    return node;
  }

  void use(const TemplateToken& token) {
    if (token.text == "$") return;
    if (std::find(variables_.begin(), variables_.end(), token.text) != variables_.end()) return;
    const std::vector<std::string_view> known(variables_.begin(), variables_.end());
    fail(token, fmt::format("undefined variable {}", in_quotes(token.text)),
         did_you_mean(token.text, known));
  }

  void string(TemplateNode& node, const TemplateToken& token) {
    node.kind = Kind::kString;
    node.written = token.text;
    const std::optional<std::string> value = unquote_go(token.text);
    if (!value) return fail(token, "not a valid string: an escape is wrong");
    node.text = *value;
  }

  void number(TemplateNode& node, const TemplateToken& token) {
    node.kind = Kind::kNumber;
    const TemplateError bad;
    if (token.kind == Token::kCharacter) {
      const std::optional<std::string> value = unquote_go(token.text);
      const std::optional<std::int64_t> code = value ? single_code_point(*value) : std::nullopt;
      if (!code) return fail(token, "not a valid character");
      node.integer = code;
      node.number = static_cast<double>(*code);
      return;
    }
    std::string digits;
    for (const char c : token.text) {
      if (c != '_') digits += c;
    }
    if (!parse_number(digits, node)) {
      fail(token, fmt::format("bad number {}", in_quotes(token.text)));
    }
  }

  static std::optional<std::int64_t> single_code_point(const std::string& text) {
    const std::size_t size = utf8_sequence_length(text);
    if (size == 0 || size != text.size()) return std::nullopt;
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    if (size == 1) return byte(0);
    std::int64_t code = byte(0) & (0x7FU >> size);
    for (std::size_t i = 1; i < size; ++i) code = code * 64 + (byte(i) & 0x3FU);
    return code;
  }

  static bool parse_number(std::string_view text, TemplateNode& node) {
    bool negative = false;
    if (text.starts_with('+') || text.starts_with('-')) {
      negative = text.front() == '-';
      text.remove_prefix(1);
    }
    int base = 10;
    if (text.size() > 1 && text[0] == '0') {
      const char form = text[1];
      if (form == 'x' || form == 'X') base = 16;
      if (form == 'o' || form == 'O') base = 8;
      if (form == 'b' || form == 'B') base = 2;
      if (base != 10) {
        text.remove_prefix(2);
      } else if (form >= '0' && form <= '7') {
        base = 8;
      }
    }
    std::int64_t integer = 0;
    const char* end = text.data() + text.size();
    const auto whole = std::from_chars(text.data(), end, integer, base);
    if (whole.ec == std::errc() && whole.ptr == end) {
      node.integer = negative ? -integer : integer;
      node.number = static_cast<double>(*node.integer);
      return true;
    }
    double number = 0;
    const auto real = std::from_chars(text.data(), end, number);
    if (base == 16 || real.ec != std::errc() || real.ptr != end) return false;
    node.number = negative ? -number : number;
    return text.find_first_of(".eE") != std::string_view::npos;
  }

  std::vector<TemplateToken> tokens_;
  std::size_t next_ = 0;
  int depth_ = 0;
  int range_depth_ = 0;
  std::vector<std::string> variables_ = {"$labels", "$externalLabels", "$externalURL", "$value"};
  TemplateTree out_;
};

}  // namespace

std::string to_text(const TemplateNode& node) {
  std::string out;
  switch (node.kind) {
    case Kind::kField:
      for (const std::string& name : node.names) out += "." + name;
      return out;
    case Kind::kVariable:
      return fmt::format("{}", fmt::join(node.names, "."));
    case Kind::kChain: {
      const TemplateNode& base = node.children.front();
      out = base.kind == Kind::kPipe ? "(" + to_text(base) + ")" : to_text(base);
      for (const std::string& name : node.names) out += "." + name;
      return out;
    }
    case Kind::kPipe:
      if (!node.names.empty()) {
        out = fmt::format("{} {} ", fmt::join(node.names, ", "), node.assigns ? "=" : ":=");
      }
      for (std::size_t i = 0; i < node.children.size(); ++i) {
        out += (i > 0 ? " | " : "") + to_text(node.children[i]);
      }
      return out;
    case Kind::kCommand:
      for (const TemplateNode& word : node.children) {
        if (!out.empty()) out += " ";
        out += word.kind == Kind::kPipe ? "(" + to_text(word) + ")" : to_text(word);
      }
      return out;
    case Kind::kDot:
      return ".";
    case Kind::kString:
      return node.written;
    default:
      return node.text;
  }
}

TemplateTree parse_template(std::string_view text) { return Parser(tokenize_template(text)).run(); }

}  // namespace keelwatch::rules
