// Either<A, B>: one of two values, what Result and Observed are made of. std::variant would do; it
// reaches its alternatives through tables that are instantiated for every operation of every pair
// of types, and that was a third of what the compiler did with the model.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace keelwatch {

namespace internal {
[[noreturn]] void throw_other_alternative();  // std::logic_error
}  // namespace internal

template <typename A, typename B>
class Either {
  static_assert(!std::is_same_v<A, B>);

 public:
  explicit Either(A a) : first_(std::move(a)), is_first_(true) {}
  explicit Either(B b) : second_(std::move(b)), is_first_(false) {}

  Either(const Either& other)
    requires(std::is_copy_constructible_v<A> && std::is_copy_constructible_v<B>)
      : is_first_(other.is_first_) {
    if (is_first_) {
      std::construct_at(&first_, other.first_);
    } else {
      std::construct_at(&second_, other.second_);
    }
  }
  Either(Either&& other) noexcept : is_first_(other.is_first_) { take(std::move(other)); }
  Either& operator=(const Either& other)
    requires(std::is_copy_constructible_v<A> && std::is_copy_constructible_v<B>)
  {
    if (this != &other) *this = Either(other);
    return *this;
  }
  // What moves by copying (a deque) ends the program when there is no memory left for it.
  Either& operator=(Either&& other) noexcept {
    if (this == &other) return *this;
    destroy();
    is_first_ = other.is_first_;
    take(std::move(other));
    return *this;
  }
  ~Either() { destroy(); }

  [[nodiscard]] bool is_first() const { return is_first_; }

  // Both throw std::logic_error on the other alternative: a programming error.
  [[nodiscard]] A& first() {
    if (!is_first_) internal::throw_other_alternative();
    return first_;
  }
  [[nodiscard]] const A& first() const {
    if (!is_first_) internal::throw_other_alternative();
    return first_;
  }
  [[nodiscard]] B& second() {
    if (is_first_) internal::throw_other_alternative();
    return second_;
  }
  [[nodiscard]] const B& second() const {
    if (is_first_) internal::throw_other_alternative();
    return second_;
  }

  bool operator==(const Either& other) const {
    if (is_first_ != other.is_first_) return false;
    return is_first_ ? first_ == other.first_ : second_ == other.second_;
  }

 private:
  void take(Either&& other) noexcept {  // nothing is constructed here, is_first_ is other's
    if (is_first_) {
      std::construct_at(&first_, std::move(other.first_));
    } else {
      std::construct_at(&second_, std::move(other.second_));
    }
  }
  void destroy() noexcept {
    if (is_first_) {
      std::destroy_at(&first_);
    } else {
      std::destroy_at(&second_);
    }
  }

  union {
    A first_;
    B second_;
  };
  bool is_first_;
};

}  // namespace keelwatch
