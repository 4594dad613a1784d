// The recursive descent behind parser.h: expressions in parser.cc, selectors, their modifiers and
// duration expressions in parser_selector.cc. The first error wins; after one every function
// returns null.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "promql/ast.h"
#include "promql/lexer.h"

namespace keelwatch::promql {

class Parser {
 public:
  explicit Parser(std::string_view text);

  [[nodiscard]] ExprPtr parse_all();
  [[nodiscard]] SyntaxError error() const { return error_.value_or(SyntaxError{}); }

 private:
  friend class SeriesParser;

  [[nodiscard]] const Token& peek(std::size_t ahead = 0) const;
  [[nodiscard]] bool at_word(std::string_view word, std::size_t ahead = 0) const;
  [[nodiscard]] bool at_operator(BinaryOp op) const;
  Token take();
  bool accept(TokenKind kind);
  bool expect(TokenKind kind, std::string_view what, std::string_view context);

  void fail(Span span, std::string problem, std::string remedy = {});
  void unexpected(std::string_view context, std::string_view wanted = {});
  [[nodiscard]] ExprPtr finish(Span span, Expr::Node node);
  void raise(Expr& expr, const Expr& child);
  [[nodiscard]] bool enter();
  template <typename F>
  ExprPtr nested(F parse) {
    ExprPtr expr = enter() ? parse() : nullptr;
    --depth_;
    return expr;
  }

  ExprPtr parse_binary(int minimum);
  ExprPtr parse_unary();
  ExprPtr parse_postfix();
  ExprPtr parse_primary();
  ExprPtr parse_word();
  ExprPtr parse_call();
  ExprPtr parse_aggregate(AggregateOp op);
  std::vector<ExprPtr> parse_arguments(std::string_view context, bool info = false);
  void parse_matching(Binary& binary);
  std::vector<std::string> parse_grouping(std::string_view context);
  std::optional<double> parse_signed_number(std::string_view context);

  ExprPtr parse_selector();
  void parse_matchers(VectorSelector& selector);
  void parse_matcher(VectorSelector& selector);
  void count_regex(const LabelMatcher& matcher);
  ExprPtr parse_brackets(ExprPtr expr);
  void parse_offset(Expr& expr);
  void parse_at(Expr& expr);
  void parse_extension(Expr& expr);
  ExprPtr parse_offset_value();
  ExprPtr parse_duration(int minimum);
  ExprPtr parse_duration_unary();
  ExprPtr parse_duration_primary();

  std::vector<Token> tokens_;
  SyntaxError lexer_error_;  // reported when the parser reaches it
  std::size_t at_ = 0;
  std::size_t last_end_ = 0;
  int depth_ = 0;
  std::size_t regexes_ = 0;
  std::size_t regex_bytes_ = 0;
  bool conditions_only_ = false;  // inside info()'s second argument
  std::optional<SyntaxError> error_;
};

}  // namespace keelwatch::promql
