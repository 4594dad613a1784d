#include "base/mapping_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/edit_distance.h"
#include "base/time_text.h"

namespace keelwatch {
namespace {

struct ByteUnit {
  std::string_view name;
  double size;
};

// Of texts of one length format_byte_size() takes the first.
constexpr ByteUnit kByteUnits[] = {{"TiB", 1024.0 * 1024 * 1024 * 1024},
                                   {"GiB", 1024.0 * 1024 * 1024},
                                   {"MiB", 1024.0 * 1024},
                                   {"KiB", 1024.0},
                                   {"TB", 1e12},
                                   {"GB", 1e9},
                                   {"MB", 1e6},
                                   {"kB", 1e3},
                                   {"B", 1}};

constexpr std::string_view kByteRemedy =
    "write a number of bytes, or one like 512KiB, 256MiB or 1.5GiB";
constexpr std::string_view kDurationRemedy = "write it like 30s, 5m or 1h30m";
constexpr double kMaxExactInteger = 9007199254740992.0;  // 2^53

std::optional<double> to_number(std::string_view text) {
  double value = 0;
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::string_view kind_name(const YamlNode& node) {
  switch (node.kind()) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return "a single value";
    case YamlNode::Kind::kSequence:
      return "a list";
    case YamlNode::Kind::kMapping:
      return "a mapping";
  }
  return "nothing";
}

// What a conversion found wrong; empty if nothing.
struct Complaint {
  std::string problem;
  std::string remedy;
};

// The value as a problem names it; of a file with secrets not the value itself.
std::string shown(const YamlNode& node, const Diagnostics& problems) {
  if (!node.is_scalar()) return std::string(kind_name(node));
  return problems.source().hidden() ? "the value" : in_quotes(node.text());
}

}  // namespace

Result<double> parse_byte_size(std::string_view text) {
  const Error bad(ErrorCode::kInvalid,
                  fmt::format("{} is not a size, {}", in_quotes(text), kByteRemedy));
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  if (digits == 0) return bad;
  const auto number = to_number(text.substr(0, digits));
  std::string_view unit = text.substr(digits);
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  double size = unit.empty() && digits == text.size() ? 1 : 0;
  for (const ByteUnit& known : kByteUnits) {
    if (known.name == unit) size = known.size;
  }
  if (!number || size == 0) return bad;
  const double bytes = *number * size;
  if (bytes > kMaxExactInteger || bytes != std::floor(bytes)) return bad;
  return bytes;
}

std::string format_byte_size(double bytes) {
  if (bytes <= 0 || bytes != std::floor(bytes)) return fmt::format("{}", bytes);
  std::string shortest = fmt::format("{:.0f}", bytes);
  for (const ByteUnit& unit : kByteUnits) {
    if (unit.size == 1 || std::fmod(bytes, unit.size) != 0) continue;
    std::string text = fmt::format("{:.0f}{}", bytes / unit.size, unit.name);
    if (text.size() < shortest.size()) shortest = std::move(text);
  }
  return shortest;
}

MappingReader::MappingReader(YamlNode node, Diagnostics& problems, std::string subject,
                             std::string separator)
    : node_(std::move(node)),
      problems_(problems),
      subject_(std::move(subject)),
      separator_(std::move(separator)) {
  if (node_.is_mapping() || node_.is_null()) return;
  problems_.error(node_.span(), subject_,
                  fmt::format("must be a mapping of keys to values, not {}", kind_name(node_)));
}

std::string MappingReader::subject(std::string_view key) const {
  return subject_.empty() ? std::string(key) : subject_ + separator_ + std::string(key);
}

SourceSpan MappingReader::span(std::string_view key) const {
  const YamlNode::Entry* entry = node_.find(key);
  if (!entry) return node_.span();
  return entry->value.is_null() ? entry->key_span : entry->value.span();
}

void MappingReader::error(std::string_view key, std::string problem, std::string remedy) {
  problems_.error(span(key), subject(key), std::move(problem), std::move(remedy));
}

void MappingReader::warning(std::string_view key, std::string problem, std::string remedy) {
  problems_.warning(span(key), subject(key), std::move(problem), std::move(remedy));
}

const YamlNode* MappingReader::node(std::string_view key) {
  ignore(key);
  const YamlNode::Entry* entry = node_.find(key);
  return entry && !entry->value.is_null() ? &entry->value : nullptr;
}

bool MappingReader::require(std::string_view key) {
  if (node(key)) return true;
  const bool has_key = node_.find(key) != nullptr;
  if (node_.is_mapping() || node_.is_null()) {
    problems_.error(span(key), has_key ? subject(key) : subject_,
                    has_key ? std::string("must have a value")
                            : fmt::format("required key {} is missing", in_quotes(key)));
  }
  return false;
}

const std::vector<YamlNode>& MappingReader::list(std::string_view key) {
  static const std::vector<YamlNode> none;
  const YamlNode* value = node(key);
  if (!value) return none;
  if (!value->is_sequence()) {
    error(key, fmt::format("must be a list, not {}", kind_name(*value)),
          "start each item with \"- \"");
    return none;
  }
  return value->items();
}

// Convert: (const YamlNode&, T&) -> Complaint.
template <typename T, typename Convert>
bool MappingReader::read_with(std::string_view key, T& out, Convert convert) {
  const YamlNode* value = node(key);
  if (!value) return false;
  T converted{};
  Complaint complaint = convert(*value, converted);
  if (!complaint.problem.empty()) {
    error(key, std::move(complaint.problem), std::move(complaint.remedy));
    return false;
  }
  out = std::move(converted);
  return true;
}

bool MappingReader::read(std::string_view key, std::string& out) {
  return read_with(key, out, [](const YamlNode& value, std::string& text) -> Complaint {
    if (!value.is_scalar()) return {fmt::format("must be a text, not {}", kind_name(value)), {}};
    text = value.text();
    return {};
  });
}

bool MappingReader::read(std::string_view key, bool& out) {
  return read_with(key, out, [&](const YamlNode& value, bool& flag) -> Complaint {
    const std::string& text = value.text();
    const bool yes = text == "true" || text == "True" || text == "TRUE";
    const bool no = text == "false" || text == "False" || text == "FALSE";
    if (!value.is_scalar() || !(yes || no)) {
      return {shown(value, problems_) + " is not a boolean", "write true or false"};
    }
    if (value.is_text()) return {"is a text in quotes", "write it without quotes"};
    flag = yes;
    return {};
  });
}

bool MappingReader::read(std::string_view key, double& out) {
  return read_with(key, out, [&](const YamlNode& value, double& number) -> Complaint {
    const auto parsed = to_number(value.text());
    if (!value.is_scalar() || !parsed || !std::isfinite(*parsed)) {
      return {shown(value, problems_) + " is not a number", {}};
    }
    if (value.is_text()) return {"is a text in quotes", "write it without quotes"};
    number = *parsed;
    return {};
  });
}

bool MappingReader::read(std::string_view key, Duration& out) {
  return read_with(key, out, [&](const YamlNode& value, Duration& duration) -> Complaint {
    const auto parsed = parse_duration(value.text());
    if (!value.is_scalar() || !parsed) {
      return {shown(value, problems_) + " is not a duration", std::string(kDurationRemedy)};
    }
    duration = *parsed;
    return {};
  });
}

bool MappingReader::read_bytes(std::string_view key, double& out) {
  return read_with(key, out, [&](const YamlNode& value, double& bytes) -> Complaint {
    const auto parsed = parse_byte_size(value.text());
    if (!value.is_scalar() || !parsed) {
      return {shown(value, problems_) + " is not a size", std::string(kByteRemedy)};
    }
    bytes = *parsed;
    return {};
  });
}

bool MappingReader::read_int64(std::string_view key, std::int64_t& out, IntegerRange range) {
  return read_with(key, out, [&](const YamlNode& value, std::int64_t& number) -> Complaint {
    const std::string& text = value.text();
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (!value.is_scalar() || parsed.ec == std::errc::invalid_argument || parsed.ptr != end) {
      return {shown(value, problems_) + " is not a whole number", {}};
    }
    if (value.is_text()) return {"is a text in quotes", "write it without quotes"};
    if (parsed.ec != std::errc() || number < range.min || number > range.max) {
      return {fmt::format("{} is out of range", problems_.source().hidden() ? "the value" : text),
              fmt::format("from {} to {}", range.min, range.max)};
    }
    return {};
  });
}

void MappingReader::refuse_word(std::string_view key, const YamlNode& value,
                                std::span<const std::string_view> words) {
  std::string remedy = value.is_scalar() ? did_you_mean(value.text(), words) : std::string();
  if (remedy.empty()) remedy = fmt::format("one of {}", fmt::join(words, ", "));
  error(key, shown(value, problems_) + " is not known here", std::move(remedy));
}

bool MappingReader::read(std::string_view key, std::vector<std::string>& out) {
  const YamlNode* value = node(key);
  if (!value) return false;
  if (value->is_scalar()) {
    out = {value->text()};
    return true;
  }
  if (!value->is_sequence()) {
    error(key, fmt::format("must be a list of texts, not {}", kind_name(*value)));
    return false;
  }
  std::vector<std::string> texts;
  for (const YamlNode& item : value->items()) {
    if (!item.is_scalar()) {
      problems_.error(item.span(), subject(key),
                      fmt::format("each item must be a text, not {}", kind_name(item)));
      continue;
    }
    texts.push_back(item.text());
  }
  if (texts.size() != value->items().size()) return false;
  out = std::move(texts);
  return true;
}

bool MappingReader::read(std::string_view key,
                         std::vector<std::pair<std::string, std::string>>& out) {
  const YamlNode* value = node(key);
  if (!value) return false;
  if (!value->is_mapping()) {
    error(key, fmt::format("must be a mapping of names to texts, not {}", kind_name(*value)));
    return false;
  }
  std::vector<std::pair<std::string, std::string>> texts;
  for (const auto& [name, span, text] : value->entries()) {
    if (!text.is_scalar() && !text.is_null()) {
      problems_.error(text.span(), fmt::format("{}: {}", subject(key), name),
                      fmt::format("must be a text, not {}", kind_name(text)));
      continue;
    }
    texts.emplace_back(name, text.text());
  }
  if (texts.size() != value->entries().size()) return false;
  out = std::move(texts);
  return true;
}

void MappingReader::finish() {
  if (finished_) return;
  finished_ = true;
  std::vector<std::string_view> unused;  // a key that is there already was not meant
  for (const std::string& known : known_) {
    if (!node_.find(known)) unused.push_back(known);
  }
  const std::vector<std::string_view> known(known_.begin(), known_.end());
  for (const YamlNode::Entry& entry : node_.entries()) {
    if (known_.contains(entry.key)) continue;
    std::string remedy = did_you_mean(entry.key, unused);
    if (remedy.empty() && !known.empty() && known.size() <= 12) {
      remedy = fmt::format("known here: {}", fmt::join(known, ", "));
    }
    problems_.error(entry.key_span, subject_, fmt::format("unknown key {}", in_quotes(entry.key)),
                    std::move(remedy));
  }
}

}  // namespace keelwatch
