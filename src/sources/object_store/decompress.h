// Undoes, piece by piece, the compression that barman-cloud's files have by their names
// (barman/cloud.py, clients/cloud_compression.py): .gz, .bz2, .xz, .zst, .lz4 (frames), .snappy
// (the framing format that python-snappy writes), or none. Members one behind the other are one
// stream, as the tools take them. Memory stays bounded whatever the input claims.
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace keelwatch::sources {

// ".gz", ".bz2", ".xz", ".zst", ".lz4", ".snappy", or "" if the name ends in none of them.
[[nodiscard]] std::string_view compression_suffix(std::string_view name);

class Decompressor {
 public:
  // Not more than this comes out of one feed().
  static constexpr std::size_t kStepBytes = std::size_t{256} << 10U;

  // One of compression_suffix(). kUnsupported: another one.
  [[nodiscard]] static Result<Decompressor> for_suffix(std::string_view suffix);
  ~Decompressor();
  Decompressor(Decompressor&&) noexcept;
  Decompressor& operator=(Decompressor&&) noexcept;

  // Takes from the front of `in` and appends what comes of it to `out`. True: call again with what
  // is left of `in` (perhaps nothing), more is to come. False: all of `in` is taken, and all that
  // it becomes is out. kMalformed: it is damaged; what `out` has is from before the damage, as far
  // as the format can tell. After an error only the same one comes.
  [[nodiscard]] Result<bool> feed(std::string_view& in, std::string& out);

  // There is no more. kMalformed: the stream ended early, or, compressed, has nothing in it.
  // Without compression any end is as good as another, and with .snappy one behind any chunk (64
  // KiB): what the bytes are has to tell.
  [[nodiscard]] Result<void> finish();
  // After a finish() that failed: whether Python's modules take such an end for a good one, so that
  // barman-cloud-wal-restore gives a file that is too short; else it gives none.
  [[nodiscard]] bool python_takes_end() const;

 private:
  class Codec;
  struct None;
  struct Gzip;
  struct Bzip2;
  struct Xz;
  struct Zstd;
  struct Lz4;
  struct Snappy;
  explicit Decompressor(std::unique_ptr<Codec> codec);

  std::unique_ptr<Codec> codec_;
  bool inside_ = false;  // of a member
  bool any_member_ = false;
  std::unique_ptr<Error> failure_;
};

// All of a file that is at hand. kTooLarge: it becomes more than max_bytes.
[[nodiscard]] Result<std::string> decompress(std::string_view suffix, std::string_view stored,
                                             std::size_t max_bytes);
// The first `bytes`, of the first part of a file; fewer if that part holds no more (.bz2: nothing
// before the end of its first block, of up to 900 kB).
[[nodiscard]] Result<std::string> decompress_first(std::string_view suffix, std::string_view stored,
                                                   std::size_t bytes);

}  // namespace keelwatch::sources
