// PromQL text to tokens. Positions are byte offsets. Bounded by the text's length.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "promql/ast.h"

namespace keelwatch::promql {

enum class TokenKind {
  kEnd,
  kIdentifier,
  kNumber,
  kDuration,
  kString,
  kLeftParen,
  kRightParen,
  kLeftBrace,
  kRightBrace,
  kLeftBracket,
  kRightBracket,
  kComma,
  kColon,
  kAt,
  kOperator,  // op says which; also = != =~ !~ inside braces
  kAssign,
  kMatch,
  kNoMatch,  // = =~ !~
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  Span span;
  std::string_view text;         // as written
  double number = 0;             // kNumber; kDuration in seconds
  std::string string;            // kString: unquoted
  BinaryOp op = BinaryOp::kAdd;  // kOperator
};

// What is wrong with an expression and where; `remedy` may be empty.
struct SyntaxError {
  Span span;
  std::string problem;
  std::string remedy;
};

// The last token is kEnd. Comments and white space are dropped. On an error the tokens before it
// are kept and `error.problem` is not empty.
struct TokenList {
  std::vector<Token> tokens;
  SyntaxError error;
};
[[nodiscard]] TokenList tokenize(std::string_view text);

[[nodiscard]] std::string lower_case(std::string_view text);

}  // namespace keelwatch::promql
