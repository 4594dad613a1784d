#include "base/labels.h"

#include <algorithm>
#include <cstring>

namespace keelwatch {
namespace {

constexpr std::size_t kHeader = 2 * sizeof(std::uint32_t);

void pack(std::string& out, LabelView label) {
  const auto name_size = static_cast<std::uint32_t>(label.name.size());
  const auto value_size = static_cast<std::uint32_t>(label.value.size());
  char header[kHeader];
  std::memcpy(header, &name_size, sizeof name_size);
  std::memcpy(header + sizeof name_size, &value_size, sizeof value_size);
  out.append(header, kHeader).append(label.name).append(label.value);
}

std::string pack_sorted(std::vector<LabelView> pairs) {
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const LabelView& a, const LabelView& b) { return a.name < b.name; });
  std::size_t bytes = 0;
  for (const LabelView& p : pairs) bytes += kHeader + p.name.size() + p.value.size();
  std::string packed;
  packed.reserve(bytes);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const bool repeated = i + 1 < pairs.size() && pairs[i + 1].name == pairs[i].name;
    if (!repeated && !pairs[i].value.empty()) pack(packed, pairs[i]);
  }
  return packed;
}

void append_escaped(std::string& out, std::string_view value) {
  for (char c : value) {
    switch (c) {
      case '\\':
        out += "\\\\";
        break;
      case '"':
        out += "\\\"";
        break;
      case '\n':
        out += "\\n";
        break;
      default:
        out += c;
    }
  }
}

}  // namespace

Labels::Labels(std::initializer_list<LabelView> pairs)
    : packed_(pack_sorted(std::vector<LabelView>(pairs))) {}

Labels::Labels(std::vector<LabelView> pairs) : packed_(pack_sorted(std::move(pairs))) {}

LabelView Labels::iterator::operator*() const {
  std::uint32_t name_size = 0;
  std::uint32_t value_size = 0;
  std::memcpy(&name_size, at_, sizeof name_size);
  std::memcpy(&value_size, at_ + sizeof name_size, sizeof value_size);
  return {{at_ + kHeader, name_size}, {at_ + kHeader + name_size, value_size}};
}

Labels::iterator& Labels::iterator::operator++() {
  const LabelView label = **this;
  at_ += kHeader + label.name.size() + label.value.size();
  return *this;
}

std::string_view Labels::get(std::string_view name) const {
  for (const LabelView label : *this) {
    if (label.name == name) return label.value;
    if (label.name > name) break;
  }
  return {};
}

std::size_t Labels::size() const { return static_cast<std::size_t>(std::distance(begin(), end())); }

Labels Labels::with(std::string_view name, std::string_view value) const {
  // Where the label is or belongs, and where the next one begins.
  std::size_t before = packed_.size();
  std::size_t after = before;
  for (const LabelView label : *this) {
    if (label.name < name) continue;
    before = static_cast<std::size_t>(label.name.data() - packed_.data()) - kHeader;
    const bool there = label.name == name;
    after = there ? before + kHeader + name.size() + label.value.size() : before;
    break;
  }
  Labels result;
  result.packed_.reserve(before + (value.empty() ? 0 : kHeader + name.size() + value.size()) +
                         packed_.size() - after);
  result.packed_.append(packed_, 0, before);
  if (!value.empty()) pack(result.packed_, {name, value});
  result.packed_.append(packed_, after);
  return result;
}

// Eight bytes at a time, folded as wyhash does (https://github.com/wangyi-fudan/wyhash).
std::uint64_t Labels::hash() const {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15ULL;
  const auto mix = [](std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  std::uint64_t h = packed_.size() * kOdd;
  const char* at = packed_.data();
  std::size_t left = packed_.size();
  for (; left > 0; left -= std::min<std::size_t>(left, 8), at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, std::min<std::size_t>(left, 8));
    h = mix(h ^ word, kOdd);
  }
  return mix(h, kOdd);
}

std::string Labels::text() const {
  std::string out = "{";
  for (const LabelView label : *this) {
    if (out.size() > 1) out += ',';
    out.append(label.name).append("=\"");
    append_escaped(out, label.value);
    out += '"';
  }
  out += '}';
  return out;
}

std::size_t Labels::heap_bytes() const {
  constexpr std::size_t kInline = 15;  // libstdc++'s small string
  return packed_.capacity() > kInline ? packed_.capacity() + 1 : 0;
}

bool Labels::operator<(const Labels& other) const {
  return std::lexicographical_compare(
      begin(), end(), other.begin(), other.end(), [](const LabelView& a, const LabelView& b) {
        return a.name != b.name ? a.name < b.name : a.value < b.value;
      });
}

}  // namespace keelwatch
