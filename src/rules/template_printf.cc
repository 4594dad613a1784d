// Go's fmt.Sprint and fmt.Sprintf, as far as templates can reach them.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdio>

#include "base/utf8.h"
#include "promql/printer.h"
#include "rules/template_value.h"

namespace keelwatch::rules {
namespace {

constexpr int kMaxWidth = 1'000'000;  // fmt's own bound is the same

struct Spec {
  bool minus = false, plus = false, sharp = false, space = false, zero = false;
  int width = -1;
  int precision = -1;
  char32_t verb = 0;
};

std::size_t count_runes(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
  return count;
}

std::string pad(std::string text, const Spec& spec) {
  const std::size_t size = count_runes(text);
  if (spec.width < 0 || size >= static_cast<std::size_t>(spec.width)) return text;
  const std::size_t missing = static_cast<std::size_t>(spec.width) - size;
  if (spec.minus) return text + std::string(missing, ' ');
  if (!spec.zero) return std::string(missing, ' ') + text;
  const std::size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  return text.substr(0, sign) + std::string(missing, '0') + text.substr(sign);
}

std::string shorten(std::string_view text, int precision) {
  if (precision < 0) return std::string(text);
  std::size_t at = 0;
  for (int i = 0; i < precision && at < text.size(); ++i) {
    at += std::max<std::size_t>(1, utf8_sequence_length(text.substr(at)));
  }
  return std::string(text.substr(0, at));
}

std::string verb_text(char32_t verb) {
  std::string out;
  append_utf8(out, verb);
  return out;
}

std::string bad_verb(const Spec& spec, const TemplateValue& value) {
  if (value.as<TemplateValue::Nothing>() != nullptr) {
    return "%!" + verb_text(spec.verb) + "(<nil>)";
  }
  return fmt::format("%!{}({}={})", verb_text(spec.verb), type_name(value), go_text(value));
}

std::string signed_number(std::string digits, bool negative, const Spec& spec) {
  if (negative) return "-" + digits;
  if (spec.plus) return "+" + digits;
  return spec.space ? " " + digits : digits;
}

std::string format_integer(std::int64_t value, const Spec& spec) {
  const std::uint64_t size = value < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(value)
                                       : static_cast<std::uint64_t>(value);
  std::string digits;
  switch (spec.verb) {
    case 'd':
    case 'v':
      digits = fmt::format("{}", size);
      break;
    case 'x':
      digits = (spec.sharp ? "0x" : "") + fmt::format("{:x}", size);
      break;
    case 'X':
      digits = (spec.sharp ? "0X" : "") + fmt::format("{:X}", size);
      break;
    case 'o':
      digits = (spec.sharp ? "0" : "") + fmt::format("{:o}", size);
      break;
    case 'O':
      digits = fmt::format("0o{:o}", size);
      break;
    case 'b':
      digits = fmt::format("{:b}", size);
      break;
    case 'U':
      return pad(fmt::format("U+{:04X}", size), spec);
    default: {  // c, q
      std::string character;
      append_utf8(character, size > 0x10FFFF ? kReplacementCharacter : static_cast<char32_t>(size));
      return pad(spec.verb == 'c' ? character : "'" + character + "'", spec);
    }
  }
  if (spec.precision >= 0) {
    if (spec.precision == 0 && value == 0) return pad("", spec);
    while (digits.size() < static_cast<std::size_t>(spec.precision)) digits.insert(0, "0");
  }
  Spec padding = spec;
  padding.zero = spec.zero && spec.precision < 0 && !spec.minus;
  return pad(signed_number(digits, value < 0, spec), padding);
}

std::string format_float(double value, const Spec& spec) {
  Spec padding = spec;
  padding.zero = spec.zero && !spec.minus && std::isfinite(value);
  std::string digits;
  const double size = std::abs(value);
  const bool shortest =
      spec.precision < 0 && (spec.verb == 'g' || spec.verb == 'G' || spec.verb == 'v');
  if (!std::isfinite(value)) {
    // "+Inf" always has its sign, NaN only if asked for.
    if (std::isinf(value)) return pad(value > 0 ? "+Inf" : "-Inf", padding);
    return pad(signed_number("NaN", false, spec), padding);
  }
  if (shortest) {
    digits = go_float(size);
    if (spec.verb == 'G' && digits.find('e') != std::string::npos) digits[digits.find('e')] = 'E';
  } else {
    const std::string format =
        fmt::format("%.{}{}", spec.precision < 0 ? 6 : std::min(spec.precision, 4000),
                    spec.verb == 'v'   ? 'g'
                    : spec.verb == 'F' ? 'f'
                                       : static_cast<char>(spec.verb));
    const int length = std::snprintf(nullptr, 0, format.c_str(), size);
    digits.resize(static_cast<std::size_t>(length) + 1);
    std::snprintf(digits.data(), digits.size(), format.c_str(), size);
    digits.pop_back();
  }
  return pad(signed_number(digits, std::signbit(value), spec), padding);
}

std::string format_string(std::string_view text, const Spec& spec) {
  const std::string shown = shorten(text, spec.precision);
  std::string out;
  switch (spec.verb) {
    case 'q':
      out = spec.sharp && shown.find('`') == std::string::npos ? "`" + shown + "`"
                                                               : promql::quote(shown);
      break;
    case 'x':
    case 'X':
      for (const char c : shown) {
        const auto byte = static_cast<unsigned char>(c);
        out += spec.verb == 'x' ? fmt::format("{:02x}", byte) : fmt::format("{:02X}", byte);
      }
      break;
    default:
      out = spec.verb == 'v' && spec.sharp ? promql::quote(shown) : shown;
  }
  return pad(out, spec);
}

bool is_one_of(char32_t verb, std::string_view verbs) {
  return verb < 128 && verbs.find(static_cast<char>(verb)) != std::string_view::npos;
}

std::string format_value(const TemplateValue& value, const Spec& spec);

// Go applies the verb to each name and value.
std::string format_map(const std::map<std::string, TemplateValue>& map, const Spec& spec) {
  std::string out = "map[";
  for (const auto& [name, value] : map) {
    if (out.size() > 4) out += ' ';
    out += format_value({name}, spec) + ":" + format_value(value, spec);
  }
  return out + "]";
}

std::string format_value(const TemplateValue& value, const Spec& spec) {
  if (spec.verb == 'T') return pad(std::string(type_name(value)), spec);
  if (const auto* b = value.as<bool>()) {
    if (!is_one_of(spec.verb, "tv")) return bad_verb(spec, value);
    return pad(*b ? "true" : "false", spec);
  }
  if (const auto* i = value.as<std::int64_t>()) {
    return is_one_of(spec.verb, "dvxXoObUcq") ? format_integer(*i, spec) : bad_verb(spec, value);
  }
  if (const auto* d = value.as<double>()) {
    return is_one_of(spec.verb, "veEfFgG") ? format_float(*d, spec) : bad_verb(spec, value);
  }
  if (const auto* s = value.as<std::string>()) {
    return is_one_of(spec.verb, "svqxX") ? format_string(*s, spec) : bad_verb(spec, value);
  }
  if (const auto* labels = value.as<TemplateLabels>()) {
    std::map<std::string, TemplateValue> map;
    for (const auto& [name, text] : **labels) map.emplace(name, TemplateValue{text});
    return format_map(map, spec);
  }
  if (const auto* args = value.as<TemplateArgs>()) return format_map(**args, spec);
  if (value.as<TemplateValue::Nothing>() != nullptr) {
    return spec.verb == 'v' ? pad("<nil>", spec) : bad_verb(spec, value);
  }
  return is_one_of(spec.verb, "svq") ? format_string(go_text(value), spec) : bad_verb(spec, value);
}

class Printer {
 public:
  Printer(std::string_view format, const std::vector<TemplateValue>& values)
      : format_(format), values_(values) {}

  std::string run() {
    while (at_ < format_.size()) {
      const std::size_t percent = std::min(format_.find('%', at_), format_.size());
      out_ += format_.substr(at_, percent - at_);
      at_ = percent;
      if (at_ < format_.size()) directive();
    }
    if (!reordered_ && next_ < values_.size()) extra();
    return std::move(out_);
  }

 private:
  [[nodiscard]] char peek() const { return at_ < format_.size() ? format_[at_] : '\0'; }

  void directive() {
    ++at_;
    Spec spec;
    good_index_ = true;
    bool after_index = false;
    flags(spec);
    after_index = index();
    if (peek() == '*') {
      ++at_;
      star(spec.width, "%!(BADWIDTH)", true, spec);
      after_index = false;
    } else if (number(spec.width) && after_index) {
      good_index_ = false;  // "%[3]2d"
    }
    if (peek() == '.') {
      ++at_;
      if (after_index) good_index_ = false;
      after_index = index();
      if (peek() == '*') {
        ++at_;
        star(spec.precision, "%!(BADPREC)", false, spec);
        after_index = false;
      } else if (!number(spec.precision)) {
        spec.precision = 0;
      }
    }
    if (!after_index) index();
    if (at_ >= format_.size()) {
      out_ += "%!(NOVERB)";
      return;
    }
    verb(spec);
  }

  void verb(Spec& spec) {
    const std::string_view rest = format_.substr(at_);
    const std::size_t size = std::max<std::size_t>(1, utf8_sequence_length(rest));
    const std::string name(rest.substr(0, size));
    at_ += size;
    spec.verb = size == 1 ? static_cast<unsigned char>(name[0]) : kReplacementCharacter;
    if (name == "%") {
      out_ += '%';
    } else if (!good_index_) {
      out_ += "%!" + name + "(BADINDEX)";
    } else if (next_ >= values_.size()) {
      out_ += "%!" + name + "(MISSING)";
    } else if (size > 1) {
      const TemplateValue& value = values_[next_++];
      out_ += fmt::format("%!{}({}={})", name, type_name(value), go_text(value));
    } else {
      out_ += format_value(values_[next_++], spec);
    }
  }

  void flags(Spec& spec) {
    for (;; ++at_) {
      switch (peek()) {
        case '#':
          spec.sharp = true;
          break;
        case '0':
          spec.zero = !spec.minus;
          break;
        case '+':
          spec.plus = true;
          break;
        case '-':
          spec.minus = true;
          spec.zero = false;
          break;
        case ' ':
          spec.space = true;
          break;
        default:
          return;
      }
    }
  }

  bool number(int& out) {
    const std::size_t begin = at_;
    int value = 0;
    while (peek() >= '0' && peek() <= '9') {
      value = std::min(value * 10 + (peek() - '0'), kMaxWidth + 1);
      ++at_;
    }
    if (at_ == begin) return false;
    out = value > kMaxWidth ? -1 : value;
    return true;
  }

  // "[n]"
  bool index() {
    if (peek() != '[') return false;
    reordered_ = true;
    const std::size_t close = format_.find(']', at_);
    if (close == std::string_view::npos) {
      good_index_ = false;
      ++at_;
      return false;
    }
    ++at_;
    int value = 0;
    const bool good = number(value) && at_ == close && value >= 1 &&
                      static_cast<std::size_t>(value) <= values_.size();
    at_ = close + 1;
    if (!good) {
      good_index_ = false;
      return false;
    }
    next_ = static_cast<std::size_t>(value) - 1;
    return true;
  }

  void star(int& out, std::string_view bad, bool width, Spec& spec) {
    const std::int64_t* value =
        next_ < values_.size() ? values_[next_].as<std::int64_t>() : nullptr;
    if (next_ < values_.size()) ++next_;
    if (value == nullptr || std::abs(*value) > kMaxWidth || (!width && *value < 0)) {
      if (value == nullptr || width || *value >= 0) out_ += bad;
      return;
    }
    if (*value < 0) {
      spec.minus = true;
      spec.zero = false;
    }
    out = static_cast<int>(std::abs(*value));
  }

  void extra() {
    out_ += "%!(EXTRA ";
    for (std::size_t i = next_; i < values_.size(); ++i) {
      if (i > next_) out_ += ", ";
      if (values_[i].as<TemplateValue::Nothing>() != nullptr) {
        out_ += "<nil>";
      } else {
        out_ += fmt::format("{}={}", type_name(values_[i]), go_text(values_[i]));
      }
    }
    out_ += ')';
  }

  std::string_view format_;
  const std::vector<TemplateValue>& values_;
  std::string out_;
  std::size_t at_ = 0;
  std::size_t next_ = 0;
  bool reordered_ = false;
  bool good_index_ = true;
};

std::string printed(const TemplateValue& value) {
  return value.as<TemplateValue::Nothing>() != nullptr ? "<nil>" : go_text(value);
}

}  // namespace

std::string go_print(const std::vector<TemplateValue>& values) {
  std::string out;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool texts = i > 0 && (values[i].as<std::string>() != nullptr ||
                                 values[i - 1].as<std::string>() != nullptr);
    if (i > 0 && !texts) out += ' ';
    out += printed(values[i]);
  }
  return out;
}

std::string go_printf(std::string_view format, const std::vector<TemplateValue>& values) {
  return Printer(format, values).run();
}

}  // namespace keelwatch::rules
