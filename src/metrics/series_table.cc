#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <stdexcept>

#include "metrics/text.h"
#include "metrics/writer.h"

namespace keelwatch::metrics {
namespace {

using Values = std::span<const std::string_view>;

// Hashes a value and tells in the same pass whether its bytes may need escaping or repair.
class ValueScan {
 public:
  explicit ValueScan(const Family& family) : hash_(std::bit_cast<std::uintptr_t>(&family)) {}

  void add(std::string_view value) {
    mix(value.size());  // keeps ("ab", "c") apart from ("a", "bc")
    const char* at = value.data();
    std::size_t left = value.size();
    for (; left >= 8; at += 8, left -= 8) add_word(load<std::uint64_t>(at));
    // Not one memcpy of `left` bytes: reading back what was just stored in pieces stalls.
    if (left >= 4) {
      const std::uint64_t high = load<std::uint32_t>(at + left - 4);
      add_word(load<std::uint32_t>(at) | high << 32);
    } else if (left > 0) {
      const auto byte = [at](std::size_t i) {
        return std::uint64_t{static_cast<unsigned char>(at[i])};
      };
      add_word(byte(0) | byte(left / 2) << 8 | byte(left - 1) << 16);
    }
  }
  [[nodiscard]] std::uint64_t hash() const { return hash_ ^ (hash_ >> 32); }
  [[nodiscard]] bool plain() const { return special_ == 0; }

 private:
  static constexpr std::uint64_t kOnes = 0x0101010101010101;
  static constexpr std::uint64_t kHighs = 0x8080808080808080;

  // Non-zero if a byte of `word` is `c`; may see a byte too many behind a real one, never one too
  // few.
  static std::uint64_t has(std::uint64_t word, char c) {
    const std::uint64_t zero_where_equal = word ^ (kOnes * static_cast<unsigned char>(c));
    return (zero_where_equal - kOnes) & ~zero_where_equal & kHighs;
  }
  template <typename Word>
  static Word load(const char* at) {
    Word word;
    std::memcpy(&word, at, sizeof word);
    return word;
  }
  void add_word(std::uint64_t word) {
    special_ |= (word & kHighs) | has(word, '\\') | has(word, '"') | has(word, '\n');
    mix(word);
  }
  void mix(std::uint64_t word) {
    hash_ = std::rotl(hash_, 23) ^ word;
    hash_ *= 0x9E3779B97F4A7C15;
    hash_ ^= hash_ >> 29;
  }

  std::uint64_t hash_;
  std::uint64_t special_ = 0;
};

// `escaped` are values as the prefix holds them.
std::string render_prefix(const Family& family, Values escaped) {
  std::size_t size = family.name().size() + 3;
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    size += family.labels()[i].size() + escaped[i].size() + 4;
  }
  std::string out;
  out.reserve(size);
  out = family.name();
  char before = '{';
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    if (escaped[i].empty()) continue;
    out += before;
    out.append(family.labels()[i]).append("=\"").append(escaped[i]) += '"';
    before = ',';
  }
  if (before == ',') out += '}';
  out += ' ';
  out.shrink_to_fit();
  return out;
}

// Whether render_prefix(family, escaped) == prefix, which was rendered for the same family. An
// escaped value never ends inside an escape, so a quote right behind it is the closing one.
bool is_prefix_of(const std::string& prefix, const Family& family, Values escaped) {
  std::string_view rest(prefix);
  rest.remove_prefix(family.name().size());
  const auto take = [&rest](std::string_view text) {
    if (rest.size() < text.size() || std::memcmp(rest.data(), text.data(), text.size()) != 0) {
      return false;
    }
    rest.remove_prefix(text.size());
    return true;
  };
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    if (escaped[i].empty()) continue;
    rest.remove_prefix(1);  // '{' or ','; or the final ' ', after which no label name matches
    if (!take(family.labels()[i]) || !take("=\"") || !take(escaped[i]) || !take("\"")) return false;
  }
  return rest == "} " || rest == " ";
}

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
      out += text[i] == 'n' ? '\n' : text[i];
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

Labels Series::labels() const {
  std::array<std::string, Family::kMaxLabels> values;
  std::vector<LabelView> pairs;
  std::string_view rest(prefix);
  rest.remove_prefix(family->name().size());
  while (rest.front() != ' ' && rest.front() != '}') {
    rest.remove_prefix(1);  // '{' or ','
    const std::size_t name_end = rest.find('=');
    std::size_t end = name_end + 2;
    while (rest[end] != '"') end += rest[end] == '\\' ? 2 : 1;
    std::string& value = values.at(pairs.size());
    value = unescape(rest.substr(name_end + 2, end - name_end - 2));
    pairs.push_back({rest.substr(0, name_end), value});
    rest.remove_prefix(end + 1);
  }
  return Labels(std::move(pairs));
}

// Entries lie dense in the order of their first appearance: a steady world writes its series in the
// same order every step, so the next one asked for is nearly always the next entry. The index, open
// addressing over entry numbers, is for the rest.
struct SeriesTable::Impl {
  struct Entry {
    std::shared_ptr<const Series> series;
    std::uint64_t hash;
    std::uint32_t step;  // interned last
    std::uint32_t mark;  // the Writer that wrote it last
  };
  static constexpr std::uint32_t kFree = 0xFFFFFFFF;

  std::vector<Entry> entries;
  std::vector<std::uint32_t> index = std::vector<std::uint32_t>(16, kFree);
  std::size_t expected = 0;  // entry that a steady world asks for next
  std::uint32_t step = 0;
  std::uint32_t last_mark = 0;
  // Scratch for values that are not plain.
  std::array<std::string, Family::kMaxLabels> escaped;
  std::array<std::string_view, Family::kMaxLabels> views;

  Entry& intern(const Family& family, Values values);
  Entry& intern_escaped(const Family& family, Values escaped_values, std::uint64_t hash);
  Values escape(Values values);
  Entry* find(const Family& family, Values escaped_values, std::uint64_t hash);
  Entry& add(const Family& family, Values escaped_values, std::uint64_t hash);
  void prefetch(std::size_t from) const;
  void place(std::uint32_t number);
  void rebuild_index(std::size_t slots);
  void forget_unused();
};

SeriesTable::Impl::Entry& SeriesTable::Impl::intern(const Family& family, Values values) {
  if (values.size() != family.labels().size()) {
    throw std::logic_error(std::string(family.name()) + ": wrong number of label values");
  }
  ValueScan scan(family);
  for (const std::string_view value : values) scan.add(value);
  if (scan.plain()) return intern_escaped(family, values, scan.hash());
  // The escaped form is the value: two spellings of one text are one series.
  const Values canonical = escape(values);
  ValueScan again(family);
  for (const std::string_view value : canonical) again.add(value);
  return intern_escaped(family, canonical, again.hash());
}

Values SeriesTable::Impl::escape(Values values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    escaped[i].clear();
    append_label_value(escaped[i], values[i]);
    views[i] = escaped[i];
  }
  return Values(views.data(), values.size());
}

SeriesTable::Impl::Entry& SeriesTable::Impl::intern_escaped(const Family& family,
                                                            Values escaped_values,
                                                            std::uint64_t hash) {
  Entry* entry = find(family, escaped_values, hash);
  if (entry == nullptr) entry = &add(family, escaped_values, hash);
  entry->step = step;
  expected = static_cast<std::size_t>(entry - entries.data()) + 1;
  prefetch(expected);
  return *entry;
}

// The next ones asked for: a series and its text, one cache miss each, are fetched ahead.
void SeriesTable::Impl::prefetch(std::size_t from) const {
  constexpr std::size_t kText = 2;
  constexpr std::size_t kSeries = 6;
  if (from + kSeries >= entries.size()) return;
  __builtin_prefetch(entries[from + kSeries].series.get());
  const char* text = entries[from + kText].series->prefix.data();
  __builtin_prefetch(text);
  __builtin_prefetch(text + 64);
  __builtin_prefetch(text + 128);
}

SeriesTable::Impl::Entry* SeriesTable::Impl::find(const Family& family, Values escaped_values,
                                                  std::uint64_t hash) {
  const auto is_it = [&](const Entry& entry) {
    return entry.hash == hash && entry.series->family == &family &&
           is_prefix_of(entry.series->prefix, family, escaped_values);
  };
  if (expected < entries.size() && is_it(entries[expected])) return &entries[expected];
  const std::size_t mask = index.size() - 1;
  for (std::size_t slot = hash & mask; index[slot] != kFree; slot = (slot + 1) & mask) {
    if (is_it(entries[index[slot]])) return &entries[index[slot]];
  }
  return nullptr;
}

SeriesTable::Impl::Entry& SeriesTable::Impl::add(const Family& family, Values escaped_values,
                                                 std::uint64_t hash) {
  auto series =
      std::make_shared<const Series>(Series{&family, render_prefix(family, escaped_values)});
  if ((entries.size() + 1) * 2 > index.size()) rebuild_index(index.size() * 2);
  entries.push_back({std::move(series), hash, step, 0});
  place(static_cast<std::uint32_t>(entries.size() - 1));
  return entries.back();
}

void SeriesTable::Impl::place(std::uint32_t number) {
  const std::size_t mask = index.size() - 1;
  std::size_t slot = entries[number].hash & mask;
  while (index[slot] != kFree) slot = (slot + 1) & mask;
  index[slot] = number;
}

void SeriesTable::Impl::rebuild_index(std::size_t slots) {
  index.assign(slots, kFree);
  for (std::uint32_t i = 0; i < entries.size(); ++i) place(i);
}

void SeriesTable::Impl::forget_unused() {
  const auto unused = [this](const Entry& entry) { return step - entry.step >= kKeepSteps; };
  if (std::erase_if(entries, unused) == 0) return;
  // A namespace of thousands that was deleted gives its memory back.
  if (entries.size() * 4 < entries.capacity()) entries.shrink_to_fit();
  rebuild_index(std::max<std::size_t>(16, std::bit_ceil(entries.size() * 2 + 2)));
}

SeriesTable::SeriesTable() : impl_(std::make_unique<Impl>()) {}
SeriesTable::~SeriesTable() = default;
SeriesTable::SeriesTable(SeriesTable&&) noexcept = default;
SeriesTable& SeriesTable::operator=(SeriesTable&&) noexcept = default;

std::shared_ptr<const Series> SeriesTable::intern(const Family& family, Values values) {
  return impl_->intern(family, values).series;
}

void SeriesTable::end_step() {
  impl_->forget_unused();
  ++impl_->step;
  impl_->expected = 0;
}

std::size_t SeriesTable::size() const { return impl_->entries.size(); }

std::uint32_t SeriesTable::new_mark() { return ++impl_->last_mark; }

std::shared_ptr<const Series> SeriesTable::intern_once(const Family& family, Values values,
                                                       std::uint32_t mark) {
  Impl::Entry& entry = impl_->intern(family, values);
  if (entry.mark == mark) return nullptr;
  entry.mark = mark;
  return entry.series;
}

}  // namespace keelwatch::metrics
