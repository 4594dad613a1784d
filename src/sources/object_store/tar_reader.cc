#include "sources/object_store/tar_reader.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "sources/object_store/bytes.h"

namespace keelwatch::sources {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kExtensionBytes = std::uint64_t{1} << 20U;  // a path has up to 4 KiB
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 60U;       // of one member

bool is_zero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == '\0'; });
}

std::string_view until_zero(std::string_view field) { return field.substr(0, field.find('\0')); }

// Octal digits between spaces and zeros, or, with the first bit set, binary, big endian.
std::optional<std::uint64_t> number(std::string_view field) {
  std::uint64_t value = 0;
  if (byte_at(field, 0) == 0x80) {
    for (const char c : field.substr(1)) {
      if (value > kMostBytes >> 8U) return std::nullopt;
      value = value << 8U | static_cast<unsigned char>(c);
    }
    return value;
  }
  field = until_zero(field);
  while (field.starts_with(' ')) field.remove_prefix(1);
  while (field.ends_with(' ')) field.remove_suffix(1);
  for (const char c : field) {
    if (c < '0' || c > '7') return std::nullopt;
    value = value << 3U | static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

// The sum of the header's bytes, those of the checksum itself taken as spaces.
bool checksum_is_right(std::string_view block) {
  std::uint64_t sum = 8 * std::uint64_t{' '};
  for (std::size_t i = 0; i < kBlock; ++i) {
    if (i < 148 || i >= 156) sum += byte_at(block, i);
  }
  return number(block.substr(148, 8)) == sum;
}

bool has_data(char type) { return type < '1' || type > '6'; }

std::optional<std::uint64_t> decimal(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > kMostBytes) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

Error TarReader::damaged(std::string_view what) const {
  return Error(ErrorCode::kMalformed,
               fmt::format("tar: at byte {}: {}{}{}", at_, what,
                           member_.name.empty() ? "" : " after member ", member_.name));
}

Result<void> TarReader::feed(std::string_view bytes) {
  while (!bytes.empty() && !failure_) {
    if (data_left_ > 0) {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(data_left_, bytes.size()));
      if (extension_ != '\0') {
        extension_data_.append(bytes.substr(0, size));
      } else {
        visitor_.data(bytes.substr(0, size));
      }
      data_left_ -= size;
      at_ += size;
      bytes.remove_prefix(size);
    } else if (padding_left_ > 0) {
      const auto size =
          static_cast<std::size_t>(std::min<std::uint64_t>(padding_left_, bytes.size()));
      if (!is_zero(bytes.substr(0, size))) {
        failure_ = damaged("no zeros behind the data");
        break;
      }
      padding_left_ -= size;
      at_ += size;
      bytes.remove_prefix(size);
    } else {
      const std::size_t size = std::min(kBlock - partial_.size(), bytes.size());
      partial_.append(bytes.substr(0, size));
      bytes.remove_prefix(size);
      if (partial_.size() < kBlock) return {};
      if (const Result<void> read = block(partial_); !read) failure_ = read.error();
      at_ += kBlock;
      partial_.clear();
    }
    if (inside_ && data_left_ == 0 && padding_left_ == 0 && !failure_) {
      inside_ = false;
      if (extension_ == '\0') {
        visitor_.end();
      } else if (const Result<void> done = extension_complete(); !done) {
        failure_ = done.error();
      }
    }
  }
  if (failure_) return *failure_;
  return {};
}

Result<void> TarReader::finish() {
  if (failure_) return *failure_;
  if (!ended_ || !partial_.empty()) {
    failure_ = damaged(inside_ ? "ends early, within a member" : "ends early");
    return *failure_;
  }
  return {};
}

Result<void> TarReader::block(std::string_view block) {
  const bool zero = is_zero(block);
  if (ended_) {
    if (zero) return {};
    return damaged("something follows its end");
  }
  if (zero) {
    ended_ = zero_block_;
    zero_block_ = true;
    return {};
  }
  if (zero_block_) return damaged("a block of zeros within the archive");
  return header(block);
}

Result<void> TarReader::header(std::string_view block) {
  if (!checksum_is_right(block)) return damaged("the header's checksum is wrong");
  const std::optional<std::uint64_t> bytes = number(block.substr(124, 12));
  if (!bytes || *bytes > kMostBytes) return damaged("a size that is none");
  const char type = block[156];
  if (type == 'x' || type == 'g' || type == 'L' || type == 'K') {
    if (*bytes > kExtensionBytes) {
      return Error(ErrorCode::kTooLarge,
                   fmt::format("tar: at byte {}: an extended header of {} bytes", at_, *bytes));
    }
    extension_ = type;
    extension_data_.clear();
    inside_ = true;
    data_left_ = *bytes;
    padding_left_ = (kBlock - *bytes % kBlock) % kBlock;
    return {};
  }
  return start_member(block, *bytes);
}

Result<void> TarReader::start_member(std::string_view block, std::uint64_t bytes) {
  extension_ = '\0';
  member_.type = block[156] == '\0' ? '0' : block[156];
  std::string name(until_zero(block.substr(0, 100)));
  const std::string_view prefix = until_zero(block.substr(345, 155));
  if (block.substr(257, 6) == std::string_view("ustar\0", 6) && !prefix.empty()) {
    name = fmt::format("{}/{}", prefix, name);
  }
  if (global_name_) name = *global_name_;
  if (next_name_) name = std::move(*next_name_);
  if (global_bytes_) bytes = *global_bytes_;
  if (next_bytes_) bytes = *next_bytes_;
  next_name_.reset();
  next_bytes_.reset();
  std::string_view stripped = name;
  while (stripped.starts_with("./")) stripped.remove_prefix(2);
  member_.name = stripped;
  member_.bytes = has_data(member_.type) ? bytes : 0;
  data_left_ = member_.bytes;
  padding_left_ = (kBlock - member_.bytes % kBlock) % kBlock;
  inside_ = true;
  visitor_.begin(member_);
  return {};
}

Result<void> TarReader::extension_complete() {
  switch (extension_) {
    case 'x':
    case 'g':
      return pax_records(extension_data_, extension_ == 'g');
    case 'L':
      next_name_ = until_zero(extension_data_);
      return {};
    default:
      return {};  // 'K': the target of a link
  }
}

// Records "LENGTH KEY=VALUE\n", LENGTH that of the whole record.
Result<void> TarReader::pax_records(std::string_view records, bool global) {
  while (!records.empty()) {
    const std::size_t space = records.find(' ');
    if (space == std::string_view::npos) return damaged("an extended header without a length");
    const std::optional<std::uint64_t> length = decimal(records.substr(0, space));
    if (!length || *length <= space + 1 || *length > records.size()) {
      return damaged("an extended header of a wrong length");
    }
    std::string_view record =
        records.substr(space + 1, static_cast<std::size_t>(*length) - space - 1);
    records.remove_prefix(static_cast<std::size_t>(*length));
    const std::size_t equals = record.find('=');
    if (!record.ends_with('\n') || equals == std::string_view::npos) {
      return damaged("an extended header that is none");
    }
    record.remove_suffix(1);
    const std::string_view key = record.substr(0, equals);
    const std::string_view value = record.substr(equals + 1);
    if (key == "path") {
      (global ? global_name_ : next_name_) = value;
    } else if (key == "size") {
      const std::optional<std::uint64_t> bytes = decimal(value);
      if (!bytes) return damaged("an extended header whose size is none");
      (global ? global_bytes_ : next_bytes_) = bytes;
    } else if (key.starts_with("GNU.sparse")) {
      return Error(ErrorCode::kUnsupported, fmt::format("tar: at byte {}: a sparse file", at_));
    }
  }
  return {};
}

}  // namespace keelwatch::sources
