#include "promql/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/diagnostics.h"
#include "promql/functions.h"
#include "promql/parser_impl.h"
#include "promql/type_check.h"

namespace keelwatch::promql {
namespace {

std::string name_of(const Token& token) {
  return token.kind == TokenKind::kEnd ? "end of input" : in_quotes(token.text);
}

bool is_word_token(const Token& token) {
  if (token.text.empty()) return false;
  const char c = token.text.front();
  return token.kind != TokenKind::kString &&
         ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_');
}

}  // namespace

Parser::Parser(std::string_view text) {
  if (text.size() > kMaxText) {
    fail({0, 0}, fmt::format("expression of {} bytes, {} are allowed", text.size(), kMaxText));
    tokens_.emplace_back();
    return;
  }
  TokenList list = tokenize(text);
  tokens_ = std::move(list.tokens);
  lexer_error_ = std::move(list.error);
}

const Token& Parser::peek(std::size_t ahead) const {
  return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}

bool Parser::at_word(std::string_view word, std::size_t ahead) const {
  const Token& token = peek(ahead);
  return token.kind == TokenKind::kIdentifier && lower_case(token.text) == word;
}

bool Parser::at_operator(BinaryOp op) const {
  return peek().kind == TokenKind::kOperator && peek().op == op;
}

Token Parser::take() {
  Token token = peek();
  if (at_ + 1 < tokens_.size()) ++at_;
  last_end_ = token.span.end;
  return token;
}

bool Parser::accept(TokenKind kind) {
  if (peek().kind != kind) return false;
  take();
  return true;
}

bool Parser::expect(TokenKind kind, std::string_view what, std::string_view context) {
  if (accept(kind)) return true;
  unexpected(context, what);
  return false;
}

void Parser::fail(Span span, std::string problem, std::string remedy) {
  if (error_) return;
  error_ = SyntaxError{span, std::move(problem), std::move(remedy)};
}

void Parser::unexpected(std::string_view context, std::string_view wanted) {
  const Token& token = peek();
  if (token.kind == TokenKind::kEnd && !lexer_error_.problem.empty()) {
    if (!error_) error_ = lexer_error_;
    return;
  }
  std::string problem = fmt::format("unexpected {} in {}", name_of(token), context);
  if (!wanted.empty()) problem += fmt::format(", expected {}", wanted);
  fail(token.span, std::move(problem));
}

// Takes ownership of a node, checks it and bounds the tree's height.
ExprPtr Parser::finish(Span span, Expr::Node node) {
  if (error_) return nullptr;
  auto expr = std::make_unique<Expr>();
  expr->span = span;
  expr->node = std::move(node);
  for_each_child(*expr, [&](const Expr& child) { raise(*expr, child); });
  if (error_) return nullptr;
  if (std::optional<SyntaxError> problem = check_types(*expr)) {
    error_ = std::move(problem);
    return nullptr;
  }
  return expr;
}

// Everything that walks the tree recurses, its destruction too.
void Parser::raise(Expr& expr, const Expr& child) {
  expr.height = std::max(expr.height, child.height + 1);
  if (expr.height <= kMaxDepth) return;
  fail(peek().span, fmt::format("an expression more than {} levels high", kMaxDepth),
       "use an aggregation instead of a long chain of operators");
}

bool Parser::enter() {
  if (++depth_ <= kMaxDepth) return true;
  fail(peek().span, fmt::format("nested deeper than {} levels", kMaxDepth));
  return false;
}

ExprPtr Parser::parse_binary(int minimum) {
  ExprPtr lhs = parse_unary();
  while (lhs && peek().kind == TokenKind::kOperator && precedence(peek().op) >= minimum) {
    const Token token = take();
    Binary binary;
    binary.op = token.op;
    parse_matching(binary);
    const int level = precedence(token.op);
    // ^ alone binds to the right.
    ExprPtr rhs = error_ ? nullptr : nested([&] {
      return parse_binary(token.op == BinaryOp::kPow ? level : level + 1);
    });
    if (!rhs) return nullptr;
    const Span span{lhs->span.begin, rhs->span.end};
    binary.lhs = std::move(lhs);
    binary.rhs = std::move(rhs);
    lhs = finish(span, std::move(binary));
  }
  return lhs;
}

ExprPtr Parser::parse_unary() {
  if (!at_operator(BinaryOp::kAdd) && !at_operator(BinaryOp::kSub)) return parse_postfix();
  const Token sign = take();
  ExprPtr operand = nested([&] { return parse_binary(precedence(BinaryOp::kPow)); });
  if (!operand) return nullptr;
  const Span span{sign.span.begin, operand->span.end};
  return finish(span, Unary{sign.op == BinaryOp::kSub, std::move(operand)});
}

void Parser::parse_matching(Binary& binary) {
  if (at_word("bool")) {
    take();
    binary.return_bool = true;
  }
  Matching& matching = binary.matching;
  if (at_word("on") || at_word("ignoring")) {
    matching.on = lower_case(take().text) == "on";
    binary.has_matching = true;
    matching.labels = parse_grouping("vector matching");
    if (at_word("group_left") || at_word("group_right")) {
      const bool left = lower_case(take().text) == "group_left";
      matching.cardinality = left ? Cardinality::kManyToOne : Cardinality::kOneToMany;
      if (peek().kind == TokenKind::kLeftParen) matching.include = parse_grouping("group modifier");
    }
  }
  const auto at_fill = [&](std::string_view word) {
    const TokenKind next = peek(2).kind;
    return at_word(word) && peek(1).kind == TokenKind::kLeftParen &&
           (next == TokenKind::kNumber || next == TokenKind::kDuration ||
            next == TokenKind::kOperator);
  };
  while (!error_ && (at_fill("fill") || at_fill("fill_left") || at_fill("fill_right"))) {
    const std::string word = lower_case(take().text);
    take();
    const std::optional<double> value = parse_signed_number("fill modifier");
    if (!value || !expect(TokenKind::kRightParen, "\")\"", "fill modifier")) return;
    if (word != "fill_right") matching.fill_left = value;
    if (word != "fill_left") matching.fill_right = value;
  }
}

std::optional<double> Parser::parse_signed_number(std::string_view context) {
  double sign = 1;
  if (at_operator(BinaryOp::kAdd) || at_operator(BinaryOp::kSub)) {
    sign = take().op == BinaryOp::kSub ? -1 : 1;
  }
  if (peek().kind != TokenKind::kNumber && peek().kind != TokenKind::kDuration) {
    unexpected(context, "a number");
    return std::nullopt;
  }
  return sign * take().number;
}

// (a, b, "c d")
std::vector<std::string> Parser::parse_grouping(std::string_view context) {
  std::vector<std::string> labels;
  if (!expect(TokenKind::kLeftParen, "\"(\"", context)) return labels;
  while (peek().kind != TokenKind::kRightParen) {
    if (peek().kind == TokenKind::kString) {
      labels.push_back(take().string);
    } else if (is_word_token(peek()) && peek().text.find(':') == std::string_view::npos) {
      labels.emplace_back(take().text);
    } else {
      unexpected(fmt::format("grouping opts ({})", context), "a label");
      return labels;
    }
    if (!accept(TokenKind::kComma)) break;
  }
  expect(TokenKind::kRightParen, "\",\" or \")\"", context);
  return labels;
}

ExprPtr Parser::parse_primary() {
  const Token& token = peek();
  switch (token.kind) {
    case TokenKind::kNumber:
    case TokenKind::kDuration: {
      const Token number = take();
      return finish(number.span, NumberLiteral{number.number, number.kind == TokenKind::kDuration});
    }
    case TokenKind::kString: {
      const Token string = take();
      return finish(string.span, StringLiteral{string.string});
    }
    case TokenKind::kLeftParen: {
      const Token open = take();
      ExprPtr inner = nested([&] { return parse_binary(1); });
      if (!inner || !expect(TokenKind::kRightParen, "\")\"", "paren expression")) return nullptr;
      return finish({open.span.begin, last_end_}, Paren{std::move(inner)});
    }
    case TokenKind::kLeftBrace:
      return parse_selector();
    case TokenKind::kOperator:  // and, or, unless are legal names of metrics
      if (is_word_token(token) && token.op != BinaryOp::kAtan2) return parse_selector();
      break;
    case TokenKind::kIdentifier:
      return parse_word();
    default:
      break;
  }
  unexpected("expression");
  return nullptr;
}

ExprPtr Parser::parse_word() {
  const std::string word = lower_case(peek().text);
  const bool called = peek(1).kind == TokenKind::kLeftParen;
  if (const std::optional<AggregateOp> op = aggregate_by_name(word)) {
    if (called || ((at_word("by", 1) || at_word("without", 1)))) return parse_aggregate(*op);
    return parse_selector();
  }
  if (called && word != "by" && word != "without" && word != "offset") return parse_call();
  if (word == "on" || word == "ignoring" || word == "group_left" || word == "group_right" ||
      word == "bool") {
    unexpected("expression");
    return nullptr;
  }
  return parse_selector();
}

ExprPtr Parser::parse_aggregate(AggregateOp op) {
  const Token name = take();
  Aggregate aggregate;
  aggregate.op = op;
  const auto grouping = [&] {
    if (!at_word("by") && !at_word("without")) return;
    aggregate.without = lower_case(take().text) == "without";
    aggregate.has_grouping = true;
    aggregate.grouping = parse_grouping("aggregation");
  };
  grouping();
  if (error_ || !expect(TokenKind::kLeftParen, "\"(\"", "aggregation")) return nullptr;
  std::vector<ExprPtr> args = parse_arguments("aggregation");
  if (error_) return nullptr;
  if (!aggregate.has_grouping) grouping();
  const Span span{name.span.begin, last_end_};
  const std::size_t expected = takes_parameter(op) ? 2 : 1;
  if (args.empty()) {
    fail(span, "no arguments for aggregate expression provided");
  } else if (args.size() != expected) {
    fail(span, fmt::format("wrong number of arguments for aggregate expression provided, expected "
                           "{}, got {}",
                           expected, args.size()));
  }
  if (error_) return nullptr;
  aggregate.expr = std::move(args.back());
  if (expected == 2) aggregate.parameter = std::move(args.front());
  return finish(span, std::move(aggregate));
}

std::vector<ExprPtr> Parser::parse_arguments(std::string_view context, bool info) {
  std::vector<ExprPtr> args;
  while (peek().kind != TokenKind::kRightParen) {
    const bool outer = std::exchange(conditions_only_, info && args.size() == 1);
    ExprPtr arg = nested([&] { return parse_binary(1); });
    conditions_only_ = outer;
    if (!arg) return args;
    args.push_back(std::move(arg));
    if (!accept(TokenKind::kComma)) break;
    if (peek().kind == TokenKind::kRightParen) {
      fail(peek().span, fmt::format("trailing commas not allowed in {} args", context));
      return args;
    }
  }
  expect(TokenKind::kRightParen, "\",\" or \")\"", context);
  return args;
}

ExprPtr Parser::parse_call() {
  const Token name = take();
  // Only keywords are free of letter case; step() and its like are keywords in Prometheus too.
  const std::string lower = lower_case(name.text);
  const bool keyword = lower == "start" || lower == "end" || lower == "step" || lower == "range" ||
                       lower == "min_of" || lower == "max_of";
  const Function* function = find_function(keyword ? std::string_view(lower) : name.text);
  if (function == nullptr) {
    fail(name.span, fmt::format("unknown function {}", in_quotes(name.text)),
         did_you_mean_function(name.text));
    return nullptr;
  }
  take();
  Call call;
  call.function = function;
  call.args = parse_arguments("function call", function->name == "info");
  return finish({name.span.begin, last_end_}, std::move(call));
}

ExprPtr Parser::parse_all() {
  if (!error_ && peek().kind == TokenKind::kEnd && lexer_error_.problem.empty()) {
    fail({0, 0}, "no expression found in input");
  }
  ExprPtr expr = error_ ? nullptr : parse_binary(1);
  if (expr && peek().kind != TokenKind::kEnd) unexpected("expression", "an operator");
  if (!error_ && !lexer_error_.problem.empty()) error_ = lexer_error_;
  return error_ ? nullptr : std::move(expr);
}

Parsed parse_expression(std::string_view text) {
  Parser parser(text);
  Parsed parsed;
  parsed.expr = parser.parse_all();
  if (!parsed.expr) parsed.error = parser.error();
  return parsed;
}

std::string describe(const SyntaxError& error, std::string_view text) {
  const SourceFile source("", std::string(text));
  Diagnostic diagnostic;
  const std::size_t length =
      error.span.end > error.span.begin ? error.span.end - error.span.begin : 1;
  diagnostic.where = source.span_at(error.span.begin, length);
  diagnostic.problem = error.problem;
  diagnostic.remedy = error.remedy;
  diagnostic.source_line = source.line(diagnostic.where.line);
  std::string message = diagnostic.text();
  message.erase(0, 1);  // the colon after the file that is not there
  if (message.ends_with('\n')) message.pop_back();
  return message;
}

Result<ExprPtr> parse(std::string_view text) {
  Parsed parsed = parse_expression(text);
  if (!parsed.expr) return Error(ErrorCode::kInvalid, describe(parsed.error, text));
  return std::move(parsed.expr);
}

}  // namespace keelwatch::promql
