#include "tests/bench/promql/remote_write.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace keelwatch::bench {
namespace {

// Protobuf's wire types, with the field's number: number << 3 | type.
constexpr char kVarint = 0;
constexpr char kFixed64 = 1;
constexpr char kBytes = 2;

constexpr char tag(int field, char type) { return static_cast<char>(field << 3 | type); }

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_bytes(std::string& out, int field, std::string_view bytes) {
  out += tag(field, kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

// A snappy block may consist of literals alone: its size, then pieces of up to 64 KiB as they are
// (https://github.com/google/snappy/blob/main/format_description.txt).
std::string as_literals(std::string_view text) {
  constexpr std::size_t kPiece = 65536;
  constexpr char kTwoBytesOfLength = static_cast<char>(61 << 2);
  std::string out;
  out.reserve(text.size() + text.size() / kPiece * 3 + 16);
  put_varint(out, text.size());
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, kPiece);
    const std::size_t length = piece.size() - 1;
    out += kTwoBytesOfLength;
    out += static_cast<char>(length & 0xff);
    out += static_cast<char>(length >> 8);
    out += piece;
    text.remove_prefix(piece.size());
  }
  return out;
}

}  // namespace

void WriteRequest::add(const Labels& labels, std::span<const Sample> samples) {
  std::string series;
  std::string part;
  for (const LabelView label : labels) {
    part.clear();
    put_bytes(part, 1, label.name);
    put_bytes(part, 2, label.value);
    put_bytes(series, 1, part);
  }
  for (const Sample& sample : samples) {
    part.assign(1, tag(1, kFixed64));
    char raw[8];
    std::memcpy(raw, &sample.value, sizeof raw);
    part.append(raw, sizeof raw);
    part += tag(2, kVarint);
    put_varint(part, static_cast<std::uint64_t>(sample.timestamp_ms));
    put_bytes(series, 2, part);
  }
  put_bytes(message_, 1, series);
}

std::string WriteRequest::take() {
  std::string body = as_literals(message_);
  message_.clear();
  return body;
}

}  // namespace keelwatch::bench
