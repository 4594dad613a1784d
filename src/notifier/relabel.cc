#include "notifier/relabel.h"

#include <locale.h>
#include <openssl/evp.h>
#include <wctype.h>

#include <array>
#include <cstdint>
#include <string>

#include "base/utf8.h"

namespace keelwatch::notifier {
namespace {

bool is_label_name(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (name.empty() || !letter(name.front())) return false;
  for (const char c : name) {
    if (!letter(c) && !(c >= '0' && c <= '9')) return false;
  }
  return true;
}

std::string joined(const Labels& labels, const config::Relabel& step) {
  std::string text;
  for (std::size_t i = 0; i < step.source_labels.size(); ++i) {
    if (i > 0) text += step.separator;
    text += labels.get(step.source_labels[i]);
  }
  return text;
}

// The last eight bytes of the MD5, as Prometheus takes them.
std::uint64_t hash_of(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_md5(), nullptr) != 1) return 0;
  std::uint64_t hash = 0;
  for (std::size_t i = 8; i < 16; ++i) hash = hash << 8 | digest[i];
  return hash;
}

char32_t code_point(std::string_view sequence) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(sequence[i]); };
  if (sequence.size() == 1) return byte(0);
  static constexpr std::array<unsigned, 5> kFirst = {0, 0x7F, 0x1F, 0x0F, 0x07};
  char32_t point = byte(0) & kFirst[sequence.size()];
  for (std::size_t i = 1; i < sequence.size(); ++i) point = point << 6 | (byte(i) & 0x3FU);
  return point;
}

// Letters of all scripts, whatever the process' own locale is.
std::string in_case(std::string_view text, bool upper) {
  static const locale_t kUnicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_sequence_length(text);
    if (length == 0) {
      append_utf8(out, kReplacementCharacter);
      text.remove_prefix(1);
      continue;
    }
    const auto letter = static_cast<wint_t>(code_point(text.substr(0, length)));
    append_utf8(out, upper ? towupper_l(letter, kUnicode) : towlower_l(letter, kUnicode));
    text.remove_prefix(length);
  }
  return out;
}

// The text with the regular expression's groups in it; nothing if it does not match.
std::optional<std::string> expand(const promql::Regex& regex, std::string_view text,
                                  std::string_view pattern) {
  const Result<std::optional<std::string>> expanded = regex.expand(text, pattern);
  return expanded ? *expanded : std::nullopt;
}

Labels replace(Labels labels, const config::Relabel& step, const promql::Regex& regex) {
  const std::string text = joined(labels, step);
  const auto target = expand(regex, text, step.target_label);
  if (!target || !is_label_name(*target)) return labels;
  const auto value = expand(regex, text, step.replacement);
  return value ? labels.with(*target, *value) : labels;
}

Labels map_names(const Labels& labels, const config::Relabel& step, const promql::Regex& regex) {
  Labels mapped = labels;
  for (const LabelView label : labels) {
    const auto name = expand(regex, label.name, step.replacement);
    if (name && is_label_name(*name)) mapped = mapped.with(*name, label.value);
  }
  return mapped;
}

Labels filtered(const Labels& labels, const promql::Regex& regex, bool keep) {
  Labels left = labels;
  for (const LabelView label : labels) {
    if (regex.matches(label.name) != keep) left = left.without(label.name);
  }
  return left;
}

}  // namespace

Result<Relabelling> Relabelling::compile(std::span<const config::Relabel> steps) {
  Relabelling made;
  for (const config::Relabel& step : steps) {
    Result<promql::Regex> regex = promql::Regex::compile(step.regex);
    if (!regex) return regex.error().context("relabel");
    made.steps_.push_back({step, *std::move(regex)});
  }
  return made;
}

std::optional<Labels> Relabelling::apply(Labels labels) const {
  using enum config::RelabelAction;
  for (const Step& step : steps_) {
    const config::Relabel& s = step.settings;
    const std::string text = joined(labels, s);
    switch (s.action) {
      case kReplace:
        labels = replace(std::move(labels), s, step.regex);
        break;
      case kKeep:
        if (!step.regex.matches(text)) return std::nullopt;
        break;
      case kDrop:
        if (step.regex.matches(text)) return std::nullopt;
        break;
      case kKeepEqual:
        if (labels.get(s.target_label) != text) return std::nullopt;
        break;
      case kDropEqual:
        if (labels.get(s.target_label) == text) return std::nullopt;
        break;
      case kHashMod:
        labels = labels.with(
            s.target_label,
            std::to_string(hash_of(text) % static_cast<std::uint64_t>(s.modulus.value_or(1))));
        break;
      case kLabelMap:
        labels = map_names(labels, s, step.regex);
        break;
      case kLabelDrop:
      case kLabelKeep:
        labels = filtered(labels, step.regex, s.action == kLabelKeep);
        break;
      case kLowercase:
      case kUppercase:
        labels = labels.with(s.target_label, in_case(text, s.action == kUppercase));
        break;
    }
  }
  return labels;
}

}  // namespace keelwatch::notifier
