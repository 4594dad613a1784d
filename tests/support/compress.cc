#include "tests/support/compress.h"

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>

#include "sources/object_store/crc32c.h"

namespace keelwatch::testing {
namespace {

void require(bool done, std::string_view what) {
  if (!done) throw std::runtime_error("cannot compress: " + std::string(what));
}

std::string gzip(std::string_view text) {
  z_stream stream{};
  require(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK,
          "gzip");
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int code = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  require(code == Z_STREAM_END, "gzip");
  return out;
}

std::string bzip2(std::string_view text) {
  auto size = static_cast<unsigned int>(text.size() + text.size() / 50 + 1000);
  std::string out(size, '\0');
  require(BZ2_bzBuffToBuffCompress(out.data(), &size, const_cast<char*>(text.data()),
                                   static_cast<unsigned int>(text.size()), 9, 0, 0) == BZ_OK,
          "bzip2");
  out.resize(size);
  return out;
}

std::string xz(std::string_view text) {
  std::string out(lzma_stream_buffer_bound(text.size()), '\0');
  std::size_t size = 0;
  require(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr,
                                  reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                                  reinterpret_cast<std::uint8_t*>(out.data()), &size,
                                  out.size()) == LZMA_OK,
          "xz");
  out.resize(size);
  return out;
}

std::string zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const std::size_t size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
  require(ZSTD_isError(size) == 0, "zstd");
  out.resize(size);
  return out;
}

std::string lz4(std::string_view text) {
  std::string out(LZ4F_compressFrameBound(text.size(), nullptr), '\0');
  const std::size_t size =
      LZ4F_compressFrame(out.data(), out.size(), text.data(), text.size(), nullptr);
  require(LZ4F_isError(size) == 0, "lz4");
  out.resize(size);
  return out;
}

std::string little_endian(std::uint32_t value) {
  std::string out;
  for (int byte = 0; byte < 4; ++byte) out.push_back(static_cast<char>(value >> 8 * byte & 0xFFU));
  return out;
}

// As python-snappy does it: a chunk is compressed if that saves an eighth of it.
std::string snappy_frames(std::string_view text) {
  std::string out("\xFF\x06\x00\x00sNaPpY", 10);
  for (; !text.empty(); text.remove_prefix(std::min<std::size_t>(text.size(), 65536))) {
    const std::string_view plain = text.substr(0, 65536);
    const std::uint32_t crc = sources::crc32c(plain);
    std::string packed;
    snappy::Compress(plain.data(), plain.size(), &packed);
    const bool saves = packed.size() <= plain.size() - plain.size() / 8;
    if (!saves) packed = plain;
    out += little_endian(static_cast<std::uint32_t>((packed.size() + 4) << 8U) | (saves ? 0U : 1U));
    out += little_endian((crc >> 15U | crc << 17U) + 0xA282EAD8U);
    out += packed;
  }
  return out;
}

}  // namespace

std::string compress(std::string_view suffix, std::string_view text) {
  if (suffix.empty()) return std::string(text);
  if (suffix == ".gz") return gzip(text);
  if (suffix == ".bz2") return bzip2(text);
  if (suffix == ".xz") return xz(text);
  if (suffix == ".zst") return zstd(text);
  if (suffix == ".lz4") return lz4(text);
  if (suffix == ".snappy") return snappy_frames(text);
  throw std::runtime_error("no compression " + std::string(suffix));
}

}  // namespace keelwatch::testing
