#include "sources/object_store/deep_read.h"

#include <utility>

#include <fmt/format.h>

#include "sources/object_store/decompress.h"

namespace keelwatch::sources {
namespace {

enum class Fed { kMore, kEnough, kDamaged };

Fed feed(Decompressor& decompressor, std::string_view piece,
         const std::function<bool(std::string_view)>& taken, std::string& scratch,
         std::string& damage) {
  for (bool more = true; more;) {
    scratch.clear();
    const Result<bool> fed = decompressor.feed(piece, scratch);
    if (!scratch.empty() && !taken(scratch)) return Fed::kEnough;
    if (!fed) {
      damage = fed.error().message();
      return Fed::kDamaged;
    }
    more = *fed;
  }
  return Fed::kMore;
}

}  // namespace

Task<Result<DeepRead>> deep_read(EventLoop& loop, ObjectReader& reader, std::string key,
                                 std::function<bool(std::string_view)> taken,
                                 const DeepOptions& options, DeepProgress& progress) {
  Result<Decompressor> decompressor = Decompressor::for_suffix(compression_suffix(key));
  if (!decompressor) co_return decompressor.error().context(key);
  Result<std::unique_ptr<ObjectStream>> stream =
      co_await reader.open(key, loop.after(options.stall));
  if (!stream) co_return stream.error().context(key);
  DeepRead read;
  std::string scratch;
  for (;;) {
    Result<std::optional<std::string>> piece = co_await (*stream)->next(loop.after(options.stall));
    if (!piece) co_return piece.error().context(key);
    if (!*piece) break;
    const std::size_t size = (*piece)->size();
    const Fed fed = feed(*decompressor, **piece, taken, scratch, read.damage);
    progress.done += static_cast<std::int64_t>(size);
    if (progress.done > options.max_bytes) {
      co_return Error(ErrorCode::kTooLarge,
                      fmt::format("{}: more than {} bytes read", key, options.max_bytes));
    }
    if (options.progress) options.progress(progress);
    if (fed != Fed::kMore) co_return read;
  }
  if (const Result<void> finished = decompressor->finish(); !finished) {
    read.damage = finished.error().message();
  } else {
    read.whole = true;
  }
  co_return read;
}

}  // namespace keelwatch::sources
