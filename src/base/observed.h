// Observed<T>: one answer of the outside world — with the time it was observed, or why there is
// none. It has no default, no value_or and no conversion to bool, so that an unknown can never
// slip through as a zero: whoever wants the value has to say what happens without it.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/clock.h"
#include "base/either.h"
#include "base/result.h"

namespace keelwatch {

// Three different reasons for having no value, never to be confused (see Observed):
enum class Absence {
  kUnknown,       // the source fails, or its answer is too old: its silence is an alert
  kNotInstalled,  // the API group or feature does not exist here: no alert
  kNotSetUp,      // nobody ever gave a credential or a vantage point: one info finding
};

[[nodiscard]] std::string_view to_string(Absence absence);  // "unknown", "not_installed", ...

// Why there is no value: the kind of absence, the error, and the source that reports it
// ("kubernetes", "postgres default/pg-1").
struct Why {
  Absence absence = Absence::kUnknown;
  Error error;
  std::string source;

  bool operator==(const Why&) const = default;
};

template <typename T>
class [[nodiscard]] Observed {
 public:
  using value_type = T;

  static Observed known(T value, WallTime at) { return Observed(Known{std::move(value), at}); }
  static Observed absent(Why why) { return Observed(std::move(why)); }
  static Observed unknown(Error error, std::string source) {
    return absent({Absence::kUnknown, std::move(error), std::move(source)});
  }
  static Observed not_installed(std::string message, std::string source) {
    return absent({Absence::kNotInstalled, Error(ErrorCode::kNotInstalled, std::move(message)),
                   std::move(source)});
  }
  static Observed not_set_up(std::string message, std::string source) {
    return absent(
        {Absence::kNotSetUp, Error(ErrorCode::kNotFound, std::move(message)), std::move(source)});
  }

  [[nodiscard]] bool is_known() const { return state_.is_first(); }

  // The value, or nullptr. Callers test the pointer and handle the absent case.
  [[nodiscard]] const T* if_known() const {
    return state_.is_first() ? &state_.first().value : nullptr;
  }
  // Requires is_known(): throws std::logic_error otherwise, never invents.
  [[nodiscard]] const T& known_value() const { return state_.first().value; }
  [[nodiscard]] WallTime observed_at() const { return state_.first().at; }
  // Requires !is_known().
  [[nodiscard]] const Why& why() const { return state_.second(); }

  // f(value) with the same time, or the same reason. f may return U or Observed<U>.
  template <typename F>
  [[nodiscard]] auto map(F&& f) const;

  bool operator==(const Observed&) const = default;

 private:
  struct Known {
    T value;
    WallTime at;
    bool operator==(const Known&) const = default;
  };
  explicit Observed(Known known) : state_(std::move(known)) {}
  explicit Observed(Why why) : state_(std::move(why)) {}
  Either<Known, Why> state_;
};

namespace internal {
template <typename T>
struct ObservedOf {
  using type = Observed<T>;
  static type make(T value, WallTime at) { return type::known(std::move(value), at); }
};
template <typename T>
struct ObservedOf<Observed<T>> {
  using type = Observed<T>;
  static type make(type value, WallTime) { return value; }
};
}  // namespace internal

template <typename T>
template <typename F>
auto Observed<T>::map(F&& f) const {
  using Wrap = internal::ObservedOf<std::remove_cvref_t<std::invoke_result_t<F, const T&>>>;
  if (const T* value = if_known()) {
    return Wrap::make(std::invoke(std::forward<F>(f), *value), observed_at());
  }
  return Wrap::type::absent(why());
}

// f(a, b), as old as the older of the two; without a or b, the first reason.
template <typename F, typename A, typename B>
[[nodiscard]] auto combine(F&& f, const Observed<A>& a, const Observed<B>& b) {
  using Wrap =
      internal::ObservedOf<std::remove_cvref_t<std::invoke_result_t<F, const A&, const B&>>>;
  if (!a.is_known()) return Wrap::type::absent(a.why());
  if (!b.is_known()) return Wrap::type::absent(b.why());
  return Wrap::make(std::invoke(std::forward<F>(f), a.known_value(), b.known_value()),
                    std::min(a.observed_at(), b.observed_at()));
}

// An absent Observed of whatever type it is assigned to: for structs that are absent as a whole.
struct AbsentOfAny {
  const Why& why;
  template <typename T>
  operator Observed<T>() const {  // NOLINT: implicit, its purpose
    return Observed<T>::absent(why);
  }
};

}  // namespace keelwatch
