// A metric family is data: name, type, one sentence of help, the names of its labels. Collectors
// declare them as constants; `keelwatch describe metrics`, the README's table and the writer read
// the same declarations.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string_view>

namespace keelwatch::metrics {

// Histograms are ours alone (metrics/self.h): the writer refuses them.
enum class Type { kGauge, kCounter, kHistogram };

[[nodiscard]] std::string_view to_string(Type type);  // "gauge", "counter", "histogram"

// Names, help and labels are literals: a Family outlives everything that refers to it. What breaks
// the naming rules does not compile as a constant, and throws std::logic_error otherwise: counters
// end in _total and nothing else does, every family has help, label names are unique, and none is
// one that Prometheus or its operator sets on a target or that the format reserves.
class Family {
 public:
  static constexpr std::size_t kMaxLabels = 8;

  constexpr Family(std::string_view name, Type type, std::string_view help,
                   std::initializer_list<std::string_view> labels)
      : name_(name), type_(type), help_(help), label_count_(labels.size()) {
    if (!is_name(name, true)) throw std::logic_error("not a metric name");
    if (name.ends_with("_total") != (type == Type::kCounter)) {
      throw std::logic_error("_total ends the names of counters and of nothing else");
    }
    if (help.empty()) throw std::logic_error("a family has a sentence of help");
    if (labels.size() > kMaxLabels) throw std::logic_error("too many labels");
    std::size_t i = 0;
    for (const std::string_view label : labels) {
      if (!is_name(label, false)) throw std::logic_error("not a label name");
      if (is_reserved(label)) throw std::logic_error("this label belongs to Prometheus");
      for (std::size_t k = 0; k < i; ++k) {
        if (labels_[k] == label) throw std::logic_error("a label is named twice");
      }
      labels_[i++] = label;
    }
  }

  [[nodiscard]] constexpr std::string_view name() const { return name_; }
  [[nodiscard]] constexpr Type type() const { return type_; }
  // What, whence, and when it is absent.
  [[nodiscard]] constexpr std::string_view help() const { return help_; }
  [[nodiscard]] constexpr std::span<const std::string_view> labels() const {
    return {labels_.data(), label_count_};
  }

 private:
  static constexpr bool is_name(std::string_view text, bool metric) {
    if (text.empty() || (text.front() >= '0' && text.front() <= '9')) return false;
    for (const char c : text) {
      const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      if (!word && c != '_' && !(metric && c == ':')) return false;
    }
    return true;
  }
  static constexpr bool is_reserved(std::string_view label) {
    for (const std::string_view taken :
         {"instance", "job", "endpoint", "container", "service", "le", "quantile"}) {
      if (label == taken) return true;
    }
    return label.starts_with("__");
  }

  std::string_view name_;
  Type type_;
  std::string_view help_;
  std::array<std::string_view, kMaxLabels> labels_{};
  std::size_t label_count_;
};

}  // namespace keelwatch::metrics
