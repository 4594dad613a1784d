// Label and field selectors of list and watch requests, as apimachinery's pkg/labels/selector.go
// reads them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace keelwatch::standins {

class LabelSelector {
 public:
  // `a=b`, `a==b`, `a!=b`, `a in (x,y)`, `a notin (x,y)`, `a`, `!a`, joined by commas; "" selects
  // all. Throws std::invalid_argument with the API server's message.
  static LabelSelector parse(std::string_view text);

  [[nodiscard]] bool empty() const { return requirements_.empty(); }
  [[nodiscard]] bool matches(const std::map<std::string, std::string>& labels) const;

 private:
  enum class Operator { kIn, kNotIn, kExists, kMissing };
  struct Requirement {
    std::string key;
    Operator op;
    std::vector<std::string> values;
  };
  std::vector<Requirement> requirements_;
};

struct FieldRequirement {
  std::string field;  // dotted path: metadata.name
  std::string value;
  bool equal = true;
};

// `a=b`, `a==b`, `a!=b`, joined by commas. Throws std::invalid_argument.
std::vector<FieldRequirement> parse_field_selector(std::string_view text);

}  // namespace keelwatch::standins
