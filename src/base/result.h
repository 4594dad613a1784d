// Result<T>: a value or an Error. Method names are those of std::expected, so that a later move to
// C++23 is an alias. Errors are values: they carry a code that the program and its metrics act on
// and a message for people, to which each layer prepends what it was doing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/either.h"

namespace keelwatch {

// The code is the `reason` label of keelwatch_source_errors_total; to_string() gives its text.
enum class ErrorCode {
  kUnavailable,   // refused, reset, no route, 5xx: trying again may help
  kTimeout,       // a deadline of ours passed
  kCancelled,     // we gave up: stop or reload
  kUnauthorized,  // wrong or missing credential
  kForbidden,     // the credential lacks a right
  kNotFound,      // the thing asked for does not exist
  kNotInstalled,  // the API group or feature does not exist here
  kInvalid,       // our user's input is wrong
  kMalformed,     // a peer's answer is wrong
  kTooLarge,      // an answer passed a bound of config/limits.h
  kUnsupported,   // understood, and not done by this program
};

// Every code, in declaration order: metrics export a zero for each from the start.
inline constexpr ErrorCode kAllErrorCodes[] = {
    ErrorCode::kUnavailable,  ErrorCode::kTimeout,     ErrorCode::kCancelled,
    ErrorCode::kUnauthorized, ErrorCode::kForbidden,   ErrorCode::kNotFound,
    ErrorCode::kNotInstalled, ErrorCode::kInvalid,     ErrorCode::kMalformed,
    ErrorCode::kTooLarge,     ErrorCode::kUnsupported,
};

// "unavailable", "timeout", ... (snake case, without the k).
[[nodiscard]] std::string_view to_string(ErrorCode code);

class Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  [[nodiscard]] ErrorCode code() const { return code_; }
  [[nodiscard]] const std::string& message() const { return message_; }

  // The same error with "what: " in front of its message.
  [[nodiscard]] Error context(std::string_view what) const;

  bool operator==(const Error&) const = default;

 private:
  ErrorCode code_;
  std::string message_;
};

template <typename T>
class [[nodiscard]] Result {
  static_assert(!std::is_reference_v<T> && !std::is_same_v<std::remove_cv_t<T>, Error>);

 public:
  using value_type = T;

  Result(T value) : state_(std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::move(error)) {}  // NOLINT: implicit

  [[nodiscard]] bool has_value() const { return state_.is_first(); }
  explicit operator bool() const { return has_value(); }

  // Both throw std::logic_error on the other alternative: a programming error.
  [[nodiscard]] T& value() & { return state_.first(); }
  [[nodiscard]] const T& value() const& { return state_.first(); }
  [[nodiscard]] T&& value() && { return std::move(state_.first()); }
  [[nodiscard]] const Error& error() const& { return state_.second(); }
  [[nodiscard]] Error&& error() && { return std::move(state_.second()); }

  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T&& operator*() && { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &value(); }

  // The same result, its error (if any) with "what: " in front.
  [[nodiscard]] Result context(std::string_view what) && {
    if (has_value()) return std::move(*this);
    return error().context(what);
  }

 private:
  Either<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit

  [[nodiscard]] bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  [[nodiscard]] const Error& error() const& { return error_.value(); }
  [[nodiscard]] Error&& error() && { return std::move(error_).value(); }
  [[nodiscard]] Result context(std::string_view what) && {
    if (has_value()) return {};
    return error().context(what);
  }

 private:
  std::optional<Error> error_;
};

}  // namespace keelwatch
