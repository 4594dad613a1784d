// A metric family is data: name, type, one sentence of help, the names of its labels. Collectors
// declare them as constants; `keelwatch describe metrics`, the README's table and the writer read
// the same declarations.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string_view>

namespace keelwatch::metrics {

enum class Type { kGauge, kCounter };

[[nodiscard]] std::string_view to_string(Type type);  // "gauge", "counter"

// Names, help and labels are literals: a Family outlives everything that refers to it.
class Family {
 public:
  static constexpr std::size_t kMaxLabels = 8;

  constexpr Family(std::string_view name, Type type, std::string_view help,
                   std::initializer_list<std::string_view> labels)
      : name_(name), type_(type), help_(help), label_count_(labels.size()) {
    std::size_t i = 0;
    for (const std::string_view label : labels) labels_.at(i++) = label;
  }

  [[nodiscard]] constexpr std::string_view name() const { return name_; }
  [[nodiscard]] constexpr Type type() const { return type_; }
  // What, whence, and when it is absent.
  [[nodiscard]] constexpr std::string_view help() const { return help_; }
  [[nodiscard]] constexpr std::span<const std::string_view> labels() const {
    return {labels_.data(), label_count_};
  }

 private:
  std::string_view name_;
  Type type_;
  std::string_view help_;
  std::array<std::string_view, kMaxLabels> labels_{};
  std::size_t label_count_;
};

}  // namespace keelwatch::metrics
