// A text that must never be shown: passwords, tokens, keys. It does not convert to a string, does
// not print, and logs as "<secret>"; only reveal() gives it out, so that a search for that word
// finds every place where a secret leaves its wrapper.
#pragma once

#include <string>
#include <utility>

namespace keelwatch {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}

  [[nodiscard]] bool empty() const { return text_.empty(); }
  [[nodiscard]] const std::string& reveal() const { return text_; }

  // Equality, to notice that a re-read secret has changed.
  bool operator==(const Secret&) const = default;

 private:
  std::string text_;
};

}  // namespace keelwatch
