#include "sources/object_store/decompress.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "sources/object_store/crc32c.h"
#include "tests/support/compress.h"

namespace keelwatch::sources {
namespace {

using testing::compress;

constexpr std::string_view kCompressed[] = {".gz", ".bz2", ".xz", ".zst", ".lz4", ".snappy"};
constexpr std::size_t kNoLimit = std::size_t{1} << 30U;

// Partly repetitive, partly random, as WAL is.
std::string sample(std::size_t size) {
  std::minstd_rand random(7);
  std::string text;
  while (text.size() < size) {
    if (random() % 4 == 0) {
      for (int i = 0; i < 300; ++i) text.push_back(static_cast<char>(random() >> 8U & 0xFFU));
    } else {
      text.append(200, static_cast<char>('a' + random() % 3));
    }
  }
  text.resize(size);
  return text;
}

// Fed in pieces of that size; also checks the bound of what one call gives.
Result<std::string> in_pieces(std::string_view suffix, std::string_view stored, std::size_t piece) {
  Decompressor decompressor = *Decompressor::for_suffix(suffix);
  std::string all;
  for (; !stored.empty(); stored.remove_prefix(std::min(piece, stored.size()))) {
    std::string_view in = stored.substr(0, piece);
    for (bool more = true; more;) {
      std::string out;
      const Result<bool> fed = decompressor.feed(in, out);
      if (!fed) return fed.error();
      REQUIRE(out.size() <= Decompressor::kStepBytes);
      all += out;
      more = *fed;
    }
    REQUIRE(in.empty());
  }
  const Result<void> finished = decompressor.finish();
  if (!finished) return finished.error();
  return all;
}

}  // namespace

TEST_CASE("the suffix tells the compression", "[object_store]") {
  CHECK(compression_suffix("data.tar") == "");
  CHECK(compression_suffix("data.tar.gz") == ".gz");
  CHECK(compression_suffix("000000010000000000000001.snappy") == ".snappy");
  CHECK(compression_suffix("000000010000000000000001.partial") == "");
  CHECK(Decompressor::for_suffix(".lzo").error().code() == ErrorCode::kUnsupported);
  CHECK(Decompressor::for_suffix("gz").error().code() == ErrorCode::kUnsupported);
}

TEST_CASE("what was compressed comes back, in whatever pieces it is fed", "[object_store]") {
  const std::string text = sample(1'500'000);
  for (const std::string_view suffix : kCompressed) {
    INFO(suffix);
    const std::string stored = compress(suffix, text);
    REQUIRE(stored.size() < text.size());
    for (const std::size_t piece : {std::size_t{977}, std::size_t{65536}, stored.size()}) {
      const Result<std::string> back = in_pieces(suffix, stored, piece);
      REQUIRE(back);
      CHECK(*back == text);
    }
    const std::string small = compress(suffix, "x");
    CHECK(in_pieces(suffix, small, 1).value() == "x");
  }
  CHECK(in_pieces("", text, 300'000).value() == text);
}

TEST_CASE("a file cut anywhere ends early", "[object_store]") {
  const std::string text = sample(300'000);
  for (const std::string_view suffix : kCompressed) {
    INFO(suffix);
    const std::string stored = compress(suffix, text);
    for (const std::size_t left : {std::size_t{1}, std::size_t{9}, stored.size() / 3,
                                   stored.size() / 2, stored.size() - 4, stored.size() - 1}) {
      INFO(left);
      const Result<std::string> back = decompress(suffix, stored.substr(0, left), kNoLimit);
      REQUIRE_FALSE(back);
      CHECK(back.error().code() == ErrorCode::kMalformed);
      CHECK_THAT(back.error().message(), Catch::EndsWith("ends early"));
    }
  }
}

TEST_CASE("snappy cut behind a chunk is shorter and no error: it has no end mark",
          "[object_store]") {
  const std::string text(65536 + 10, 'x');
  const std::string stored = compress(".snappy", text);
  const std::string first = compress(".snappy", std::string(65536, 'x'));
  REQUIRE(stored.starts_with(first));
  CHECK(decompress(".snappy", first, kNoLimit).value().size() == 65536);
}

TEST_CASE("an empty file is one only without compression", "[object_store]") {
  for (const std::string_view suffix : kCompressed) {
    INFO(suffix);
    CHECK_THAT(decompress(suffix, "", kNoLimit).error().message(), Catch::EndsWith(": empty"));
  }
  CHECK(decompress("", "", kNoLimit).value().empty());
  // Nothing, compressed, is a file like others.
  CHECK(decompress(".gz", compress(".gz", ""), kNoLimit).value().empty());
}

TEST_CASE("a flipped bit is noticed, or does not matter", "[object_store]") {
  const std::string text = sample(50'000);
  std::minstd_rand random(11);
  for (const std::string_view suffix : kCompressed) {
    const std::string stored = compress(suffix, text);
    int noticed = 0;
    for (int i = 0; i < 300; ++i) {
      std::string damaged = stored;
      const std::size_t at = random() % damaged.size();
      damaged[at] = static_cast<char>(damaged[at] ^ 1 << random() % 8);
      INFO(suffix << " at " << at);
      const Result<std::string> back = decompress(suffix, damaged, kNoLimit);
      // lz4 and zstd as barman calls them carry no checksum of the content: there the records or
      // pages inside have to tell.
      const bool checksum = suffix != ".lz4" && suffix != ".zst";
      if (!back) {
        ++noticed;
      } else if (checksum) {
        CHECK(*back == text);
      }
    }
    INFO(suffix << " noticed " << noticed);
    CHECK(noticed > (suffix == ".lz4" || suffix == ".zst" ? 0 : 250));
  }
}

TEST_CASE("members one behind the other are one stream", "[object_store]") {
  const std::string text = sample(200'000);
  for (const std::string_view suffix : kCompressed) {
    INFO(suffix);
    const std::string two = compress(suffix, text) + compress(suffix, "the end");
    CHECK(in_pieces(suffix, two, 1009).value() == text + "the end");
    CHECK_FALSE(decompress(suffix, two.substr(0, two.size() - 1), kNoLimit));
  }
}

TEST_CASE("what follows the end and is no member is an error", "[object_store]") {
  for (const std::string_view suffix : kCompressed) {
    INFO(suffix);
    const std::string stored = compress(suffix, "text");
    for (const std::string& garbage : {std::string("garbage!"), std::string(512, '\0')}) {
      CHECK(decompress(suffix, stored + garbage, kNoLimit).error().code() == ErrorCode::kMalformed);
    }
  }
}

TEST_CASE("one format under the name of another is an error", "[object_store]") {
  for (const std::string_view suffix : kCompressed) {
    for (const std::string_view other : kCompressed) {
      if (suffix == other) continue;
      INFO(suffix << " holds " << other);
      CHECK_FALSE(decompress(suffix, compress(other, "text"), kNoLimit));
    }
    CHECK_FALSE(decompress(suffix, std::string(100'000, '\0'), kNoLimit));
  }
}

TEST_CASE("a bomb goes no further than was expected", "[object_store]") {
  const std::string bomb = compress(".gz", std::string(std::size_t{50} << 20U, '\0'));
  REQUIRE(bomb.size() < 60'000);
  CHECK(decompress(".gz", bomb, 1'000'000).error().code() == ErrorCode::kTooLarge);
  Decompressor decompressor = *Decompressor::for_suffix(".gz");
  std::string_view in = bomb;
  std::string out;
  REQUIRE(decompressor.feed(in, out).value());
  CHECK(out.size() == Decompressor::kStepBytes);
}

TEST_CASE("after an error comes only the same one", "[object_store]") {
  Decompressor decompressor = *Decompressor::for_suffix(".bz2");
  std::string out;
  std::string_view garbage = "not compressed at all";
  const Result<bool> first = decompressor.feed(garbage, out);
  REQUIRE_FALSE(first);
  std::string_view good = "BZh9";
  CHECK(decompressor.feed(good, out).error() == first.error());
  CHECK(decompressor.finish().error() == first.error());
}

TEST_CASE("the first bytes need only the first part of a file", "[object_store]") {
  const std::string text = sample(200'000);
  for (const std::string_view suffix : {"", ".gz", ".zst", ".lz4", ".snappy"}) {
    INFO(suffix);
    const std::string stored = compress(suffix, text);
    CHECK(decompress_first(suffix, stored.substr(0, stored.size() * 3 / 4), 8192).value() ==
          text.substr(0, 8192));
    CHECK(decompress_first(suffix, stored, kNoLimit).value() == text);
    CHECK(decompress_first(suffix, stored.substr(0, 3), 8192).value().size() <= 3);
  }
  CHECK_FALSE(decompress_first(".gz", "no gzip at all", 8192));
}

TEST_CASE("snappy frames are read as python-snappy writes them", "[object_store]") {
  // StreamCompressor().add_chunk(b"keelwatch " * 20), then add_chunk(b"xyz").
  constexpr unsigned char kStored[] = {
      0xFF, 0x06, 0x00, 0x00, 0x73, 0x4E, 0x61, 0x50, 0x70, 0x59, 0x00, 0x1A, 0x00,
      0x00, 0xBE, 0x65, 0x40, 0xDD, 0xC8, 0x01, 0x24, 0x6B, 0x65, 0x65, 0x6C, 0x77,
      0x61, 0x74, 0x63, 0x68, 0x20, 0xFE, 0x0A, 0x00, 0xFE, 0x0A, 0x00, 0xF6, 0x0A,
      0x00, 0x01, 0x07, 0x00, 0x00, 0x1E, 0x35, 0x8D, 0x73, 0x78, 0x79, 0x7A};
  const std::string_view stored(reinterpret_cast<const char*>(kStored), sizeof kStored);
  std::string expected;
  for (int i = 0; i < 20; ++i) expected += "keelwatch ";
  CHECK(decompress(".snappy", stored, kNoLimit).value() == expected + "xyz");
  // A chunk that may be skipped, and one that may not.
  const std::string head(stored.substr(0, 10));
  CHECK(decompress(".snappy", head + std::string("\xFE\x03\x00\x00pad", 7), kNoLimit).has_value());
  CHECK_FALSE(decompress(".snappy", head + std::string("\x02\x03\x00\x00pad", 7), kNoLimit));
  CHECK_FALSE(decompress(".snappy", stored.substr(10), kNoLimit));
}

TEST_CASE("CRC-32C is the one of RFC 3720, with and without the instruction", "[object_store]") {
  CHECK(crc32c("123456789") == 0xE3069283U);
  CHECK(internal::crc32c_by_table("123456789", 0) == 0xE3069283U);
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAU);
  CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43U);
  const std::string text = sample(1000);
  for (std::size_t at = 0; at < 40; ++at) {
    const std::string_view first = std::string_view(text).substr(0, at);
    const std::string_view rest = std::string_view(text).substr(at);
    CHECK(crc32c(rest, crc32c(first)) == crc32c(text));
    CHECK(internal::crc32c_by_table(rest, crc32c(first)) == crc32c(text));
  }
}

}  // namespace keelwatch::sources
