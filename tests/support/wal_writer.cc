#include "tests/support/wal_writer.h"

#include <algorithm>

#include "sources/object_store/crc32c.h"

namespace keelwatch::testing {
namespace {

constexpr std::size_t kPage = 8192;

void put(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> 8 * i & 0xFFU));
}

}  // namespace

void WalWriter::page_header(std::uint16_t flags, std::size_t rest) {
  const bool first = at() % static_cast<std::uint64_t>(kSegmentBytes) == 0;
  const std::uint64_t address = at();
  put(text_, 0xD110, 2);
  put(text_, flags | (first ? 2U : 0U), 2);
  put(text_, static_cast<std::uint64_t>(timeline_), 4);
  put(text_, address, 8);
  put(text_, rest, 4);
  put(text_, 0, 4);
  if (!first) return;
  put(text_, kSystemId, 8);
  put(text_, static_cast<std::uint64_t>(kSegmentBytes), 4);
  put(text_, kPage, 4);
}

void WalWriter::align() {
  if (at() % kPage == 0) page_header(0, 0);
  while (at() % 8 != 0) text_.push_back('\0');
  if (at() % kPage == 0) page_header(0, 0);
}

void WalWriter::append(std::string_view bytes) {
  while (!bytes.empty()) {
    if (at() % kPage == 0) page_header(1, bytes.size());
    const std::size_t size = std::min<std::size_t>(kPage - at() % kPage, bytes.size());
    text_.append(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
}

std::string WalWriter::make(std::size_t bytes, char fill, std::uint8_t manager, std::uint8_t info) {
  std::string head;
  put(head, 24 + bytes, 4);
  put(head, 7, 4);
  put(head, previous_, 8);
  put(head, info, 1);
  put(head, manager, 1);
  put(head, 0, 2);
  const std::string body(bytes, fill);
  put(head, sources::crc32c(head, sources::crc32c(body)), 4);
  return head + body;
}

void WalWriter::record(std::size_t bytes, char fill, std::uint8_t manager, std::uint8_t info) {
  align();
  const std::string record = make(bytes, fill, manager, info);
  previous_ = at();
  append(record);
}

void WalWriter::switch_segment() {
  record(0, 'x', 0, 0x40);
  while (at() % static_cast<std::uint64_t>(kSegmentBytes) != 0) text_.push_back('\0');
}

void WalWriter::crash_within_record(std::size_t bytes) {
  align();
  const std::uint64_t segment = at() / kSegmentBytes;
  append(make(bytes, 'x', 10, 0));
  text_.resize((segment + 1) * kSegmentBytes - begin_);
  page_header(8, 0);
  const std::string replacement = make(16, 'o', 0, 0xD0);
  previous_ = at();
  append(replacement);
}

void WalWriter::fill_segment() {
  const std::uint64_t segment = at() / static_cast<std::uint64_t>(kSegmentBytes);
  while (at() / static_cast<std::uint64_t>(kSegmentBytes) == segment) record(1000);
}

std::string WalWriter::segment(std::int64_t number) const {
  const std::uint64_t from = static_cast<std::uint64_t>(number) * kSegmentBytes - begin_;
  return text_.substr(from, kSegmentBytes);
}

}  // namespace keelwatch::testing
