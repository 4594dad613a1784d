#include "base/result.h"

#include <stdexcept>

namespace keelwatch {

void internal::throw_other_alternative() {
  throw std::logic_error("Either: the other alternative is there");
}

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kTimeout:
      return "timeout";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kUnauthorized:
      return "unauthorized";
    case ErrorCode::kForbidden:
      return "forbidden";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kNotInstalled:
      return "not_installed";
    case ErrorCode::kInvalid:
      return "invalid";
    case ErrorCode::kMalformed:
      return "malformed";
    case ErrorCode::kTooLarge:
      return "too_large";
    case ErrorCode::kUnsupported:
      return "unsupported";
  }
  return "unsupported";
}

Error Error::context(std::string_view what) const {
  std::string text;
  text.reserve(what.size() + 2 + message_.size());
  text.append(what).append(": ").append(message_);
  return Error(code_, std::move(text));
}

}  // namespace keelwatch
