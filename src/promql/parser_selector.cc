#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/diagnostics.h"
#include "promql/functions.h"
#include "promql/matcher.h"
#include "promql/parser.h"
#include "promql/parser_impl.h"

namespace keelwatch::promql {
namespace {

constexpr double kMaxDurationSeconds = 9223372036.0;  // Go's durations end at 292 years

using MatchOp = store::Matcher::Op;

std::optional<MatchOp> match_op(const Token& token) {
  if (token.kind == TokenKind::kAssign) return MatchOp::kEqual;
  if (token.kind == TokenKind::kMatch) return MatchOp::kRegex;
  if (token.kind == TokenKind::kNoMatch) return MatchOp::kNotRegex;
  if (token.kind == TokenKind::kOperator && token.op == BinaryOp::kNotEqual) {
    return MatchOp::kNotEqual;
  }
  return std::nullopt;
}

Modifiers* modifiers_of(Expr& expr) {
  if (auto* selector = expr.as<VectorSelector>()) return &selector->modifiers;
  if (auto* matrix = expr.as<MatrixSelector>()) {
    return &matrix->selector->as<VectorSelector>()->modifiers;
  }
  if (auto* subquery = expr.as<Subquery>()) return &subquery->modifiers;
  return nullptr;
}

}  // namespace

ExprPtr Parser::parse_selector() {
  const std::size_t begin = peek().span.begin;
  VectorSelector selector;
  selector.conditions_only = conditions_only_;
  if (peek().kind != TokenKind::kLeftBrace) {
    const Token name = take();
    selector.metric_name = name.text;
    selector.matchers.push_back(
        {MatchOp::kEqual, std::string(kMetricName), selector.metric_name, name.span});
  }
  if (peek().kind == TokenKind::kLeftBrace) parse_matchers(selector);
  if (error_) return nullptr;
  return finish({begin, last_end_}, std::move(selector));
}

void Parser::parse_matchers(VectorSelector& selector) {
  take();
  while (peek().kind != TokenKind::kRightBrace) {
    parse_matcher(selector);
    if (error_) return;
    if (!accept(TokenKind::kComma)) break;
  }
  expect(TokenKind::kRightBrace, "\",\" or \"}\"", "label matching");
}

void Parser::parse_matcher(VectorSelector& selector) {
  const Token name = peek();
  const bool word = name.kind == TokenKind::kIdentifier ||
                    (name.kind == TokenKind::kNumber && !name.text.empty() &&
                     (name.text.front() > '9'));  // inf and nan are labels here
  if (!word && name.kind != TokenKind::kString) {
    unexpected("label matching", "identifier or \"}\"");
    return;
  }
  take();
  const std::string label = name.kind == TokenKind::kString ? name.string : std::string(name.text);
  const std::optional<MatchOp> op = match_op(peek());
  if (!op) {
    const TokenKind next = peek().kind;
    if (name.kind == TokenKind::kString &&
        (next == TokenKind::kComma || next == TokenKind::kRightBrace)) {
      if (!selector.metric_name.empty()) {
        fail(name.span, fmt::format("metric name must not be set twice: {} or {}",
                                    in_quotes(selector.metric_name), in_quotes(label)));
        return;
      }
      selector.metric_name = label;
      selector.matchers.push_back({MatchOp::kEqual, std::string(kMetricName), label, name.span});
      return;
    }
    unexpected("label matching", "one of = != =~ !~");
    return;
  }
  take();
  if (peek().kind != TokenKind::kString) {
    unexpected("label matching", "a string in quotes");
    return;
  }
  const Token value = take();
  if (label == kMetricName && *op == MatchOp::kEqual && !selector.metric_name.empty()) {
    fail(name.span, fmt::format("metric name must not be set twice: {} or {}",
                                in_quotes(selector.metric_name), in_quotes(value.string)));
    return;
  }
  selector.matchers.push_back({*op, label, value.string, {name.span.begin, value.span.end}});
  count_regex(selector.matchers.back());
}

void Parser::count_regex(const LabelMatcher& matcher) {
  if (!is_regex(matcher.op)) return;
  regex_bytes_ += matcher.value.size();
  if (++regexes_ > kMaxRegexes) {
    fail(matcher.span, fmt::format("more than {} regular expressions", kMaxRegexes));
  } else if (regex_bytes_ > kMaxRegexBytes) {
    fail(matcher.span,
         fmt::format("regular expressions of more than {} bytes altogether", kMaxRegexBytes));
  }
}

ExprPtr Parser::parse_postfix() {
  ExprPtr expr = parse_primary();
  while (expr && !error_) {
    if (peek().kind == TokenKind::kLeftBracket) {
      expr = parse_brackets(std::move(expr));
    } else if (at_word("offset")) {
      parse_offset(*expr);
    } else if (peek().kind == TokenKind::kAt) {
      parse_at(*expr);
    } else if (at_word("anchored") || at_word("smoothed")) {
      parse_extension(*expr);
    } else {
      break;
    }
  }
  return error_ ? nullptr : std::move(expr);
}

ExprPtr Parser::parse_brackets(ExprPtr expr) {
  const Token open = take();
  ExprPtr range = nested([&] { return parse_duration(1); });
  if (!range) return nullptr;
  const std::size_t begin = expr->span.begin;
  if (accept(TokenKind::kColon)) {
    Subquery subquery;
    subquery.expr = std::move(expr);
    subquery.range = std::move(range);
    if (peek().kind != TokenKind::kRightBracket) {
      subquery.step = nested([&] { return parse_duration(1); });
      if (!subquery.step) return nullptr;
    }
    if (!expect(TokenKind::kRightBracket, "\"]\"", "subquery selector")) return nullptr;
    return finish({begin, last_end_}, std::move(subquery));
  }
  if (!expect(TokenKind::kRightBracket, "\":\" or \"]\"", "subquery or range selector")) {
    return nullptr;
  }
  const Span brackets{open.span.begin, last_end_};
  const auto* selector = expr->as<VectorSelector>();
  if (selector == nullptr) {
    fail(brackets, "ranges only allowed for vector selectors", "a subquery is written expr[5m:1m]");
    return nullptr;
  }
  if (selector->modifiers.offset || selector->modifiers.anchor != Anchor::kNone) {
    fail(brackets, fmt::format("no {} modifiers allowed before range",
                               selector->modifiers.offset ? "offset" : "@"));
    return nullptr;
  }
  return finish({begin, last_end_}, MatrixSelector{std::move(expr), std::move(range)});
}

void Parser::parse_offset(Expr& expr) {
  const Token word = take();
  Modifiers* modifiers = modifiers_of(expr);
  if (modifiers == nullptr) {
    fail(word.span,
         "offset modifier must be preceded by an instant vector selector or range vector selector "
         "or a subquery");
    return;
  }
  if (modifiers->offset) {
    fail(word.span, "offset may not be set multiple times");
    return;
  }
  modifiers->offset = parse_offset_value();
  if (modifiers->offset) raise(expr, *modifiers->offset);
  expr.span.end = last_end_;
}

void Parser::parse_at(Expr& expr) {
  const Token sign = take();
  Modifiers* modifiers = modifiers_of(expr);
  if (modifiers == nullptr) {
    fail(sign.span,
         "@ modifier must be preceded by an instant vector selector or range vector selector or a "
         "subquery");
    return;
  }
  if (modifiers->anchor != Anchor::kNone) {
    fail(sign.span, "@ <timestamp> may not be set multiple times");
    return;
  }
  if ((at_word("start") || at_word("end")) && peek(1).kind == TokenKind::kLeftParen) {
    modifiers->anchor = lower_case(take().text) == "start" ? Anchor::kStart : Anchor::kEnd;
    take();
    expect(TokenKind::kRightParen, "\")\"", "@ modifier");
  } else if (const std::optional<double> seconds = parse_signed_number("@ modifier")) {
    if (!(std::abs(*seconds) < 9.2e15)) {
      fail(sign.span, "timestamp out of bounds for @ modifier");
      return;
    }
    modifiers->anchor = Anchor::kTime;
    modifiers->anchor_ms = std::llround(*seconds * 1000);
  }
  expr.span.end = last_end_;
}

void Parser::parse_extension(Expr& expr) {
  const Token word = take();
  auto* selector = expr.as<VectorSelector>();
  if (auto* matrix = expr.as<MatrixSelector>()) {
    selector = matrix->selector->as<VectorSelector>();
  }
  if (selector == nullptr) {
    fail(word.span, fmt::format("{} modifier not implemented for this expression", word.text));
    return;
  }
  if (selector->extension != Extension::kNone) {
    fail(word.span, "anchored and smoothed may not be set multiple times");
    return;
  }
  selector->extension =
      lower_case(word.text) == "anchored" ? Extension::kAnchored : Extension::kSmoothed;
  expr.span.end = last_end_;
}

// Unlike between brackets, operators after an offset belong to the expression around it; unless it
// begins with a parenthesis, which Prometheus' grammar takes for a whole duration expression.
ExprPtr Parser::parse_offset_value() {
  if (peek().kind == TokenKind::kLeftParen) return parse_duration(precedence(BinaryOp::kAdd));
  if (!at_operator(BinaryOp::kAdd) && !at_operator(BinaryOp::kSub)) return parse_duration_primary();
  const Token sign = take();
  ExprPtr operand = parse_duration_primary();
  if (!operand) return nullptr;
  const Span span{sign.span.begin, last_end_};
  return finish(span, Unary{sign.op == BinaryOp::kSub, std::move(operand)});
}

ExprPtr Parser::parse_duration(int minimum) {
  ExprPtr lhs = parse_duration_unary();
  while (lhs && peek().kind == TokenKind::kOperator && precedence(peek().op) >= minimum) {
    const Token token = peek();
    if (token.op == BinaryOp::kAtan2 && minimum > 1) break;  // no operator of durations
    if (precedence(token.op) < precedence(BinaryOp::kAdd) || token.op == BinaryOp::kAtan2) {
      unexpected("duration expression");
      return nullptr;
    }
    take();
    const int level = precedence(token.op) + (token.op == BinaryOp::kPow ? 0 : 1);
    ExprPtr rhs = nested([&] { return parse_duration(level); });
    if (!rhs) return nullptr;
    Binary binary;
    binary.op = token.op;
    const Span span{lhs->span.begin, rhs->span.end};
    binary.lhs = std::move(lhs);
    binary.rhs = std::move(rhs);
    lhs = finish(span, std::move(binary));
  }
  return lhs;
}

ExprPtr Parser::parse_duration_unary() {
  if (!at_operator(BinaryOp::kAdd) && !at_operator(BinaryOp::kSub)) return parse_duration_primary();
  const Token sign = take();
  ExprPtr operand = nested([&] { return parse_duration(precedence(BinaryOp::kPow)); });
  if (!operand) return nullptr;
  const Span span{sign.span.begin, operand->span.end};
  return finish(span, Unary{sign.op == BinaryOp::kSub, std::move(operand)});
}

ExprPtr Parser::parse_duration_primary() {
  const Token token = peek();
  if (token.kind == TokenKind::kNumber || token.kind == TokenKind::kDuration) {
    take();
    if (!(std::abs(token.number) <= kMaxDurationSeconds)) {
      fail(token.span, "duration out of range");
      return nullptr;
    }
    return finish(token.span, NumberLiteral{token.number, token.kind == TokenKind::kDuration});
  }
  if (accept(TokenKind::kLeftParen)) {
    ExprPtr inner = nested([&] { return parse_duration(1); });
    if (!inner || !expect(TokenKind::kRightParen, "\")\"", "duration expression")) return nullptr;
    return finish({token.span.begin, last_end_}, Paren{std::move(inner)});
  }
  const std::string word = lower_case(token.text);
  if (token.kind == TokenKind::kIdentifier && peek(1).kind == TokenKind::kLeftParen &&
      (word == "step" || word == "range" || word == "min_of" || word == "max_of")) {
    take();
    take();
    Call call;
    call.function = find_function(word);
    while (peek().kind != TokenKind::kRightParen) {
      ExprPtr arg = nested([&] { return parse_duration(1); });
      if (!arg) return nullptr;
      call.args.push_back(std::move(arg));
      if (!accept(TokenKind::kComma)) break;
    }
    if (!expect(TokenKind::kRightParen, "\")\"", "duration expression")) return nullptr;
    return finish({token.span.begin, last_end_}, std::move(call));
  }
  unexpected("duration expression", "a duration such as 5m");
  return nullptr;
}

// A series as scripts write it: the front of a line whose rest is not PromQL.
class SeriesParser {
 public:
  static Result<Labels> read(std::string_view& text) {
    // Braces may hold anything in quotes, so their end is the lexer's to find.
    std::size_t end = text.find_first_of("{ \t");
    if (end != std::string_view::npos && text[end] == '{') {
      char quote = 0;
      while (++end < text.size()) {
        const char c = text[end];
        if (quote != 0) {
          if (c == '\\' && quote != '`') {
            ++end;
          } else if (c == quote) {
            quote = 0;
          }
        } else if (c == '"' || c == '\'' || c == '`') {
          quote = c;
        } else if (c == '}') {
          ++end;
          break;
        }
      }
    }
    end = std::min(end, text.size());
    const std::string_view series = text.substr(0, end);
    Parser parser(series);
    VectorSelector selector;
    if (parser.peek().kind != TokenKind::kLeftBrace) {
      const Token name = parser.take();
      if (name.kind == TokenKind::kEnd) parser.unexpected("series description", "a metric");
      selector.metric_name = name.text;
      selector.matchers.push_back(
          {MatchOp::kEqual, std::string(kMetricName), selector.metric_name, name.span});
    }
    if (parser.peek().kind == TokenKind::kLeftBrace) parser.parse_matchers(selector);
    if (!parser.error_ && parser.peek().kind != TokenKind::kEnd) {
      parser.unexpected("series description");
    }
    std::vector<LabelView> labels;
    for (const LabelMatcher& matcher : selector.matchers) {
      if (matcher.op != MatchOp::kEqual)
        parser.fail(matcher.span, "a series' labels are set with =");
      labels.push_back({matcher.name, matcher.value});
    }
    if (parser.error_) return Error(ErrorCode::kInvalid, describe(parser.error(), series));
    text.remove_prefix(end);
    return Labels(std::move(labels));
  }
};

Result<Labels> parse_series(std::string_view& text) { return SeriesParser::read(text); }

}  // namespace keelwatch::promql
