#include "sources/object_store/decompress.h"

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <new>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "sources/object_store/crc32c.h"

namespace keelwatch::sources {
namespace {

// Of a decoder's dictionary: xz -9 takes 65 MiB, zstd refuses more than 128 MiB by itself.
constexpr std::uint64_t kDecoderBytes = std::uint64_t{256} << 20U;

Error malformed(std::string_view format, std::string_view what) {
  return Error(ErrorCode::kMalformed, fmt::format("{}: {}", format, what));
}

// The libraries' counters have 32 bits; what is longer is given to them in parts.
unsigned int counter(std::size_t size) {
  return static_cast<unsigned int>(std::min<std::size_t>(size, std::size_t{1} << 30U));
}

struct Step {
  std::size_t written = 0;
  bool ended = false;  // of a member
};

}  // namespace

// One member after the other: begin(), then step() until it has ended.
class Decompressor::Codec {
 public:
  Codec() = default;
  virtual ~Codec() = default;
  Codec(const Codec&) = delete;
  Codec& operator=(const Codec&) = delete;

  [[nodiscard]] virtual std::string_view format() const = 0;
  virtual void begin() = 0;
  // Takes from the front of `in`; neither anything taken nor written: it needs more input.
  [[nodiscard]] virtual Result<Step> step(std::string_view& in, std::span<char> out) = 0;
  // Whether a file may end here, within a member / before the first one.
  [[nodiscard]] virtual bool may_end() const { return false; }
  [[nodiscard]] virtual bool may_be_empty() const { return false; }
  // What Python's gzip, bz2, lzma, lz4, zstandard and python-snappy do (measured with barman 3.19).
  [[nodiscard]] virtual bool python_takes_early_end() const { return false; }
  [[nodiscard]] virtual bool python_takes_empty() const { return python_takes_early_end(); }
};

struct Decompressor::None final : Codec {
  [[nodiscard]] std::string_view format() const override { return "uncompressed"; }
  void begin() override {}
  Result<Step> step(std::string_view& in, std::span<char> out) override {
    const std::size_t size = std::min(in.size(), out.size());
    std::copy_n(in.data(), size, out.data());
    in.remove_prefix(size);
    return Step{size, false};
  }
  [[nodiscard]] bool may_end() const override { return true; }
  [[nodiscard]] bool may_be_empty() const override { return true; }
};

struct Decompressor::Gzip final : Codec {
  Gzip() {
    if (inflateInit2(&stream_, MAX_WBITS + 16) != Z_OK) throw std::bad_alloc();
  }
  ~Gzip() override { inflateEnd(&stream_); }
  [[nodiscard]] std::string_view format() const override { return "gzip"; }
  [[nodiscard]] bool python_takes_empty() const override { return true; }
  void begin() override { inflateReset(&stream_); }
  Result<Step> step(std::string_view& in, std::span<char> out) override {
    const unsigned int given = counter(in.size());
    // zlib does not write to its input; only its declaration says so in old releases.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = given;
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = counter(out.size());
    const int code = inflate(&stream_, Z_NO_FLUSH);
    in.remove_prefix(given - stream_.avail_in);
    if (code == Z_MEM_ERROR) throw std::bad_alloc();
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
      return malformed(format(), stream_.msg != nullptr ? stream_.msg : "needs a dictionary");
    }
    return Step{counter(out.size()) - stream_.avail_out, code == Z_STREAM_END};
  }

 private:
  z_stream stream_{};
};

struct Decompressor::Bzip2 final : Codec {
  ~Bzip2() override { close(); }
  [[nodiscard]] std::string_view format() const override { return "bzip2"; }
  void begin() override {
    close();
    if (BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK) throw std::bad_alloc();
    open_ = true;
  }
  Result<Step> step(std::string_view& in, std::span<char> out) override {
    const unsigned int given = counter(in.size());
    stream_.next_in = const_cast<char*>(in.data());
    stream_.avail_in = given;
    stream_.next_out = out.data();
    stream_.avail_out = counter(out.size());
    const int code = BZ2_bzDecompress(&stream_);
    in.remove_prefix(given - stream_.avail_in);
    if (code == BZ_MEM_ERROR) throw std::bad_alloc();
    if (code != BZ_OK && code != BZ_STREAM_END) {
      return malformed(format(), code == BZ_DATA_ERROR_MAGIC ? "not a bzip2 stream"
                                                             : "damaged, or its checksum is wrong");
    }
    return Step{counter(out.size()) - stream_.avail_out, code == BZ_STREAM_END};
  }

 private:
  void close() {
    if (open_) BZ2_bzDecompressEnd(&stream_);
    open_ = false;
    stream_ = {};
  }
  bz_stream stream_{};
  bool open_ = false;
};

struct Decompressor::Xz final : Codec {
  ~Xz() override { lzma_end(&stream_); }
  [[nodiscard]] std::string_view format() const override { return "xz"; }
  void begin() override {
    if (lzma_stream_decoder(&stream_, kDecoderBytes, LZMA_TELL_UNSUPPORTED_CHECK) != LZMA_OK) {
      throw std::bad_alloc();
    }
  }
  Result<Step> step(std::string_view& in, std::span<char> out) override {
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    stream_.avail_in = in.size();
    stream_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    stream_.avail_out = out.size();
    const lzma_ret code = lzma_code(&stream_, LZMA_RUN);
    in.remove_prefix(in.size() - stream_.avail_in);
    switch (code) {
      case LZMA_OK:
      case LZMA_BUF_ERROR:
      case LZMA_STREAM_END:
        return Step{out.size() - stream_.avail_out, code == LZMA_STREAM_END};
      case LZMA_MEM_ERROR:
        throw std::bad_alloc();
      case LZMA_MEMLIMIT_ERROR:
        return Error(ErrorCode::kTooLarge, "xz: its dictionary takes more than 256 MiB");
      case LZMA_FORMAT_ERROR:
        return malformed(format(), "not an xz stream");
      case LZMA_UNSUPPORTED_CHECK:
      case LZMA_OPTIONS_ERROR:
        return Error(ErrorCode::kUnsupported, "xz: uses a check or filter that liblzma lacks");
      default:
        return malformed(format(), "damaged, or its checksum is wrong");
    }
  }

 private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
};

struct Decompressor::Zstd final : Codec {
  Zstd() : stream_(ZSTD_createDStream()) {
    if (stream_ == nullptr) throw std::bad_alloc();
  }
  ~Zstd() override { ZSTD_freeDStream(stream_); }
  [[nodiscard]] std::string_view format() const override { return "zstd"; }
  [[nodiscard]] bool python_takes_early_end() const override { return true; }
  void begin() override { ZSTD_initDStream(stream_); }
  Result<Step> step(std::string_view& in, std::span<char> out) override {
    ZSTD_inBuffer input{in.data(), in.size(), 0};
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    const std::size_t code = ZSTD_decompressStream(stream_, &output, &input);
    if (ZSTD_isError(code) != 0) return malformed(format(), ZSTD_getErrorName(code));
    in.remove_prefix(input.pos);
    return Step{output.pos, code == 0};
  }

 private:
  ZSTD_DStream* stream_;
};

struct Decompressor::Lz4 final : Codec {
  Lz4() {
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context_, LZ4F_VERSION)) != 0) {
      throw std::bad_alloc();
    }
  }
  ~Lz4() override { LZ4F_freeDecompressionContext(context_); }
  [[nodiscard]] std::string_view format() const override { return "lz4"; }
  void begin() override { LZ4F_resetDecompressionContext(context_); }
  Result<Step> step(std::string_view& in, std::span<char> out) override {
    std::size_t taken = in.size();
    std::size_t written = out.size();
    const std::size_t code =
        LZ4F_decompress(context_, out.data(), &written, in.data(), &taken, nullptr);
    if (LZ4F_isError(code) != 0) return malformed(format(), LZ4F_getErrorName(code));
    in.remove_prefix(taken);
    return Step{written, code == 0};
  }

 private:
  LZ4F_dctx* context_ = nullptr;
};

// Chunks: type, length of the rest (3 bytes, little endian), the rest (google/snappy,
// framing_format.txt). A stream begins with the identifier; it has no end mark.
struct Decompressor::Snappy final : Codec {
  [[nodiscard]] std::string_view format() const override { return "snappy"; }
  [[nodiscard]] bool python_takes_early_end() const override { return true; }
  void begin() override {}
  [[nodiscard]] bool may_end() const override {
    return identified_ && chunk_.empty() && skip_ == 0 && given_ == plain_.size();
  }
  Result<Step> step(std::string_view& in, std::span<char> out) override {
    if (given_ < plain_.size()) return Step{give(out), false};
    if (skip_ > 0) {
      const std::size_t size = std::min(skip_, in.size());
      in.remove_prefix(size);
      skip_ -= size;
      return Step{};
    }
    take(in, kHead);
    if (chunk_.size() < kHead) return Step{};
    const std::size_t length = byte(1) | byte(2) << 8U | byte(3) << 16U;
    if (const auto problem = check_head(length)) return malformed(format(), *problem);
    if (skips()) {
      skip_ = length;
      chunk_.clear();
      return Step{};
    }
    take(in, kHead + length);
    if (chunk_.size() < kHead + length) return Step{};
    if (const auto problem = unpack()) return malformed(format(), *problem);
    chunk_.clear();
    return Step{give(out), false};
  }

 private:
  static constexpr std::size_t kHead = 4;
  static constexpr std::size_t kPlain = 65536;  // of one chunk, at most
  static constexpr std::size_t kCompressed = 0x00;
  static constexpr std::size_t kUncompressed = 0x01;
  static constexpr std::size_t kIdentifier = 0xFF;
  static constexpr std::string_view kMagic = "sNaPpY";

  [[nodiscard]] std::size_t byte(std::size_t at) const {
    return static_cast<unsigned char>(chunk_[at]);
  }
  [[nodiscard]] bool skips() const { return byte(0) >= 0x80 && byte(0) != kIdentifier; }

  void take(std::string_view& in, std::size_t wanted) {
    const std::size_t size = std::min(wanted - std::min(wanted, chunk_.size()), in.size());
    chunk_.append(in.substr(0, size));
    in.remove_prefix(size);
  }
  std::size_t give(std::span<char> out) {
    const std::size_t size = std::min(plain_.size() - given_, out.size());
    std::copy_n(plain_.data() + given_, size, out.data());
    given_ += size;
    return size;
  }

  [[nodiscard]] std::optional<std::string_view> check_head(std::size_t length) const {
    const std::size_t type = byte(0);
    if (type == kIdentifier) {
      return length == kMagic.size()
                 ? std::nullopt
                 : std::optional<std::string_view>("identifier of a wrong size");
    }
    if (!identified_) return "does not begin with the stream identifier";
    if (skips()) return std::nullopt;
    if (type != kCompressed && type != kUncompressed) return "unknown chunk";
    const std::size_t most =
        4 + (type == kCompressed ? snappy::MaxCompressedLength(kPlain) : kPlain);
    if (length < 4 || length > most) return "chunk of an impossible size";
    return std::nullopt;
  }

  // The whole chunk that is there, into plain_.
  [[nodiscard]] std::optional<std::string_view> unpack() {
    plain_.clear();
    given_ = 0;
    std::string_view rest = std::string_view(chunk_).substr(kHead);
    if (byte(0) == kIdentifier) {
      if (rest != kMagic) return "does not begin with the stream identifier";
      identified_ = true;
      return std::nullopt;
    }
    const auto expected = static_cast<std::uint32_t>(
        byte(kHead) | byte(kHead + 1) << 8U | byte(kHead + 2) << 16U | byte(kHead + 3) << 24U);
    rest.remove_prefix(4);
    if (byte(0) == kUncompressed) {
      plain_ = rest;
    } else {
      std::size_t length = 0;
      if (!snappy::GetUncompressedLength(rest.data(), rest.size(), &length) || length > kPlain ||
          !snappy::Uncompress(rest.data(), rest.size(), &plain_)) {
        return "damaged chunk";
      }
    }
    const std::uint32_t crc = crc32c(plain_);
    if (((crc >> 15U) | (crc << 17U)) + 0xA282EAD8U != expected) return "checksum is wrong";
    return std::nullopt;
  }

  std::string chunk_;  // what is there of the current one
  std::string plain_;
  std::size_t given_ = 0;  // of plain_
  std::size_t skip_ = 0;   // of the current chunk
  bool identified_ = false;
};

std::string_view compression_suffix(std::string_view name) {
  for (const std::string_view suffix : {".gz", ".bz2", ".xz", ".zst", ".lz4", ".snappy"}) {
    if (name.ends_with(suffix)) return suffix;
  }
  return "";
}

Result<Decompressor> Decompressor::for_suffix(std::string_view suffix) {
  if (suffix.empty()) return Decompressor(std::make_unique<None>());
  if (suffix == ".gz") return Decompressor(std::make_unique<Gzip>());
  if (suffix == ".bz2") return Decompressor(std::make_unique<Bzip2>());
  if (suffix == ".xz") return Decompressor(std::make_unique<Xz>());
  if (suffix == ".zst") return Decompressor(std::make_unique<Zstd>());
  if (suffix == ".lz4") return Decompressor(std::make_unique<Lz4>());
  if (suffix == ".snappy") return Decompressor(std::make_unique<Snappy>());
  return Error(ErrorCode::kUnsupported, fmt::format("cannot undo a compression \"{}\"", suffix));
}

Decompressor::Decompressor(std::unique_ptr<Codec> codec) : codec_(std::move(codec)) {}
Decompressor::~Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;

Result<bool> Decompressor::feed(std::string_view& in, std::string& out) {
  if (failure_) return *failure_;
  const std::size_t begin = out.size();
  out.resize(begin + kStepBytes);
  std::size_t filled = 0;
  while (filled < kStepBytes) {
    if (!inside_) {
      if (in.empty()) break;
      codec_->begin();
      inside_ = any_member_ = true;
    }
    const std::size_t before = in.size();
    const Result<Step> step =
        codec_->step(in, std::span(out).subspan(begin + filled, kStepBytes - filled));
    if (!step) {
      out.resize(begin + filled);
      failure_ = std::make_unique<Error>(step.error());
      return *failure_;
    }
    filled += step->written;
    if (step->ended) inside_ = false;
    if (!step->ended && step->written == 0 && in.size() == before) break;
  }
  out.resize(begin + filled);
  return filled == kStepBytes;
}

Result<void> Decompressor::finish() {
  if (failure_) return *failure_;
  if (!any_member_ && !codec_->may_be_empty()) return malformed(codec_->format(), "empty");
  if (inside_ && !codec_->may_end()) return malformed(codec_->format(), "ends early");
  return {};
}

bool Decompressor::python_takes_end() const {
  if (failure_) return false;
  return any_member_ ? codec_->python_takes_early_end() : codec_->python_takes_empty();
}

Result<std::string> decompress(std::string_view suffix, std::string_view stored,
                               std::size_t max_bytes) {
  Result<Decompressor> decompressor = Decompressor::for_suffix(suffix);
  if (!decompressor) return decompressor.error();
  std::string out;
  for (bool more = true; more;) {
    const Result<bool> fed = decompressor->feed(stored, out);
    if (!fed) return fed.error();
    if (out.size() > max_bytes) {
      return Error(ErrorCode::kTooLarge, fmt::format("more than {} bytes decompressed", max_bytes));
    }
    more = *fed;
  }
  const Result<void> finished = decompressor->finish();
  if (!finished) return finished.error();
  return out;
}

Result<std::string> decompress_first(std::string_view suffix, std::string_view stored,
                                     std::size_t bytes) {
  Result<Decompressor> decompressor = Decompressor::for_suffix(suffix);
  if (!decompressor) return decompressor.error();
  std::string out;
  for (bool more = true; more && out.size() < bytes;) {
    const Result<bool> fed = decompressor->feed(stored, out);
    // What came before the damage counts: there may be none within these bytes.
    if (!fed && out.size() < bytes) return fed.error();
    more = fed && *fed;
  }
  out.resize(std::min(out.size(), bytes));
  return out;
}

}  // namespace keelwatch::sources
